# ── Machine ──────────────────────────────────────────────────────────────────────────────────

check_machine() {
    kib=$(content /proc/meminfo | sed -n 's/^MemTotal:[[:space:]]*\([0-9]*\) kB$/\1/p')
    mib=${kib:+$((kib / 1024))}
    expect memory "$machine_level" "${mib:+$mib MiB}" "$min_memory MiB" "give this machine more memory" \
        test "$mib" -ge "$min_memory"
    cpus=$(content /proc/cpuinfo | grep -c '^processor')
    expect cpus "$machine_level" "${cpus#0}" "$min_cpus" "give this machine more CPUs" test "$cpus" -ge "$min_cpus"
}

check_ports() {
    # Field 2 is the local address as hexadecimal HOST:PORT; field 4 is 0A for sockets that listen.
    listening=$(cat "$root/proc/net/tcp" "$root/proc/net/tcp6" 2>/dev/null \
        | sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:[0-9A-F]* 0A .*/\1/p' | tr '\n' ' ')
    taken=
    for port in $ports; do
        case " $listening" in *" $(printf %04X "$port") "*) taken="$taken $port" ;; esac
    done
    level=error found=''
    [ ! -e "$root/etc/kubernetes/kubelet.conf" ] || level=ok # this machine is a node already
    [ ! -r "$root/proc/net/tcp" ] || found="in use:${taken:- none}"
    expect ports "$level" "$found" "free: $ports" "see who listens there (ss -tlnp) and stop it" test -z "$taken"
}

check_firewall() { # systemd has a cgroup for what is active
    [ -d "$root/sys/fs/cgroup/system.slice/firewalld.service" ] \
        || [ -d "$root/sys/fs/cgroup/systemd/system.slice/firewalld.service" ] || return
    closed='' opening='' found='' asked=''
    for port in $ports; do
        case $port in 6443 | 10250) asked="$asked $port" ;; *) continue ;; esac # what other machines ask for
        grep -rs "port=\"$port\"" "$root/etc/firewalld/zones" | grep '\.xml:' | grep -q 'protocol="tcp"' \
            || { closed="$closed $port"; opening="$opening --add-port=$port/tcp"; }
    done
    [ ! -r "$root/etc/firewalld/zones" ] || found="closed by firewalld:${closed:- none}"
    commands="firewall-cmd --permanent$opening${newline}firewall-cmd --reload"
    expect firewall warning "$found" "open to the cluster:$asked" \
        "firewall-cmd --permanent$opening && firewall-cmd --reload; and open what your Pod network asks for" \
        test -z "$closed"
}

check_executables() {
    for pair in $SPEC_EXECUTABLES; do
        path=$(program "${pair%%=*}")
        path=${path#"$root"}
        expect "executable-${pair%%=*}" "${pair#*=}" "${path:-not there}" "${pair%%=*}" \
            "install the package that holds ${pair%%=*}" test -n "$path"
    done
}

# ── Units ────────────────────────────────────────────────────────────────────────────────────

check_units() { # what has to start at boot, and what an earlier installation has left in the way
    systemd || return 0 # another init has its own ways
    check_unit kubelet.service
    check_hidden kubelet.service
    case $runtime in
        *cri-dockerd*) check_unit cri-docker.socket cri-docker.service; check_unit docker.service docker.socket ;;
        *crio*) check_unit crio.service ;;
        *containerd*) check_unit containerd.service; check_hidden containerd.service ;;
    esac
}

check_unit() { # UNIT [OTHER]: either of them is enough
    for unit in "$@"; do
        if [ -n "$(unit_file "$unit")" ] && ! hidden "$(unit_file "$unit")" && enabled "$unit"; then
            report "$unit" ok enabled
            return
        fi
    done
    if [ -z "$(unit_file "$1")" ]; then
        [ "$1" != kubelet.service ] || report "$1" warn "not there" enabled \
            "install kubelet's package; if something else starts kubelet at boot, go on" # a runtime's may be called otherwise
    elif hidden "$(unit_file "$1")"; then
        report "$1" warn "masked" enabled "somebody has masked it, or a removed package has; to have it start at boot: \
systemctl unmask $1 && systemctl enable --now $1"
    else
        commands="systemctl enable $1"
        report "$1" warn "not enabled: it does not start at boot" enabled "systemctl enable $1"
    fi
}

check_hidden() { # UNIT whose files in /etc take the place of those that its package brings
    behind=''
    for name in "$1" $(conf_files "/etc/systemd/system/$1.d" .conf | sed "s,.*/,$1.d/,"); do
        below_root "/etc/systemd/system/$name"
        [ -s "$place" ] || continue
        theirs=$place
        for dir in /usr/lib/systemd/system /lib/systemd/system; do
            below_root "$dir/$name"
            [ -s "$place" ] || continue
            cmp -s "$place" "$theirs" || behind="$behind /etc/systemd/system/$name"
            break
        done
    done
    [ -z "$behind" ] || report "$1-hidden" warn "the package's own is hidden by$behind" "the package's own" \
        "move away what you do not need of it, then: systemctl daemon-reload; arguments for kubelet belong into \
KUBELET_EXTRA_ARGS in /etc/default/kubelet"
}
