# Whether the purge of a package that is installed, or whose configuration is left, would delete a directory: its postrm
# removes it with all that is in it, by its name or by a variable that has it.
claims() { # PACKAGE DIRECTORY
    script=$(dpkg-query --control-path "$1" postrm 2>&1) || return 1
    [ -f "$script" ] || return 1
    removals=$(grep -E '^([^#]*[^#[:alnum:]_-])?rm[[:space:]].*(-[[:alpha:]]*[rR]|--recursive)' "$script") || return 1
    names=$(sed -n "s|^\([^#]*[[:space:];]\)\{0,1\}\([[:alpha:]_][[:alnum:]_]*\)=[\"']*$2[\"']*\([[:space:];].*\)\{0,1\}\$|\2|p" "$script")
    for word in "$2" $names; do
        [ "$word" = "$2" ] || word="[$][{]?$word"
        if printf '%s\n' "$removals" | grep -Eq "$word([^[:alnum:]_.-]|\$)"; then
            return 0
        fi
    done
    return 1
}
