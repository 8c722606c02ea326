# ── containerd ───────────────────────────────────────────────────────────────────────────────

check_containerd() {
    find_containerd
    case ${runtime:-$containerd} in *containerd*) ;; *) return 0 ;; esac # without any socket it may be the one to start
    check_containerd_version
    ask_containerd
    check_containerd_config || return 0
    check_cri
    check_imports
    check_cni
    check_sandbox_image
}

# Sets containerd to the program that the unit starts, else to the first there is; containerd_words to how it is started.
find_containerd() {
    containerd_words=$(unit_words containerd.service </dev/null)
    containerd='' others=$(programs containerd)
    case ${containerd_words%%"$newline"*} in */containerd)
        below_root "${containerd_words%%"$newline"*}"
        [ ! -x "$place" ] || containerd=$place
    esac
    containerd=${containerd:-${others%%"$newline"*}}
    others=$(printf '%s\n' "$others" | grep -vx "$containerd")
}

check_containerd_version() {
    version=$(version_of "$containerd")
    best="$SPEC_CONTAINERD_MINIMUM or newer"
    level=error first=$SPEC_CONTAINERD_MINIMUM
    if [ -n "$version" ] && [ -n "$SPEC_CONTAINERD_LINES" ] && at_least "$version" "$first"; then
        level=warning # it may well work, but upstream does not say so
        best="$SPEC_CONTAINERD_LINES, or newer in the same line"
        first=99.0.0
        for start in $SPEC_CONTAINERD_LINES; do
            [ "${start%.*}" != "${version%.*}" ] || first=$start
        done
    fi
    path=${containerd#"$root"}
    advice="upgrade containerd, or install kubernetes-containerd"
    other=''
    for other_path in $others; do
        other_version=$(version_of "$other_path")
        [ "$other_version" = "$version" ] || other="$other, ${other_path#"$root"} is ${other_version:-silent}"
    done
    [ -z "$other" ] || advice="this is what $path says$other: remove or upgrade the one that is too old, and have \
containerd.service start the other (ExecStart=)"
    expect containerd-version "$level" "${version:+$version${other:+ ($path)}}" "$best" "$advice" at_least "$version" "$first"
    [ -z "$other" ] || [ -z "$version" ] || report containerd-twice warn "$path is $version$other" "one containerd" \
        "remove the one that containerd.service does not start, or people ask another than kubelet does"
}

# Sets facts to what containerd makes of its configuration: by its own word where it can be asked, else read as text.
ask_containerd() {
    config=$(printf '%s\n' "$containerd_words" | argument config '' -c)
    config=${config:-$(printf '%s\n' "$containerd_words" | argument config '' -config)}
    named=$config
    config=${config:-/etc/containerd/config.toml}
    major=${version%%.*}
    major=${major:-2} highest=4 # of configuration versions: 2 up to 1.7, 3 from 2.0, 4 from 2.3
    unsure=unsure
    case $version in [01].* | 2.[0123].*) unsure='' ;; esac
    case $version in
        1.7.*) major=1 highest=2 ;;
        [01].*) major=1 highest=2147483647 ;; # it does not mind a higher one
        2.[012].*) highest=3 ;;
    esac
    files=''
    if [ -n "$named" ] || there "$config" || out_of_sight "$config"; then
        files=$(containerd_files "$config" "$version")
    fi
    facts=$(printf '%s\n' "$files" | containerd_settings "$major" "$highest" "$unsure")
    read_files=$(says file)
    mistakes=$(says mistake)
    unseen=$(says unseen)
    asked=''
    if [ -z "$root" ] && [ -n "$version" ]; then
        dump=$(cd / && "$containerd" --config "$config" config dump 2>/dev/null </dev/null)
        if [ -n "$dump" ]; then
            asked=yes unseen=''
            facts=$({ echo @dump; printf '%s\n' "$dump" | toml; } | containerd_settings "$major" 99)
            # What config dump passes over, but not containerd when it starts.
            mistakes=$(printf '%s\n' "$mistakes" | grep -e ': is not there$' -e ': version ' -e ', which is no full name$' \
                -e ': required_plugins has ' \
                -e ' is no time such as 5s$' | unless_loaded)
        else
            mistakes=$(cd / && "$containerd" --config "$config" config dump 2>&1 >/dev/null </dev/null | tail -n 1)
            case $mistakes in *'permission denied'*) # to us, and not to containerd
                unseen=${unseen:-$mistakes} mistakes=''
            esac
        fi
    fi
}

says() { # WORD: prints the values that facts have for it
    while IFS= read -r fact; do
        case $fact in "$1 "*) printf '%s\n' "${fact#* }" ;; esac
    done <<END
$facts
END
}

check_containerd_config() { # whether it can be judged
    if [ -n "$mistakes" ]; then
        result=fail
        [ -z "$condition" ] || result=warn
        report containerd-config $result "containerd does not start: ${mistakes%%"$newline"*}" \
            "a configuration that containerd reads" "${condition}correct it; containerd config dump shows whether it is right"
        return 1
    fi
    if [ -n "$unseen" ]; then
        report containerd-config warn "cannot look: ${unseen%%"$newline"*}" "that $config and what it imports can be read" \
            "look as root, where containerd is: then it is asked"
        [ -z "$(cri_disablers)" ] || check_cri
        return 1
    fi
    if [ -n "$asked" ]; then
        report containerd-config ok "as containerd config dump has it"
    else
        report containerd-config ok "read as text: $(printf '%s' "${read_files:-none, so what is built in}" | tr '\n' ' ')"
    fi
}

cri_disablers() { # NAME FILE of what switches CRI off
    names='io\.containerd\.grpc\.v1\.cri'
    [ "$major" = 1 ] || names="$names|io\.containerd\.cri\.v1\.(runtime|images)"
    says disabled | grep -E "^($names) "
}

check_cri() {
    cri=enabled advice='' disablers=$(cri_disablers)
    [ -z "$disablers" ] || cri=disabled
    # Up to 1.7 the dump tells no version 1, in which names are short, from the others, but has no section of what is off.
    if [ -n "$asked" ] && [ "$major" = 1 ]; then
        cri=enabled
        printf '%s\n' "$dump" | toml | grep -q '^/plugins/io\.containerd\.grpc\.v1\.cri[/=]' || cri=disabled
    fi
    if [ $cri = disabled ]; then
        where=$(printf '%s\n' "$files" | awk '/^@/ { file = substr($0, 2) }
            /^\/disabled_plugins\[\]=/ && /cri/ { print " " file }' | sort -u | tr -d '\n')
        advice="take what has cri in its name out of disabled_plugins in${where:- $config}, then: systemctl restart containerd"
    else
        cri_refuses
    fi
    expect containerd-cri error "$cri" enabled "$advice" test "$cri" = enabled
}

# Enabled is not loaded: settings with which the plugin ends at its start, and what a containerd that runs says of it.
cri_refuses() {
    default=$(default_runtime)
    loaded=$(cri_state)
    quoted=$(says wrong_type | head -n 1)
    needed=$(disabled_need)
    if [ -n "$needed" ]; then
        cri="does not load: it needs $needed, which disabled_plugins has"
        advice="take $needed out of disabled_plugins"
    elif [ "$(says systemd_cgroup | tail -n 1)" = true ] && [ "$major" = 1 ]; then
        cri="does not load: systemd_cgroup = true of the plugin itself"
        advice="take systemd_cgroup out (the driver is SystemdCgroup in the runtime's options)"
    elif [ -n "$(says config_path)" ] && [ -n "$(says mirrors)" ]; then
        cri="does not load: registry has both config_path and mirrors"
        advice="take the registry.mirrors tables out: config_path's hosts.toml take their place"
    elif [ -n "$(says config_path)" ] && [ -n "$(says config_tls)" ]; then
        cri="does not load: registry has both config_path and tls of a host"
        advice="take the registry.configs tables with tls out: config_path's hosts.toml take their place"
    elif [ -n "$(says default_runtime_empty)" ]; then
        cri="does not load: default_runtime_name is empty"
        advice="take default_runtime_name out, or name a runtime with it"
    elif [ -n "$quoted" ]; then
        cri="does not load: ${quoted%% *} is ${quoted#* }"
        advice="write ${quoted%% *} without quotes"
        case $quoted in *' no string') advice="write the value of ${quoted%% *} in quotes" ;; esac
    elif [ "$default" != runc ] && ! says runtime | grep -qx "$default"; then
        cri="does not load: default_runtime_name is $default, and there is no such runtime"
        advice="add the table of the runtime $default, or correct default_runtime_name"
    elif [ "$major" != 1 ] && [ -n "$(says bin_dir)" ] && [ -n "$(says bin_dirs)" ] && [ "$(says bin_dirs)" != /opt/cni/bin ]; then
        cri="does not load: cni has both bin_dir and bin_dirs"
        advice="take bin_dir out"
    elif [ "$loaded" = error ]; then
        cri="does not load: ctr plugins ls says error"
        advice="see why: ctr plugins ls -d id==cri; journalctl --unit=containerd"
    elif [ "$loaded" = off ]; then
        cri="not there in the containerd that runs, though its configuration has it"
        advice="systemctl restart containerd"
        commands="systemctl restart containerd"
        return
    fi
    advice="$advice, then: systemctl restart containerd"
}

# Prints the first plugin that is switched off and that CRI does not load without: tried one by one, with 1.7.28 and 2.3.6.
disabled_need() {
    snapshotter=$(says snapshotter)
    needs="(content\.v1\.content|event\.v1\.exchange|metadata\.v1\.bolt|gc\.v1\.scheduler|differ\.v1\.walking|lease\.v1\.manager\
|runtime\.v2\.task|snapshotter\.v1\.${snapshotter:-overlayfs}|warning\.v1\.deprecations|sandbox\.store\.v1\.local\
|sandbox\.controller\.v1\.(local|shim)|service\.v1\.(containers|content|diff|images|introspection|namespaces|snapshots|tasks)-service"
    case $major in
        1) needs="$needs|runtime\.v1\.linux|runtime\.v2\.shim)" ;;
        *) needs="$needs|mount-manager\.v1\.bolt|shim\.v1\.manager|transfer\.v1\.local|podsandbox\.controller\.v1\.podsandbox)" ;;
    esac
    says disabled | sed 's/ .*//' | grep -E "^io\.containerd\.$needs\$" | head -n 1
}

loaded_plugins() { # of the containerd that runs, as ctr lists them; nothing where that cannot be known
    [ -z "$root" ] && [ -S /run/containerd/containerd.sock ] || return
    ctr=${containerd%/*}/ctr
    [ -x "$ctr" ] || return
    listed=$(timeout 5 "$ctr" --address /run/containerd/containerd.sock plugins ls 2>/dev/null </dev/null)
    case $listed in *TYPE*) printf '%s\n' "$listed" ;; esac # else not root, or it does not answer
}

# Passes mistakes on, but for a plugin that is required, not known here, and loaded: somebody has built it in.
unless_loaded() {
    while IFS= read -r mistake; do
        case $mistake in *', and there is no such plugin')
            required=${mistake#*: required_plugins has }
            required=${required%%, *}
            loaded_plugins | awk '{ print $1 "." $2; print $2 }' | grep -qxF -e "$required" && continue
        esac
        printf '%s\n' "$mistake"
    done
}

cri_state() { # ok, error or off of the plugin in the containerd that runs; nothing where that cannot be known
    listed=$(loaded_plugins)
    [ -n "$listed" ] || return
    printf '%s\n' "$listed" | awk '$1 == "io.containerd.grpc.v1" && $2 == "cri" { state = $NF }
        END { print state == "" ? "off" : state == "ok" ? "ok" : "error" }'
}

default_runtime() {
    name=$(says default_runtime)
    printf '%s' "${name:-runc}"
}

check_imports() { # drop-ins that nobody reads
    below_root /etc/containerd/conf.d
    [ -d "$place" ] || return 0
    unread=''
    for path in $(matching '/etc/containerd/conf.d/*.toml'); do
        printf '%s\n' "$read_files" | grep -qx "$path" || unread="$unread $path"
    done
    line='imports = ["/etc/containerd/conf.d/*.toml"]'
    if printf '%s\n' "$files" | awk '/^@/ { n++ } n == 1' | grep -q '^/imports='; then
        advice="add \"/etc/containerd/conf.d/*.toml\" to the imports of $config"
    elif [ -n "$files" ]; then
        advice="put $line at the top of $config, before the first [table]"
        below_root "$config"
        where=$(word "$config")
        [ ! -L "$root$config" ] || where="\"\$(readlink -f $where)\"" # which sed would make a file of
        commands="sed -i '1i $line' $where${newline}systemctl restart containerd"
        [ -s "$place" ] || commands="echo '$line' > $(word "$config")${newline}systemctl restart containerd"
    else
        advice="make $config with the two lines version = $((major + 1)) and $line"
        commands="printf '%s\\n' 'version = $((major + 1))' '$line' > $(word "$config")${newline}systemctl restart containerd"
    fi
    expect containerd-imports warning "not read:${unread:- none}" "that $config imports /etc/containerd/conf.d/*.toml" \
        "$advice, then: systemctl restart containerd" test -z "$unread"
}

check_cni() { # Debian's and Fedora's own config.toml name other places than kubernetes-cni and most Pod networks use
    plugins=$(says bin_dirs | tr '\n' ',')
    plugins=${plugins%,}
    bin_dir=$(says bin_dir)
    [ -z "$bin_dir" ] || plugins=$bin_dir # of both only one can be set, but for what is built in
    plugins=${plugins:-/opt/cni/bin}
    level=error
    below_root "${plugins%%,*}/loopback"
    [ ! -x "$place" ] || level=warning # somebody has put plugins there, and may know why
    where=$(printf '%s\n' "$files" | awk '/^@/ { file = substr($0, 2) } /\/cni\/bin_dirs?(\[\])?=/ { print " " file }' | sort -u \
        | tr -d '\n')
    expect containerd-cni "$level" "$plugins" /opt/cni/bin "take bin_dir and bin_dirs of cni out of${where:- $config}, \
then: systemctl restart containerd" matches "$plugins" '(^|,)/opt/cni/bin/?(,|$)'
}

settings_place() { # where containerd reads what one adds
    case $files in
        *"${newline}/imports[]=/etc/containerd/conf.d/*.toml"*) echo "a file of /etc/containerd/conf.d" ;;
        '') echo "$config, which begins with version = $((major + 1))" ;;
        *) echo "$config" ;;
    esac
}

check_sandbox_image() {
    [ -n "$SPEC_SANDBOX_IMAGE" ] || return 0 # a spec as JSON names none
    sandbox=$(says sandbox)
    advice="in $(settings_place), under [plugins.'io.containerd.cri.v1.images'.pinned_images]: \
sandbox = '$SPEC_SANDBOX_IMAGE'"
    [ "$major" != 1 ] || advice="in the file that has the other settings of this plugin, under \
[plugins.'io.containerd.grpc.v1.cri']: sandbox_image = '$SPEC_SANDBOX_IMAGE'"
    expect sandbox-image warning "${sandbox:-as built in}" "$SPEC_SANDBOX_IMAGE" "$advice, then: systemctl restart containerd" \
        test "${sandbox:-registry.k8s.io/pause${SPEC_SANDBOX_IMAGE##*/pause}}" = "$SPEC_SANDBOX_IMAGE" # built in
}
