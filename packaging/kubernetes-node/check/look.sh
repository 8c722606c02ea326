# ── Looking ──────────────────────────────────────────────────────────────────────────────────

below_root() { # PATH: where the file is; what a link names absolutely is below the root too
    place=$root$1
    if [ -n "$root" ]; then
        for _ in 1 2 3 4 5 6 7 8; do
            [ -L "$place" ] || break
            target=$(readlink "$place")
            case $target in /*) place=$root$target ;; *) place=${place%/*}/$target ;; esac
        done
    fi
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
    if [ -L "$root$1" ]; then
        case $(readlink "$root$1") in */dev/null) return 0 ;; esac
    fi
    below_root "$1"
    [ -e "$place" ] && ! [ -s "$place" ]
}

# The files that count, by name, as systemd reads a directory such as sysctl.d: of several of one name the one in the
# first directory.
conf_files() { # DIRECTORIES SUFFIX
    rank=0 ranked=''
    for dir in $1; do
        rank=$((rank + 1))
        set +f
        for path in "$root$dir"/*"$2"; do
            [ ! -e "$path" ] && [ ! -L "$path" ] || ranked="$ranked${path##*/}$tab$rank$tab${path#"$root"}$newline"
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
}

unit_file() { # UNIT: prints the file that counts
    for dir in $unit_dirs; do
        if [ -e "$root$dir/$1" ] || [ -L "$root$dir/$1" ]; then
            echo "$dir/$1"
            return
        fi
    done
}

enabled() { # UNIT: whether something starts it at boot
    set +f
    for path in "$root"/etc/systemd/system/*.wants/"$1" "$root"/etc/systemd/system/*.requires/"$1" \
        "$root"/usr/lib/systemd/system/*.wants/"$1" "$root"/lib/systemd/system/*.wants/"$1"; do
        if [ -e "$path" ] || [ -L "$path" ]; then
            set -f
            return 0
        fi
    done
    set -f
    return 1
}

# What a unit starts, one word a line, with its variables filled in from Environment= and EnvironmentFile=.
# Without the unit's file: of standard input, which holds one, and the drop-ins.
unit_words() { # UNIT
    main=$(unit_file "$1")
    {
        if [ -z "$main" ] || hidden "$main"; then cat; fi
        { printf '%s\n' "$main"; conf_files "$(drop_in_dirs "$1")" .conf; } | while IFS= read -r part; do
            echo "[]"
            [ -z "$part" ] || content "$part"
            echo
        done
    } | awk -v root="$root" '
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
        sub(/^-/, "", name)
        while ((getline line < (root name)) > 0) {
            sub(/\r$/, "", line)
            while (line ~ /\\$/ && (getline next_part < (root name)) > 0) line = substr(line, 1, length(line) - 1) next_part
            sub(/^[ \t]+/, "", line)
            sub(/[ \t]+$/, "", line)
            at = index(line, "=")
            if (line !~ /^[#;]/ && at) assign(substr(line, 1, at) plain(substr(line, at + 1)))
        }
        close(root name)
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
        for (i = 1; i <= files; i++) read_file(file[i])
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

# The last value that the words on standard input give to an argument: --NAME=VALUE, --NAME VALUE, or of a flag --NAME.
argument() { # NAME [flag [SHORT]]
    awk -v name="--$1" -v flag="${2:-}" -v short="${3:--}" '
    awaited { found = $0; awaited = 0; next }
    {
        at = index($0, "=")
        key = at ? substr($0, 1, at - 1) : $0
        gsub(/_/, "-", key)
        if (key != name && key != short) next
        if (at) found = substr($0, at + 1)
        else if (flag == "flag") found = "true"
        else awaited = 1
    }
    END { print found }'
}
