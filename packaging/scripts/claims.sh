# Whether the purge of a package that is installed, or whose configuration is left, would delete a directory.
claims() { # PACKAGE DIRECTORY
    script=$(dpkg-query --admindir="${DPKG_ADMINDIR:-$root/var/lib/dpkg}" --control-path "$1" postrm 2>&1) || return 1
    [ -f "$script" ] || return 1
    script=$(grep -v '^[[:space:]]*#' "$script") || return 1
    printf '%s\n' "$script" | grep -Eq "$2([^[:alnum:]_.-]|\$)" || return 1
    printf '%s\n' "$script" | grep -Eq '(^|[^[:alnum:]_-])rm[[:space:]]([^;&|]*[[:space:]])?(-[[:alpha:]]*[rR]|--recursive)|-delete'
}
