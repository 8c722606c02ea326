# ── Docker ───────────────────────────────────────────────────────────────────────────────────

# Sets driver, level and remedy. Of several the first counts, as in dockerd; with one thing both as an argument and in the
# file, or a file that is no JSON, it does not start.
docker_driver() {
    words=$(unit_words docker.service </dev/null)
    daemon=$(printf '%s\n' "$words" | argument config-file)
    daemon=${daemon:-/etc/docker/daemon.json}
    remedy="\"exec-opts\": [\"native.cgroupdriver=$kubelet_driver\"] in $daemon; restart Docker"
    driver=cgroupfs level=warning
    [ "$cgroup" != 2 ] || driver=systemd
    in_json=$(content "$daemon" | json)
    in_file=$(printf '%s\n' "$in_json" | sed -n 's,^/exec-opts\[\]=,,p' | first_driver)
    in_unit=$(printf '%s\n' "$words" | argument exec-opt '' '' all | first_driver)
    driver=${in_unit:-${in_file:-$driver}}
    [ -z "$in_unit" ] || remedy="--exec-opt native.cgroupdriver=$kubelet_driver where systemctl cat docker shows it; then: \
systemctl daemon-reload && systemctl restart docker"
    twice=$(given_twice)
    case $newline$in_json in
        *"$newline!"*)
            level=error
            driver="none: dockerd does not start: $daemon, line ${in_json##*!}, is no JSON"
            remedy="correct it: dockerd --validate --config-file $daemon says whether it is right; then restart Docker"
            ;;
        *)
            [ -n "$twice" ] || return 0
            level=error
            driver="none: dockerd does not start with $twice both as an argument and in $daemon"
            remedy="take the argument out of the unit (systemctl edit docker), or $twice out of $daemon; then restart Docker"
            ;;
    esac
}

first_driver() { # of options on standard input
    awk '{ at = index($0, "="); key = tolower(substr($0, 1, at - 1)); gsub(/[ \t]/, "", key) }
        key == "native.cgroupdriver" { value = substr($0, at + 1); gsub(/[ \t]/, "", value); print value; exit }'
}

given_twice() { # prints the first key of in_json that is an argument among words as well
    keys=$(printf '%s\n' "$in_json" | sed -n 's,^/\([a-z0-9-]*\)=.*,\1,p')
    for key in $keys; do
        flag=$key short='-[^A-Za-z-]'
        case $key in
            runtimes) continue ;; # which add up
            registry-mirrors | exec-opts | log-opts | storage-opts | dns-opts | hosts | labels | default-ulimits | features \
                | authorization-plugins | default-address-pools | node-generic-resources) flag=${key%s} ;;
            insecure-registries) flag=insecure-registry ;;
        esac
        case $key in
            hosts) short=-H ;;
            debug) short=-D ;;
            log-level) short=-l ;;
            bridge) short=-b ;;
            storage-driver) short=-s ;;
            group) short=-G ;;
            pidfile) short=-p ;;
        esac
        if printf '%s\n' "$words" | grep -q -e "^--$flag\$" -e "^--$flag=" -e "^$short"; then
            echo "$key"
            return
        fi
    done
}

check_docker() {
    dockerd=$(program dockerd)
    docker_version=$(version_of "$dockerd")
    if [ -z "$docker_version" ] || ! at_least "$docker_version" "${SPEC_DOCKER_CRI_DOCKERD%%=*}"; then
        check_impostors
    fi
    cri_dockerd=$(program cri-dockerd)
    [ -n "$cri_dockerd" ] || return
    cri_version=$(version_of "$cri_dockerd")
    found='' minimum=0.0.0
    if [ -n "$docker_version" ] && [ -n "$cri_version" ]; then
        found="$cri_version with Docker $docker_version"
        for rule in $SPEC_DOCKER_CRI_DOCKERD; do
            ! at_least "$docker_version" "${rule%%=*}" || minimum=${rule#*=}
        done
    fi
    expect cri-dockerd error "$found" "cri-dockerd $minimum or newer" "upgrade cri-dockerd" \
        at_least "$cri_version" "$minimum"
}

# Where no Docker is fit for use: what looks like it. The same list as [[impostors]] in recipes/distros.toml.
check_impostors() {
    while IFS='|' read -r form name what instead; do
        ! installed "$form" "$name" || break
    done <<'END'
deb|docker|a system-tray program (wmdocker), which only has the name|docker.io
deb|docker-engine|the Docker of 2015 to 2017, whose repositories are closed|docker.io or docker-ce
rpm|docker-engine|the Docker of 2015 to 2017, whose repositories are closed|moby-engine or docker-ce
rpm|docker-io|the first Docker of Fedora and EPEL, long dead|moby-engine or docker-ce
deb|podman-docker|a docker command that calls podman; there is no engine behind it|docker.io
rpm|podman-docker|a docker command that calls podman; there is no engine behind it|moby-engine or docker-ce
END
    if [ -z "$name" ]; then
        [ -z "$dockerd" ] && [ -n "$(program docker)" ] || return
        name="docker without dockerd" what="the client alone, or another program" instead="docker.io or moby-engine"
    fi
    report docker-package warn "$name: $what" "Docker Engine, if any" \
        "install $instead, or kubernetes-docker, if you mean to use Docker"
}

installed() { # deb|rpm NAME
    case $1 in
        deb) content /var/lib/dpkg/status | sed -n "/^Package: $2\$/,/^\$/p" | grep -q '^Status: [a-z]* ok installed$' ;;
        rpm)
            [ -d "$root/var/lib/rpm" ] || [ -d "$root/usr/lib/sysimage/rpm" ] || return
            rpm --root "${root:-/}" -q "$2" >/dev/null 2>&1
            ;;
    esac
}
