# ── Kernel and control groups ────────────────────────────────────────────────────────────────

check_kernel() {
    kernel=$(content /proc/sys/kernel/osrelease)
    advice="use a long-term kernel: 5.4, 5.10, 5.15, or 6.0 and newer; one that your distribution maintains may stay, \
kubeadm says the same and goes on"
    case $kernel in
        *.el[0-9]*) advice="nothing has to be done: Red Hat and its kin maintain this kernel, kubeadm says the same and \
goes on; EL 10 has a newer one" ;;
    esac
    expect kernel "$SPEC_KERNEL_LEVEL" "$kernel" "a release that matches $SPEC_KERNEL_RELEASES" "$advice" \
        matches "$kernel" "$SPEC_KERNEL_RELEASES"
}

# Where kubeadm looks, in its order: the first that is there counts (system-validators 1.12.1, kernel_validator.go).
kernel_configuration() {
    for file in /proc/config.gz "/boot/config-$kernel" "/usr/src/linux-$kernel/.config" /usr/src/linux/.config \
        "/usr/lib/modules/$kernel/config" "/usr/lib/ostree-boot/config-$kernel" "/usr/lib/kernel/config-$kernel" \
        "/usr/src/linux-headers-$kernel/.config" "/lib/modules/$kernel/build/.config"; do
        below_root "$file"
        if [ -e "$place" ]; then
            echo "$file"
            return
        fi
    done
}

check_kernel_options() {
    wanted_options="$SPEC_KERNEL_CONFIGS $cgroup_options"
    file=$(kernel_configuration)
    if [ -z "$file" ] && [ -n "$kernel" ]; then
        no_kernel_options
        return
    fi
    looked=''
    can_read "$file" && looked=yes
    case $file in *.gz) command -v gzip >/dev/null || looked='' ;; esac
    options=$(case $file in *.gz) content "$file" | gzip -dc 2>/dev/null ;; *) content "$file" ;; esac \
        | sed -n 's/^[[:space:]]*CONFIG_\([A-Z0-9_]*\)=[ym].*/\1/p' | tr '\n' ' ')
    missing=
    for option in $wanted_options; do # of A|B either will do
        case " $options" in *" ${option%|*} "* | *" ${option#*|} "*) ;; *) missing="$missing $option" ;; esac
    done
    expect kernel-options error "${looked:+missing:${missing:- none}}" "$wanted_options" \
        "use a kernel that is built with them ($file says what this one is built with)" test -z "$missing"
}

no_kernel_options() { # kubeadm ends then, unless a module brings /proc/config.gz
    if content "/lib/modules/$kernel/modules.dep" | grep -q '/configs\.ko'; then
        commands="modprobe configs"
        report kernel-options warn "cannot look: /proc/config.gz is in a module" "$wanted_options" \
            "modprobe configs, and check again; kubeadm does that by itself"
    else
        report kernel-options fail "no kernel configuration found" "$wanted_options" \
            "put what this kernel was built with at /boot/config-$kernel (its package or its -headers package may have \
it), or modprobe configs where the kernel has that module; kubeadm ends without: see \
--ignore-preflight-errors=SystemVerification"
    fi
}

# Sets cgroup to 1, 2 or nothing, and cgroup_mount: what is mounted decides, as in kubeadm; only then what is in it.
find_cgroups() {
    cgroup='' cgroup_mount=/sys/fs/cgroup
    mounts=$(content /proc/mounts | awk '$3 == "cgroup2" || $3 == "cgroup" || $2 == "/sys/fs/cgroup" { print $2 " " $3 }')
    case $newline$mounts$newline in
        *"$newline/sys/fs/cgroup cgroup2$newline"*) cgroup=2 ;;
        *"$newline/sys/fs/cgroup "*) cgroup=1 ;; # a tmpfs, in which the hierarchies of v1 are
        *" cgroup2$newline"*)
            cgroup=2
            cgroup_mount=$(printf '%s\n' "$mounts" | sed -n 's/ cgroup2$//p' | head -n 1)
            ;;
        *" cgroup$newline"*) cgroup=1 ;;
        *)
            if [ -r "$root/proc/mounts" ]; then
                cgroup=none
            elif [ -r "$root/sys/fs/cgroup/cgroup.controllers" ]; then
                cgroup=2
            elif hierarchies; then
                cgroup=1
            fi
            ;;
    esac
}

hierarchies() { # whether the kernel has controllers of v1 in use; memory, which may be switched off, is not asked for
    [ -d "$root/sys/fs/cgroup/systemd" ] || [ -d "$root/sys/fs/cgroup/cpu" ] || [ -d "$root/sys/fs/cgroup/memory" ] \
        || [ -d "$root/sys/fs/cgroup/pids" ] || content /proc/cgroups | grep -q '^[a-z_]*[[:space:]][1-9]'
}

check_cgroups() {
    cgroup_options='' missing='' looked=''
    level=$SPEC_CGROUP_V1_LEVEL
    find_cgroups
    case $cgroup in
        none)
            report cgroup-version fail "none is mounted" v2 "mount it: mount -t cgroup2 none /sys/fs/cgroup; systemd does so"
            return
            ;;
        2)
            cgroup_options=$SPEC_KERNEL_CONFIGS_V2
            seen=$(content "$cgroup_mount/cgroup.controllers")
            can_read "$cgroup_mount/cgroup.controllers" && looked=yes
            missing=$(missing_words "$SPEC_CGROUP_V2_CONTROLLERS" "$seen")$(missing_freezer)
            ;;
        1)
            cgroup_options=$SPEC_KERNEL_CONFIGS_V1
            can_read /proc/cgroups && looked=yes
            seen=$(content /proc/cgroups | awk '!/^#/ && NF >= 4 && $4 != 0 { print $1 }' | tr '\n' ' ')
            missing=$(missing_words "$SPEC_CGROUP_V1_CONTROLLERS" "$seen")
            [ "$level" != error ] || [ "$(kubelet_setting failCgroupV1 fail-cgroupv1 flag)" != false ] || level=warning
            ;;
    esac
    expect cgroup-version "$level" "${cgroup:+v$cgroup}" v2 \
        "boot with systemd.unified_cgroup_hierarchy=1; to accept v1, which 1.35 and newer refuse: failCgroupV1: false \
for kubelet, --ignore-preflight-errors=SystemVerification for kubeadm" test "$cgroup" = 2
    expect cgroup-controllers error "${looked:+missing:${missing:- none}}" "all that kubelet needs" \
        "$(enable_controllers "$missing")" test -z "$missing"
}

missing_freezer() { # v2 has it from Linux 5.2 on; the root group itself has no such file
    set +f
    for path in "$root$cgroup_mount"/*/cgroup.procs; do
        set -f
        [ ! -e "$path" ] || [ -e "${path%procs}freeze" ] || printf ' freezer'
        return
    done
}

enable_controllers() { # MISSING
    words=''
    for name in $1; do words="$words cgroup_enable=$name"; done
    printf '%s' "put${words:- cgroup_enable=} on the kernel's command line (Raspberry Pi: the one line of \
/boot/firmware/cmdline.txt or /boot/cmdline.txt)"
    ! content /proc/cmdline | grep -q cgroup_disable= || printf ', where cgroup_disable= now stands'
    printf '; then reboot'
}

# ── Modules ──────────────────────────────────────────────────────────────────────────────────

check_modules() {
    builtin=$(content "/lib/modules/$kernel/modules.builtin"; content "/usr/lib/modules/$kernel/modules.builtin")
    later='' cures=''
    for module in $SPEC_KERNEL_MODULES; do
        state="not loaded"
        # One that is built in shows just by what it brings, or in the list of such modules.
        if [ -d "$root/sys/module/$module" ] || content /proc/filesystems | grep -q "[[:space:]]$module\$" \
            || { [ "$module" = br_netfilter ] && [ -d "$root/proc/sys/net/bridge" ]; } \
            || matches "$builtin" "/$module\.ko"; then
            state=loaded
            not_at_boot "$module"
        fi
        commands="modprobe $module"
        expect "module-$module" warning "$state" loaded \
            "modprobe $module; if there is none, install the modules of kernel $kernel" test "$state" = loaded
    done
    commands=$cures
    [ -z "$later" ] || report modules-at-boot warn "${later#, }" "loaded at boot: $SPEC_KERNEL_MODULES" \
        "name them in a file of /etc/modules-load.d, and take what refuses them out of /etc/modprobe.d and off \
the kernel's command line"
}

# MODULE that is loaded now: adds to later why it will not be after the next boot, and to cures the command against it.
not_at_boot() {
    ! matches "$builtin" "/$1\.ko" || return 0
    refused=$(modprobe_lines | awk -v module="$1" '{ gsub(/-/, "_", $2) }
        $2 == module && ($1 == "blacklist" || $1 == "install" && $3 ~ /(^|\/)(false|true)$/) { print $1; exit }')
    if content /proc/cmdline | tr ' ' '\n' | sed -n -e 's/^module_blacklist=//p' -e 's/^modprobe\.blacklist=//p' \
        | tr ',' '\n' | tr - _ | grep -qx "$1"; then
        later="$later, $1 is refused on the kernel's command line"
    elif [ -n "$refused" ]; then
        later="$later, $1 is refused: $refused in modprobe.d"
    elif [ "$1" != overlay ] && ! modules_at_boot | grep -qx "$1"; then # overlay comes with the first mount
        later="$later, $1 is loaded now, and nothing loads it at boot"
        cures="$cures${cures:+$newline}echo $1 > /etc/modules-load.d/$1.conf"
    fi
}

modprobe_lines() {
    conf_files "/etc/modprobe.d /run/modprobe.d /usr/local/lib/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d" .conf \
        | while IFS= read -r path; do
            content "$path" | sed -e ':a' -e '/\\$/{' -e N -e 's/\\\n/ /' -e ta -e '}' -e 's/#.*//'
            echo
        done
}

modules_at_boot() {
    {
        conf_files "/etc/modules-load.d /run/modules-load.d /usr/local/lib/modules-load.d /usr/lib/modules-load.d \
/lib/modules-load.d" .conf
        systemd || echo /etc/modules # systemd reads it where the distribution links it
    } | while IFS= read -r path; do
        content "$path"
        echo
    done | sed -e '/^[[:space:]]*[#;]/d' -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e 's/-/_/g' # the rest of a line is the name
    content /proc/cmdline | tr ' ' '\n' | sed -n 's/^modules[-_]load=//p' | tr ',' '\n' | tr - _
}
