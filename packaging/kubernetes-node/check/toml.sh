# ── TOML ─────────────────────────────────────────────────────────────────────────────────────

# Standard input, TOML, as one line per value: /key/key=value. Of an array /key[]=value per element after /key=[];
# of an inline table its members. Before a string there is "/key/key as well. In a key a slash is \s and = is \e, in a value a line end is \n. The first mistake ends it: !LINE WHY.
# As strict as containerd's readers. Up to 1.7 (lenient) they mind less: a byte order mark, bytes that are no UTF-8, numbers
# such as 07, inline tables over lines. Tried with 1.6.20 and 2.3.6.
toml() { # [lenient]
    tr '\000' '\001' | awk -v lenient="${1:-}" '
    function bad(why) { print "!" NR " " why; exit }
    function more() { # goes on to the next line
        if ((getline text) <= 0) bad("ends in the middle of a value")
        sub(/\r$/, "", text)
        if (!lenient) bytes(text)
    }
    function bytes(line) { # that may not be in a line at all
        if (line ~ /[\001-\010\013-\037\177]/) bad("a control character")
        if (line !~ /[\200-\377]/) return
        gsub(/[\302-\337][\200-\277]|[\340-\357][\200-\277][\200-\277]/, "", line)
        gsub(/[\360-\364][\200-\277][\200-\277][\200-\277]/, "", line)
        if (line ~ /[\200-\377]/) bad("bytes that are no UTF-8")
    }
    function eat(word) { # whether the word is next; passes over it
        sub(/^[ \t]+/, "", text)
        if (substr(text, 1, length(word)) != word) return 0
        text = substr(text, length(word) + 1)
        return 1
    }
    function gap() { # passes over spaces, comments and line ends
        for (sub(/^[ \t]+/, "", text); text ~ /^(#|$)/; sub(/^[ \t]+/, "", text)) more()
    }
    function hex(digits,   number) {
        for (; digits != ""; digits = substr(digits, 2))
            number = number * 16 + index("0123456789abcdef", tolower(substr(digits, 1, 1))) - 1
        return number
    }
    function escaped(   letter, size, digits) { # what stands after a backslash
        letter = substr(text, 1, 1)
        text = substr(text, 2)
        size = letter == "u" ? 4 : letter == "U" ? 8 : 0
        if (size) {
            digits = substr(text, 1, size)
            if (length(digits) < size || digits !~ /^[0-9A-Fa-f]+$/) bad("a broken escape")
            text = substr(text, size + 1)
            return hex(digits) < 128 ? sprintf("%c", hex(digits)) : "?"
        }
        if (index("\"\\", letter)) return letter
        if (letter == "n") return "\n"
        if (letter == "t") return "\t"
        if (index("bfre", letter)) return "?"
        bad("an unknown escape")
    }
    function quoted(quote,   out, at, stop) { # a string on one line
        text = substr(text, 2)
        for (;;) {
            at = quote == "\"" ? match(text, /["\\]/) : index(text, quote)
            if (!at) bad("a string without its end")
            out = out substr(text, 1, at - 1)
            if (quote == "\"" && out ~ /[\001-\010\013-\037]/) bad("a control character")
            stop = substr(text, at, 1)
            text = substr(text, at + 1)
            if (stop == quote) return out
            out = out escaped()
        }
    }
    function long(quote,   out, at, ends) { # a string over lines
        text = substr(text, 4)
        if (text == "") more()
        ends = quote quote quote
        for (;;) {
            at = quote == "\"" ? match(text, /"""|\\/) : index(text, ends)
            if (!at) {
                out = out text "\n"
                more()
            } else if (substr(text, at, 1) == "\\") {
                out = out substr(text, 1, at - 1)
                text = substr(text, at + 1)
                if (text ~ /^[ \t]*$/) {
                    do { more(); sub(/^[ \t]+/, "", text) } while (text == "")
                } else out = out escaped()
            } else {
                while (substr(text, at + 3, 1) == quote) at++ # the last three are the end
                out = out substr(text, 1, at - 1)
                text = substr(text, at + 3)
                return out
            }
        }
    }
    function key(   name) { # one part of a key
        sub(/^[ \t]+/, "", text)
        if (text ~ /^"/) name = quoted("\"")
        else if (text ~ /^\047/) name = quoted("\047")
        else if (match(text, /^[A-Za-z0-9_-]+/)) {
            name = substr(text, 1, RLENGTH)
            text = substr(text, RLENGTH + 1)
        } else bad("no key where one should be")
        gsub(/\//, "\\s", name)
        gsub(/=/, "\\e", name)
        return name
    }
    # What a path is: value, inline, dotted (a table that a key with dots makes), implicit (above a table), table, tables.
    function keys(path, header,   name, last) {
        for (;;) {
            name = key()
            if (path == "" && !lenient && tolower(name) ~ /^(version|imports|plugins|disabled_plugins|required_plugins)$/)
                name = tolower(name)
            path = path "/" name
            last = !eat(".")
            if (last) return path
            if (kind[path] == "") kind[path] = header ? "implicit" : "dotted"
            if (kind[path] ~ /value|inline/ || (!header && kind[path] == "tables")) bad("a second " path)
            if (kind[path] == "tables") path = path "[" tables[path] "]"
        }
    }
    function number(word) {
        if (word ~ /^[+-]?(inf|nan)$|^(true|false)$/) return 1
        if (word ~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]([Tt ].*)?$|^[0-9][0-9]:[0-9][0-9]:[0-9.]+$/) return 1
        if (word ~ /^0(x[0-9A-Fa-f_]+|o[0-7_]+|b[01_]+)$/) return word !~ /__|[xob]_|_$/
        if (word !~ /^[+-]?[0-9]+(_[0-9]+)*(\.[0-9]+(_[0-9]+)*)?([eE][+-]?[0-9]+(_[0-9]+)*)?$/) return 0
        return lenient || word !~ /^[+-]?0[0-9_]/
    }
    function say(path, found) {
        gsub(/\n/, "\\n", found)
        print path "=" found
    }
    function string(path, found) {
        print "\"" path
        say(path, found)
    }
    function value(path) {
        sub(/^[ \t]+/, "", text)
        if (text ~ /^"""/) string(path, long("\""))
        else if (text ~ /^\047\047\047/) string(path, long("\047"))
        else if (text ~ /^"/) string(path, quoted("\""))
        else if (text ~ /^\047/) string(path, quoted("\047"))
        else if (eat("[")) list(path)
        else if (eat("{")) table(path)
        else if (match(text, /^(true|false|[+-]?(inf|nan|[0-9][A-Za-z0-9_.:+-]*( [0-9][0-9]:[0-9:.Z+-]+)?))/)) {
            if (!number(substr(text, 1, RLENGTH))) bad("no number: " substr(text, 1, RLENGTH))
            say(path, substr(text, 1, RLENGTH))
            text = substr(text, RLENGTH + 1)
        } else bad("no value where one should be")
    }
    function list(path) {
        say(path, "[]")
        for (gap(); !eat("]"); gap()) {
            value(path "[]")
            gap()
            if (!eat(",") && text !~ /^\]/) bad("an array without its end")
        }
    }
    function table(path) {
        if (path !~ /\[\]/) kind[path] = "inline"
        space()
        if (eat("}")) return
        do { space(); pair(path); space() } while (eat(","))
        if (!eat("}")) bad("an inline table without its end")
    }
    function space() { if (lenient) gap() }
    function pair(path) {
        path = keys(path)
        if (path !~ /\[\]/ && kind[path] != "") bad("a second " path)
        if (path !~ /\[\]/) kind[path] = "value"
        if (eat("=")) value(path); else bad("a key without a value")
    }
    {
        text = $0
        if (NR == 1 && sub(/^\357\273\277/, "", text) && !lenient) bad("a byte order mark")
        sub(/\r$/, "", text)
        if (!lenient) bytes(text)
        sub(/^[ \t]+/, "", text)
        if (text ~ /^(#|$)/) next
        if (eat("[[")) {
            here = keys("", 1)
            if (kind[here] !~ /^(tables)?$/) bad("a second " here)
            kind[here] = "tables"
            here = here "[" ++tables[here] "]"
            if (!eat("]]")) bad("a table without its ]]")
        } else if (eat("[")) {
            here = keys("", 1)
            if (!eat("]")) bad("a table without its ]")
            if (kind[here] !~ /^(implicit)?$/ && !(lenient && kind[here] == "dotted")) bad("a second table " here)
            kind[here] = "table"
            print here "="
        } else pair(here)
        sub(/^[ \t]+/, "", text)
        if (text !~ /^(#|$)/) bad("more on the line than one value")
    }'
}
