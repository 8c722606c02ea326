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
            dir=${path%/*}
            below_root "$dir"
            inside=$place
            case $dir in *[*?[]*) pattern=${dir#/}/$pattern inside=$root dir='' ;; esac # as they are: no link is followed
            set +f
            for found in "$inside"/$pattern; do
                below_root "$dir${found#"$inside"}"
                [ -d "$place" ] || printf '%s\t%s\n' "$value" "$place"
            done
            set -f
        done
)

# What a unit starts, one word a line, with its variables filled in from Environment= and EnvironmentFile=, by a shell too.
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
    printf '%s\n' "$unit_text" | places=$(environment_files) stem=${1%.*} awk '
    function words(text, into,   n, i, c, quote, word, some) { # splits as systemd does; into[1..n]
        n = 0
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (quote != "" && c == quote) quote = ""
            else if (quote == "" && (c == "\"" || c == "\047")) { quote = c; some = 1 }
            else if (c == "\\" && quote != "\047") { word = word substr(text, ++i, 1); some = 1 }
            else if (quote == "" && c ~ /[ \t\n]/) {
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
    function keep(key, value) {
        sub(/[ \t]+$/, "", key)
        if (key ~ "^" variable "$") value_of[key] = value
    }
    function read_file(name,   line, text) {
        while ((getline line < name) > 0) text = text line "\n"
        close(name)
        gsub(/\r/, "\n", text)
        read_text(text)
    }
    # A value may have several quoted parts and go over lines; within one that began without a quote, quotes are letters.
    function read_text(text,   i, c, state, key, value, ends) {
        state = "before"
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (state == "before") {
                if (c ~ /[#;]/) state = "comment"
                else if (c !~ /[ \t\n]/) { state = "key"; key = c; value = ""; ends = 0 }
            } else if (state == "comment") {
                if (c == "\n") state = "before"
            } else if (state == "key") {
                if (c == "\n") state = "before"
                else if (c == "=") state = "start"
                else key = key c
            } else if (state == "single") {
                if (c == "\047") state = "start"
                else value = value c
                ends = length(value)
            } else if (state == "double") {
                if (c == "\"") state = "start"
                else if (c == "\\") {
                    c = substr(text, ++i, 1)
                    if (c != "\n") value = value (c ~ /["\\`$]/ ? c : "\\" c)
                } else value = value c
                ends = length(value)
            } else if (c == "\n") { # start and value
                keep(key, substr(value, 1, ends))
                state = "before"
            } else if (c == "\\") {
                c = substr(text, ++i, 1)
                if (c != "\n") value = value c
                state = "value"
                ends = length(value)
            } else if (state == "start" && c == "\047") state = "single"
            else if (state == "start" && c == "\"") state = "double"
            else if (state == "value" || c !~ /[ \t]/) {
                state = "value"
                value = value c
                if (c !~ /[ \t]/) ends = length(value)
            }
        }
        if (state !~ /^(before|comment|key)$/) keep(key, value)
    }
    # What a shell is told by -c: its command of the unit, or the last; from is the first of its arguments, $@.
    function shell(text, from,   i, c, quote, name) {
        m = some = 0
        word = ""
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (quote != "" && c == quote) quote = ""
            else if (quote == "" && c ~ /["\047]/) { quote = c; some = 1 }
            else if (c == "\\" && quote != "\047") {
                c = substr(text, ++i, 1)
                if (c == "\n") continue
                word = word (quote == "\"" && c !~ /["\\`$]/ ? "\\" c : c)
                some = 1
            } else if (c == "$" && quote != "\047" && match(substr(text, i + 1), "^([@*]|" variable "|[{]" variable "[}])")) {
                name = substr(text, i + 1, RLENGTH)
                i += RLENGTH
                gsub(/[{}]/, "", name)
                if (name ~ /[@*]/) for (c = from; c <= parts; c++) { next_word(); word = part[c]; some = 1 }
                else if (quote != "") word = word value_of[name]
                else spread(value_of[name])
            } else if (quote != "") word = word c
            else if (c ~ /[ \t]/) next_word()
            else if (c == "#" && !some) while (i < length(text) && substr(text, i + 1, 1) != "\n") i++
            else if (c ~ /[;&|\n()]/) end_command()
            else { word = word c; some = 1 }
        }
        end_command()
        for (i = 1; i <= bests; i++) say(best[i])
    }
    function end_command(   i) {
        next_word()
        for (i = 1; i <= m && said[i] ~ /^(exec|then|do|else|!|[{]|[A-Za-z_][A-Za-z0-9_]*=.*)$/; i++);
        if (i <= m && (said[i] ~ own || best[1] !~ own)) for (bests = 0; i <= m; i++) best[++bests] = said[i]
        m = 0
    }
    function next_word() {
        if (some) said[++m] = word
        word = ""
        some = 0
    }
    function spread(value,   i, c) { # of a variable without quotes
        for (i = 1; i <= length(value); i++) {
            c = substr(value, i, 1)
            if (c ~ /[ \t\n]/) next_word()
            else { word = word c; some = 1 }
        }
    }
    function say(text) {
        gsub(/\n/, " ", text)
        print text
    }
    BEGIN {
        variable = "[A-Za-z_][A-Za-z0-9_]*"
        own = "(^|/)" ENVIRON["stem"] "d?$"
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
    name == "UnsetEnvironment" && value == "" { unsets = 0 }
    name == "UnsetEnvironment" { unset[++unsets] = value }
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
        for (i = 1; i <= unsets; i++) {
            n = words(unset[i], pairs)
            for (j = 1; j <= n; j++) {
                at = index(pairs[j], "=")
                name = at ? substr(pairs[j], 1, at - 1) : pairs[j]
                if (!at || value_of[name] == substr(pairs[j], at + 1)) delete value_of[name]
            }
        }
        match(start, /^[-@:+!|]*/)
        raw = index(substr(start, 1, RLENGTH), ":")
        n = words(substr(start, RLENGTH + 1), pairs)
        parts = 0
        for (i = 1; i <= n; i++) {
            word = pairs[i]
            if (!raw && word ~ "^[$]" variable "$") {
                m = words(value_of[substr(word, 2)], more)
                for (j = 1; j <= m; j++) part[++parts] = more[j]
                continue
            }
            while (!raw && match(word, "[$][{]" variable "[}]"))
                word = substr(word, 1, RSTART - 1) value_of[substr(word, RSTART + 2, RLENGTH - 3)] \
                    substr(word, RSTART + RLENGTH)
            if (!raw) gsub(/\$\$/, "$", word)
            part[++parts] = word
        }
        if (part[1] ~ /(^|\/)(ba|da|a|k|z)?sh$/)
            for (i = 2; i < parts; i++) if (part[i] ~ /^-[a-z]*c$/) {
                shell(part[i + 1], i + 3)
                exit
            }
        for (i = 1; i <= parts; i++) say(part[i])
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
