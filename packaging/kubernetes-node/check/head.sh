# kube-node-check: can this machine be a node of the Kubernetes release that its node spec describes?
# It reads /proc, /sys and configuration files, asks programs for their versions, and changes nothing.
# POSIX sh with awk, grep, sed and coreutils (busybox will do). Root sees most; what cannot be seen is a warning.
set -uf
export LC_ALL=C

usage() {
    cat <<'END'
Usage: kube-node-check [--role node|control-plane] [--json] [--fix] [--strict] [--spec FILE] [--root DIR]
Says whether this machine can be a node of the Kubernetes release in the node spec, and what to do if it cannot.

  --role ROLE  node (default) or control-plane
  --json       print one JSON object instead of lines
  --fix        print the commands that would help, for a shell; nothing is run. With --json: in each check
  --strict     a warning counts as a failure
  --spec FILE  the node spec, by default /usr/share/kubewright/node-spec.sh; or node-spec.json of a release to come
  --root DIR   look at the system below DIR instead of this one

Exit code: 0 nothing failed, 1 something failed, 2 the check could not run.
END
}

cannot_run() {
    echo "kube-node-check: $*" >&2
    exit 2
}

# ── Results ──────────────────────────────────────────────────────────────────────────────────

newline='
' tab='	'
failed=0 warned=0 checks='' condition=''
commands='' # that make good what the next check misses, one a line; only those that are right wherever it misses

# The one way to a result: ok if the test holds, else as bad as the level; nothing found means that we could not look.
expect() { # ID LEVEL FOUND WANTED REMEDY TEST...
    id=$1 level=$2 found=$3 wanted=$4 remedy=$condition$5
    shift 5
    [ -z "$condition" ] || [ "$level" = ok ] || level=warning # it need not come true
    if [ -z "$found" ]; then
        commands=''
        report "$id" warn "cannot look" "$wanted" "look as root on the host, with /proc and /sys mounted"
    elif [ "$level" = ok ] || "$@"; then
        report "$id" ok "$found"
    elif [ "$level" = warning ]; then
        report "$id" warn "$found" "$wanted" "$remedy"
    else
        report "$id" fail "$found" "$wanted" "$remedy"
    fi
    commands=''
}

report() { # ID ok|warn|fail FOUND [WANTED REMEDY]
    case $2 in
        ok) commands='' ;;
        fail) failed=$((failed + 1)) ;;
        warn) warned=$((warned + 1)) ;;
    esac
    if [ -n "$json" ]; then
        fields=''
        field id "$1"
        field result "$2"
        field found "$3"
        field wanted "${4:-}"
        field remedy "${5:-}"
        checks="$checks${checks:+,}{$fields${fix:+,$(fix_field)}}"
    elif [ -n "$fix" ]; then
        [ "$2" != ok ] || return 0
        printf '# %-4s  %s: %s\n' "$2" "$1" "$(one_line "$3")"
        [ -z "${5:-}" ] || printf '#       do: %s\n' "$(one_line "$5")"
        [ -z "$commands" ] || printf '%s\n' "$commands"
    else
        printf '%-4s  %s: %s\n' "$2" "$1" "$3"
        [ -z "${4:-}" ] || printf '      wanted: %s\n' "$4"
        [ -z "${5:-}" ] || printf '      do: %s\n' "$5"
    fi
    commands=''
}

word() { # TEXT as one word of a command
    case $1 in
        *[!A-Za-z0-9/._:@=-]*) printf "'%s'" "$(one_line "$1" | sed "s/'/'\\\\''/g")" ;;
        *) printf '%s' "$1" ;;
    esac
}

one_line() { # TEXT: in a comment, where a line end would begin a command
    case $1 in
        *[!\ -~]*) printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\040-\176' ;;
        *) printf '%s' "$1" ;;
    esac
}

# Results go into variables: on a small machine a process for each of them is half of the time.

field() { # NAME TEXT: adds them to fields, as JSON has it
    string "$2"
    fields="$fields${fields:+,}\"$1\":$in_json"
}

string() { # TEXT: sets in_json to it; what is not printable ASCII is left out
    in_json=$1
    case $1 in
        *[!\ -~]* | *[\"\\]*) in_json=$(printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\040-\176' | sed 's/[\\"]/\\&/g') ;;
    esac
    in_json="\"$in_json\""
}

fix_field() { # the commands of a check
    list=''
    [ -z "$commands" ] || list=$(printf '%s\n' "$commands" | while IFS= read -r command; do
        string "$command"
        printf '%s,' "$in_json"
    done)
    printf '"fix":[%s]' "${list%,}"
}
