# ── sysctls, now and after the next boot ─────────────────────────────────────────────────────

check_sysctls() {
    at_boot=$(sysctl_lines)
    for pair in $SPEC_SYSCTLS; do
        key=${pair%%=*}
        value=$(content "/proc/sys/$(echo "$key" | tr . /)")
        # Where the kernel shows others of its kind, one that it does not have is missing, and not out of sight.
        [ -n "$value" ] || ! [ -d "$root/proc/sys/${key%%.*}" ] || value="not there"
        commands="sysctl -w $pair"
        expect "$key" error "$value" "${pair#*=}" "sysctl -w $pair, and correct what sets it: grep -r $key /etc/sysctl.*" \
            test "$value" = "${pair#*=}"
        [ "$value" != "${pair#*=}" ] || sysctl_at_boot "$key" "${pair#*=}" ""
    done
    # Matters to networks that bridge pods, and is there only while br_netfilter is loaded.
    bridged=$(content /proc/sys/net/bridge/bridge-nf-call-iptables)
    [ -n "$bridged" ] || return 0
    commands="sysctl -w net.bridge.bridge-nf-call-iptables=1"
    expect net.bridge.bridge-nf-call-iptables warning "$bridged" 1 \
        "sysctl -w net.bridge.bridge-nf-call-iptables=1, unless your network does without" test "$bridged" = 1
    [ "$bridged" != 1 ] || sysctl_at_boot net.bridge.bridge-nf-call-iptables 1 1
}

# KEY VALUE DEFAULT: warns where boot will give a key that is right now another value than this.
sysctl_at_boot() {
    set_at_boot=$(printf '%s\n' "$at_boot" | boot_value "$1")
    [ "${set_at_boot%% *}" != "$2" ] && [ "${set_at_boot:-$3}" != "$2" ] || return 0
    if [ -z "$set_at_boot" ]; then
        commands="echo '$1 = $2' > /etc/sysctl.d/99-kubernetes.conf"
        [ ! -e "$root/etc/sysctl.d/99-kubernetes.conf" ] && [ ! -L "$root/etc/sysctl.d/99-kubernetes.conf" ] || commands=''
        report "$1-at-boot" warn "$2 now, but no file of sysctl.d sets it" "$2" \
            "put $1 = $2 into a file of /etc/sysctl.d (ls -l /etc/sysctl.d shows what is hidden there)"
        return
    fi
    by_name=${set_at_boot##* } set_at_boot=${set_at_boot% *}
    report "$1-at-boot" warn "$2 now, but the next boot sets ${set_at_boot%% *}: ${set_at_boot#* } has the last word" "$2" \
        "correct ${set_at_boot#* }, or say $by_name = $2 in a file of /etc/sysctl.d whose name sorts after it"
}

# What boot reads: FILE, then its line, as systemd-sysctl takes them. /etc/sysctl.conf counts where a link of sysctl.d
# names it, and without systemd.
sysctl_lines() {
    {
        conf_files "/etc/sysctl.d /run/sysctl.d /usr/local/lib/sysctl.d /usr/lib/sysctl.d /lib/sysctl.d" .conf
        systemd || echo /etc/sysctl.conf
    } | while IFS= read -r path; do
        content "$path" | sed -e '/^[[:space:]]*[#;]/d' -e '/^[[:space:]]*$/d' -e "s,^,$path ,"
    done
}

# The value that a key has after all lines, the file that gives it, and by which of its names. A pattern counts where no line names the key
# itself; ip_forward is also called conf/all/forwarding. With a - in front and no value, patterns pass over the key.
boot_value() { # KEY
    awk -v wanted="$1" '
    function norm(key,   at, i, c, out) { # with slashes; the separator that comes first is the separator
        if (!match(key, /[.\/]/) || substr(key, RSTART, 1) == "/") return key
        for (i = 1; i <= length(key); i++) {
            c = substr(key, i, 1)
            out = out (c == "." ? "/" : c == "/" ? "." : c)
        }
        return out
    }
    function regexp(glob,   i, c, out) {
        for (i = 1; i <= length(glob); i++) {
            c = substr(glob, i, 1)
            if (c == "[" && substr(glob, i + 1, 1) ~ /[!^]/) { out = out "[^"; i++; continue }
            out = out (c == "*" ? "[^/]*" : c == "?" ? "[^/]" : c ~ /[A-Za-z0-9_\/-]/ || c == "[" || c == "]" ? c : "[" c "]")
        }
        return "^" out "$"
    }
    function spelled(key) { gsub(/\//, ".", key); return key }
    function plain(value) { # as the kernel reads it
        return value ~ /^\+?(0[xX])?0*[01]$/ ? substr(value, length(value)) : value
    }
    BEGIN {
        aim[++aims] = norm(wanted)
        if (wanted == "net.ipv4.ip_forward") aim[++aims] = "net/ipv4/conf/all/forwarding"
    }
    {
        file = $1
        sub(/^[^ ]+ /, "")
        at = index($0, "=")
        key = at ? substr($0, 1, at - 1) : $0
        gsub(/^[ \t]+|[ \t\r]+$/, "", key)
        forgiving = sub(/^-[ \t]*/, "", key)
        if (key ~ /[ \t]/) next # there is no such key
        if (!at && !forgiving) next
        value = at ? substr($0, at + 1) : ""
        gsub(/^[ \t]+|[ \t\r]+$/, "", value)
        key = norm(sprintf("%s", key))
        gsub(/\/+/, "/", key)
        sub(/^\/?(proc\/sys\/)?/, "", key)
        value = at ? value : "\001"
        if (last[key] && given[last[key]] == value) next # systemd leaves it where it is
        last[key] = ++n # a later line of the same key moves it to the end, where it says something else
        name[n] = key
        given[n] = value
        from[n] = file
    }
    END {
        for (i = 1; i <= n; i++) {
            if (last[name[i]] != i || given[i] == "\001") continue
            for (a = 1; a <= aims; a++) {
                if (name[i] == aim[a] || (name[i] ~ /[*?[]/ && !(aim[a] in last) && aim[a] ~ regexp(name[i])))
                    answer = plain(given[i]) " " from[i] " " spelled(aim[a])
            }
        }
        print answer
    }'
}
