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
