# ── JSON ─────────────────────────────────────────────────────────────────────────────────────

# Standard input, JSON, as one line per value of the first levels: /key=value, and /key[]=value per element of a list. The
# first mistake ends it: !LINE.
json() { # [LEVELS]
    awk -v levels="${1:-1}" '
    function bad() { print "!" gsub(/\n/, "\n", all) - gsub(/\n/, "\n", text) + 1; exit }
    function gap() { sub(/^[ \t\r\n]+/, "", text) }
    function eat(letter) {
        gap()
        if (substr(text, 1, 1) != letter) return 0
        text = substr(text, 2)
        return 1
    }
    function string(   found) {
        if (!match(text, /^"([^"\\\001-\037]|\\["\\\/bfnrt]|\\u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f])*"/)) bad()
        found = substr(text, 2, RLENGTH - 2)
        text = substr(text, RLENGTH + 1)
        gsub(/\\\//, "/", found)
        return found
    }
    function value(path, deep) {
        gap()
        if (eat("{")) members(path, deep)
        else if (eat("[")) elements(path, deep)
        else if (text ~ /^"/) say(path, string(), deep)
        else if (match(text, /^(true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?)/)) {
            say(path, substr(text, 1, RLENGTH), deep)
            text = substr(text, RLENGTH + 1)
        } else bad()
    }
    function say(path, found, deep) { if (deep <= levels) print path "=" found }
    function members(path, deep,   name) {
        if (deep) say(path, "{}", deep)
        if (eat("}")) return
        do {
            gap()
            if (text !~ /^"/) bad()
            name = string()
            if (!eat(":")) bad()
            value(path "/" name, deep + 1)
        } while (eat(","))
        if (!eat("}")) bad()
    }
    function elements(path, deep) {
        say(path, "[]", deep)
        if (eat("]")) return
        do value(path "[]", deep); while (eat(","))
        if (!eat("]")) bad()
    }
    { all = all $0 "\n" }
    END {
        text = all
        sub(/^\357\273\277/, "", text)
        gap()
        if (text == "") exit
        if (text !~ /^[{]/) bad()
        value("", 0)
        gap()
        if (text != "") bad()
    }'
}
