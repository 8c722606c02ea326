# ── Swap, now and after the next boot ────────────────────────────────────────────────────────

check_swap() {
    swap=$(content /proc/swaps | sed -n '2,$s/[[:space:]].*//p' | tr '\n' ' ')
    [ ! -r "$root/proc/swaps" ] || swap=${swap:-off}
    level=$SPEC_SWAP_LEVEL
    [ "$(kubelet_setting failSwapOn fail-swap-on flag)" != false ] || level=ok
    swap_at_boot
    stays=$back
    case $swap in *zram*) case $back in *zram*) ;; *)
        stays=", disable what sets zram up (systemctl list-units '*zram*' shows it)$back" ;;
    esac ;; esac
    commands=swapoff\ --all
    [ -z "$cures" ] || commands=$commands$newline$cures
    expect swap "$level" "${swap% }" off "swapoff --all${stays:-, mask the units of systemctl list-units --type=swap}; \
or have kubelet accept it, with failSwapOn: false in its configuration" test "$swap" = off
    if [ "$swap" = off ] && [ -n "$back" ] && [ "$level" != ok ]; then
        commands=$cures
        report swap-at-boot warn "off now, but the next boot brings it back" off \
            "${back#, }; or have kubelet accept it, with failSwapOn: false in its configuration"
    fi
}

# Sets back to what has to be done to have swap off after a boot, and cures to the commands of that.
swap_at_boot() {
    back='' cures=''
    if systemd && hidden "$(unit_file swap.target)"; then return; fi # nothing that is below starts then
    for unit in $(fstab_units); do
        hidden "$(unit_file "$unit")" || back=", take swap out of /etc/fstab"
    done
    for device in $(zram_devices); do
        hidden "$(unit_file "dev-$device.swap")" || undo "put host-memory-limit = 0 under [$device] into" \
            "[$device]" "host-memory-limit = 0" "/etc/systemd/zram-generator.conf.d/zz-no-swap-on-$device.conf"
    done
    ! rpi_swap || undo "put Mechanism=none under [Main] into" "[Main]" "Mechanism=none" /etc/rpi/swap.conf.d/zz-no-swap.conf
    units=$({ swap_units; generated_units; } | sort -u)
    while [ -n "$units" ]; do
        unit=$(word "${units%%"$newline"*}")
        units=${units#"${units%%"$newline"*}"}
        units=${units#"$newline"}
        back="$back, systemctl mask $unit"
        cures="$cures${cures:+$newline}systemctl mask $unit"
    done
}

undo() { # WHAT SECTION LINE FILE: adds to back and cures
    back="$back, $1 $4"
    cures="$cures${cures:+$newline}mkdir -p ${4%/*}${newline}printf '%s\\n' '$2' '$3' > $4"
}

boot_flag() { # NAME... of arguments of the kernel: on or off by the last that says so, as systemd reads it; or nothing
    content /proc/cmdline | tr -s ' \t' '\n' | names=" $* " awk '
    {
        name = $0
        sub(/=.*/, "", name)
        value = name == $0 ? "1" : tolower(substr($0, length(name) + 2))
        if (!index(ENVIRON["names"], " " name " ")) next
        if (value ~ /^(1|yes|y|true|t|on)$/) said = "on"
        if (value ~ /^(0|no|n|false|f|off)$/) said = "off"
    }
    END { print said }'
}

# The units that are made of /etc/fstab and start by themselves.
fstab_units() {
    if systemd; then
        for name in fstab systemd.swap; do [ "$(boot_flag $name)" != off ] || return 0; done
    fi
    content /etc/fstab | awk '
    function unescaped(text) {
        gsub(/\\040/, " ", text)
        gsub(/\\011/, "\t", text)
        gsub(/\\134/, "\\", text)
        return text
    }
    function udev(text,   i, c, out) { # as udev names its links
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            out = out (c ~ /[A-Za-z0-9#+.:=@_-]/ || code[c] > 127 ? c : sprintf("\\x%02x", code[c]))
        }
        return out
    }
    function unit(path,   i, c, out) { # as systemd-escape --path has it
        gsub(/\/+/, "/", path)
        gsub(/^\/|\/$/, "", path)
        for (i = 1; i <= length(path); i++) {
            c = substr(path, i, 1)
            out = out (c == "/" ? "-" : c ~ /[A-Za-z0-9:_.]/ && !(i == 1 && c == ".") ? c : sprintf("\\x%02x", code[c]))
        }
        return out ".swap"
    }
    BEGIN {
        for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i
        n = split("UUID LABEL PARTUUID PARTLABEL", tags, " ")
    }
    /^[ \t]*#/ || $3 != "swap" { next }
    {
        m = split($4, options, ",")
        starts = 1
        for (i = 1; i <= m; i++) if (options[i] ~ /^(no)?auto$/) starts = options[i] == "auto"
        if (!starts) next
        device = unescaped($1)
        for (i = 1; i <= n; i++) if (index(device, tags[i] "=") == 1) {
            device = substr(device, length(tags[i]) + 2)
            gsub(/"/, "", device)
            device = "/dev/disk/by-" tolower(tags[i]) "/" udev(device)
        }
        print unit(device)
    }'
}

# ── Generators ───────────────────────────────────────────────────────────────────────────────

generator() { # NAME: whether systemd runs it
    [ -n "$(conf_files "/run/systemd/system-generators /etc/systemd/system-generators \
/usr/local/lib/systemd/system-generators /usr/lib/systemd/system-generators /lib/systemd/system-generators" "$1")" ]
}

# The last file of a name that counts, then the drop-ins, as zram-generator and rpi-swap read them: /run wins over /etc.
layered() { # DIRECTORIES NAME
    for dir in $1; do
        below_root "$dir/$2"
        if [ -e "$place" ]; then
            content "$dir/$2"
            break
        fi
    done
    conf_files "$(for dir in $1; do printf '%s ' "$dir/$2.d"; done)" .conf | while IFS= read -r path; do
        printf '\n[]\n' # a file begins in no section
        content "$path"
    done
}

# The devices on which zram-generator makes swap: not those with a file system, of no size, or for less memory than there is.
zram_devices() {
    generator zram-generator || return
    told=$(boot_flag systemd.zram)
    [ "$told" != off ] || return
    memory=$(content /proc/meminfo | sed -n 's/^MemTotal:[[:space:]]*\([0-9]*\) kB$/\1/p')
    layered "/run/systemd /etc/systemd /usr/local/lib/systemd /usr/lib/systemd" zram-generator.conf \
        | told=$told mib=$((${memory:-1024} / 1024)) awk '
    function zero(text) { return text ~ /^[0.]*0[0.]*$/ }
    function value_of(name, key) { return ((name, key) in set) ? set[name, key] : "" }
    function add(name) { if (!(name in known)) { known[name] = 1; order[++n] = name } }
    { sub(/\r$/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
    /^[#;]/ || !/./ { next }
    /^\[/ {
        here = substr($0, 2, index($0, "]") - 2)
        if (here !~ /^zram[0-9]+$/) here = ""
        else add(here)
        next
    }
    here != "" && match($0, /[=:]/) {
        key = substr($0, 1, RSTART - 1)
        value = substr($0, RSTART + 1)
        gsub(/[ \t]+$/, "", key)
        gsub(/^[ \t]+/, "", value)
        gsub(/^["\047]|["\047]$/, "", value)
        if (key == "memory-limit") key = "host-memory-limit"
        set[here, key] = value
    }
    END {
        if (ENVIRON["told"] == "on") add("zram0")
        for (i = 1; i <= n; i++) {
            name = order[i]
            limit = value_of(name, "host-memory-limit")
            fraction = value_of(name, "zram-fraction")
            most = value_of(name, "max-zram-size")
            if (((name, "mount-point") in set) || (((name, "fs-type") in set) && set[name, "fs-type"] != "swap")) continue
            if (limit ~ /^[0-9]+$/ && limit + 0 < ENVIRON["mib"] + 0) continue
            if (zero(fraction) || zero(most)) continue
            if (fraction == "" && most == "" && zero(value_of(name, "zram-size"))) continue
            print name
        }
    }'
}

rpi_swap() { # whether the generator of Raspberry Pi OS makes swap
    generator rpi-swap-generator || return
    mechanism=$(layered "/run/rpi /etc/rpi /usr/local/lib/rpi /usr/lib/rpi" swap.conf \
        | sed -n 's/^[[:space:]]*Mechanism[[:space:]]*=[[:space:]]*\([a-z+]*\).*/\1/p' | tail -n 1)
    [ "$mechanism" != none ]
}

# Units of swap, and services that make it, that boot starts.
swap_units() {
    {
        conf_files "$unit_dirs" .swap
        for name in armbian-zram-config dphys-swapfile nvzramconfig swapfile swapspace systemd-swap zram-config zram-swap \
            zramd zramswap; do unit_file $name.service; done
    } | while IFS= read -r path; do
        unit=${path##*/}
        ! enabled "$unit" || hidden "$(unit_file "$unit")" || printf "%s\n" "$unit"
    done
}

# Units that another generator made at the last boot, such as of a swap partition that fstab does not name: what it reads
# is not in files. What comes of fstab and of the generators above is read where they read it.
generated_units() {
    for dir in /run/systemd/generator /run/systemd/generator.early /run/systemd/generator.late; do
        for path in $(conf_files "$dir" .swap); do
            unit=${path##*/}
            case $(content "$path") in *gpt-auto-generator*) ;; */etc/fstab* | *zram-generator*) continue ;; *)
                ! generator rpi-swap-generator || continue ;;
            esac
            if there "$dir/swap.target.wants/$unit" || there "$dir/swap.target.requires/$unit"; then
                hidden "$(unit_file "$unit")" || printf "%s\n" "$unit"
            fi
        done
    done
}
