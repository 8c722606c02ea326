# ── Looking ──────────────────────────────────────────────────────────────────────────────────

# PATH: sets place to where the file is. Every part of the path may be a link, and what a link names absolutely is below
# the root too.
below_root() {
    place=$root$1
    [ -n "$root" ] || return 0
    rest=$1 place=$root links=0
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        rest=${rest#"$part"}
        rest=${rest#/}
        case $part in
            '' | .) continue ;;
            ..)
                [ "$place" = "$root" ] || place=${place%/*}
                continue
                ;;
        esac
        place=$place/$part
        if [ -L "$place" ] && [ $links -lt 40 ]; then
            links=$((links + 1))
            target=$(readlink "$place")
            case $target in /*) place=$root ;; *) place=${place%/*} ;; esac
            rest=$target${rest:+/$rest}
        fi
    done
    [ "$place" != "$root/dev/null" ] || place=/dev/null # a root need not have devices
}

there() { # PATH, as a file or as a link to anything
    below_root "${1%/*}"
    [ -e "$place/${1##*/}" ] || [ -L "$place/${1##*/}" ]
}

out_of_sight() { # PATH: whether this user may not look whether it is there
    nearest=${1%/*}
    while below_root "$nearest" && ! [ -e "$place" ] && [ -n "$nearest" ]; do nearest=${nearest%/*}; done
    [ -d "$place" ] && ! [ -x "$place" ]
}

can_read() { # PATH: whether what is in it can be seen; of a directory that is nothing
    below_root "$1"
    [ -r "$place" ]
}

content() { # FILE below the root, or nothing
    below_root "$1"
    cat "$place" 2>/dev/null
}

program() { # NAME: prints its path
    programs "$1" | head -n 1
}

programs() { # NAME: prints its paths, the first first
    for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
        [ ! -L "$root$dir" ] || continue # to another of them
        below_root "$dir/$1"
        [ ! -x "$place" ] || [ -d "$place" ] || echo "$place"
    done
}

version_of() { # PATH of a program: prints the first X.Y.Z that it says
    [ -z "$1" ] || "$1" --version 2>/dev/null | tr ' ' '\n' \
        | sed -n 's/^v\{0,1\}\([0-9]\{1,\}\.[0-9]\{1,\}\.[0-9]\{1,\}\).*/\1/p' | head -n 1
}

at_least() { # X.Y.Z X.Y.Z
    IFS=. read -r x1 y1 z1 x2 y2 z2 <<END
$1.$2
END
    [ "$x1" -eq "$x2" ] || { [ "$x1" -gt "$x2" ]; return; }
    [ "$y1" -eq "$y2" ] || { [ "$y1" -gt "$y2" ]; return; }
    [ "$z1" -ge "$z2" ]
}

matches() { # TEXT EXTENDED-REGULAR-EXPRESSION
    printf '%s\n' "$1" 2>/dev/null | grep -Eq "$2"
}

missing_words() { # WANTED HAVE: prints the wanted words that are not there
    for word in $1; do
        case " $2 " in *" $word "*) ;; *) printf ' %s' "$word" ;; esac
    done
}

hidden() { # FILE: whether it is there to hide others of its name, as systemd has it
    below_root "$1"
    [ -e "$place" ] && ! [ -s "$place" ]
}

# The files that count, by name, as systemd reads a directory such as sysctl.d: of several of one name the one in the
# first directory.
conf_files() { # DIRECTORIES SUFFIX
    rank=0 ranked=''
    for dir in $1; do
        rank=$((rank + 1))
        below_root "$dir"
        set +f
        for path in "$place"/*"$2"; do
            below_root "$dir/${path##*/}"
            [ ! -e "$place" ] || ranked="$ranked${path##*/}$tab$rank$tab$dir/${path##*/}$newline" # not a link to nothing
        done
        set -f
    done
    [ -n "$ranked" ] || return 0
    printf %s "$ranked" | sort | awk -F '\t' '!seen[$1]++ { print $3 }' | while IFS= read -r path; do
        hidden "$path" || printf '%s\n' "$path"
    done
}

# ── Units ────────────────────────────────────────────────────────────────────────────────────

unit_dirs="/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system \
/lib/systemd/system"

systemd() { # whether this system has it
    [ -d "$root/usr/lib/systemd/system" ] || [ -d "$root/lib/systemd/system" ] || [ -d "$root/run/systemd/system" ]
}

drop_in_dirs() { # UNIT
    for dir in $unit_dirs; do printf '%s ' "$dir/$1.d"; done
    for dir in $unit_dirs; do printf '%s ' "$dir/${1##*.}.d"; done # for all units of its type
}

unit_file() { # UNIT: prints the file that counts
    for dir in $unit_dirs; do
        if there "$dir/$1"; then
            echo "$dir/$1"
            return
        fi
    done
}

enabled() { # UNIT: whether something starts it at boot
    for dir in $unit_dirs; do
        below_root "$dir"
        set +f
        for path in "$place"/*.wants/"$1" "$place"/*.requires/"$1"; do
            set -f
            [ ! -e "$path" ] && [ ! -L "$path" ] || return 0
        done
        set -f
    done
    return 1
}

# Of unit_text: each value of EnvironmentFile=, a tab, and where a file is that it means.
environment_files() (
    printf '%s\n' "$unit_text" | sed -n 's/^[[:space:]]*EnvironmentFile[[:space:]]*=[[:space:]]*//p' \
        | sed 's/[[:space:]]*$//' | sort -u | while IFS= read -r value; do
            IFS='' path=${value#-}
            pattern=${path##*/}
            below_root "${path%/*}"
            set +f
            for found in "$place"/$pattern; do
                below_root "${path%/*}/${found##*/}"
                [ -d "$place" ] || printf '%s\t%s\n' "$value" "$place"
            done
            set -f
        done
)

# What a unit starts, one word a line, with its variables filled in from Environment= and EnvironmentFile=.
# Without the unit's file: of standard input, which holds one, and the drop-ins.
unit_words() { # UNIT
    main=$(unit_file "$1")
    unit_text=$({
        if [ -z "$main" ] || hidden "$main"; then cat; fi
        { printf '%s\n' "$main"; conf_files "$(drop_in_dirs "$1")" .conf; } | while IFS= read -r part; do
            echo "[]"
            [ -z "$part" ] || content "$part"
            echo
        done
    })
    printf '%s\n' "$unit_text" | places=$(environment_files) awk '
    function words(text, into,   n, i, c, quote, word, some) { # splits as systemd does; into[1..n]
        n = 0
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (quote != "" && c == quote) quote = ""
            else if (quote == "" && (c == "\"" || c == "\047")) { quote = c; some = 1 }
            else if (c == "\\" && quote != "\047") { word = word substr(text, ++i, 1); some = 1 }
            else if (quote == "" && c ~ /[ \t]/) {
                if (some) into[++n] = word
                word = ""
                some = 0
            } else { word = word c; some = 1 }
        }
        if (some) into[++n] = word
        return n
    }
    function assign(pair,   at) {
        at = index(pair, "=")
        if (at) value_of[substr(pair, 1, at - 1)] = substr(pair, at + 1)
    }
    function read_file(name,   line, next_part, at) {
        while ((getline line < name) > 0) {
            sub(/\r$/, "", line)
            while (line ~ /\\$/ && (getline next_part < name) > 0) line = substr(line, 1, length(line) - 1) next_part
            sub(/^[ \t]+/, "", line)
            sub(/[ \t]+$/, "", line)
            at = index(line, "=")
            if (line !~ /^[#;]/ && at) assign(substr(line, 1, at) plain(substr(line, at + 1)))
        }
        close(name)
    }
    function plain(text,   i, c, quote, out) { # without its quotes
        sub(/^[ \t]+/, "", text)
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (quote != "" && c == quote) quote = ""
            else if (quote == "" && (c == "\"" || c == "\047")) quote = c
            else if (c == "\\" && quote != "\047") out = out substr(text, ++i, 1)
            else out = out c
        }
        return out
    }
    { sub(/\r$/, "") }
    /^[ \t]*[#;]/ { next }
    { text = joined $0; joined = "" }
    text ~ /\\$/ { joined = substr(text, 1, length(text) - 1) " "; next }
    text ~ /^[ \t]*\[/ { here = text ~ /^[ \t]*\[Service\]/; next }
    !here { next }
    {
        at = index(text, "=")
        name = substr(text, 1, at - 1)
        value = substr(text, at + 1)
        gsub(/[ \t]/, "", name)
        sub(/^[ \t]+/, "", value)
        sub(/[ \t]+$/, "", value)
    }
    name == "ExecStart" { start = value }
    name == "Environment" && value == "" { settings = 0 }
    name == "Environment" { setting[++settings] = value }
    name == "EnvironmentFile" && value == "" { files = 0; next }
    name == "EnvironmentFile" { file[++files] = value }
    END {
        for (i = 1; i <= settings; i++) {
            n = words(setting[i], pairs)
            for (j = 1; j <= n; j++) assign(pairs[j])
        }
        n = split(ENVIRON["places"], place, "\n")
        for (i = 1; i <= files; i++) for (j = 1; j <= n; j++)
            if (index(place[j], file[i] "\t") == 1) read_file(substr(place[j], length(file[i]) + 2))
        sub(/^[-@:+!|]+/, "", start)
        n = words(start, parts)
        for (i = 1; i <= n; i++) {
            word = parts[i]
            if (word ~ /^\$[A-Za-z_][A-Za-z0-9_]*$/) {
                m = words(value_of[substr(word, 2)], more)
                for (j = 1; j <= m; j++) print more[j]
                continue
            }
            while (match(word, /\$[{][A-Za-z_][A-Za-z0-9_]*[}]/))
                word = substr(word, 1, RSTART - 1) value_of[substr(word, RSTART + 2, RLENGTH - 3)] \
                    substr(word, RSTART + RLENGTH)
            print word
        }
    }'
}

# The last value that the words on standard input give to an argument, or all: --NAME=VALUE, --NAME VALUE, or of a flag --NAME.
argument() { # NAME [flag [SHORT [all]]]
    awk -v name="--$1" -v flag="${2:-}" -v short="${3:--}" -v all="${4:-}" '
    function take(value) { found = value; if (all) print value }
    awaited { take($0); awaited = 0; next }
    {
        at = index($0, "=")
        key = at ? substr($0, 1, at - 1) : $0
        gsub(/_/, "-", key)
        if (key != name && key != short) next
        if (at) take(substr($0, at + 1))
        else if (flag == "flag") take("true")
        else awaited = 1
    }
    END { if (!all) print found }'
}
