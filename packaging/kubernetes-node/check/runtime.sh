# ── Container runtime ────────────────────────────────────────────────────────────────────────

check_runtime() {
    check_sockets
    case $choice:$sockets in open:*containerd.sock*) # which may be Docker's own, and need not fit kubelet then
        condition="if kubelet is to use containerd: " likely=$runtime runtime=containerd
        check_containerd; check_cgroup_driver
        condition='' runtime=$likely
    esac
    check_containerd; check_cgroup_driver; check_docker
}

check_sockets() {
    sockets='' choice='' runtime=$(kubelet_setting containerRuntimeEndpoint container-runtime-endpoint)
    for socket in /run/containerd/containerd.sock /run/crio/crio.sock /run/cri-dockerd.sock; do
        [ ! -e "$root$socket" ] || sockets="$sockets${sockets:+ }unix://$socket"
    done
    case $sockets in *' '*) living_sockets ;; esac
    wanted_socket=${runtime#unix://}
    case $wanted_socket in /var/run/*) wanted_socket=${wanted_socket#/var} ;; esac
    case $sockets in
        '') report runtime-socket fail "none of containerd, CRI-O and cri-dockerd runs" "one of them" \
            "install kubernetes-runtime-containerd, or start what is there: systemctl start containerd" ;;
        *' '*) level=${runtime:+ok} # a node's kubelet knows which
            choice=${runtime:-open}
            expect runtime-socket "${level:-warning}" "$sockets" "one of them" \
                "tell kubeadm which: criSocket in nodeRegistration, or --cri-socket ${sockets##* }" false ;;
        *)
            found=$sockets level=error
            case $wanted_socket in
                '') level=ok ;;
                /*) [ -e "$root$wanted_socket" ] || found="$sockets, but kubelet is told $runtime" ;;
            esac
            expect runtime-socket $level "$found" "the one that kubelet is told, if any" \
                "start what listens there, or correct containerRuntimeEndpoint (--container-runtime-endpoint) of kubelet" \
                test "$found" = "$sockets"
            ;;
    esac
    runtime=${runtime:-${sockets##* }} # cri-dockerd is nowhere by chance, but containerd comes with Docker
}

# Of several, those on which somebody listens; kubeadm counts no others. Where the kernel shows none of them, all.
living_sockets() {
    living=''
    for socket in $sockets; do
        ! content /proc/net/unix | grep -q "${socket#unix://}\$" || living="$living${living:+ }$socket"
    done
    sockets=${living:-$sockets}
}

check_cgroup_driver() { # of the runtime that starts what names no other
    kubelet_driver=$(kubelet_setting cgroupDriver cgroup-driver)
    kubelet_driver=${kubelet_driver:-$SPEC_CGROUP_DRIVER}
    case $runtime in
        *cri-dockerd*) docker_driver ;;
        *containerd*)
            [ -z "$mistakes$unseen" ] || return 0
            default=$(default_runtime)
            driver=cgroupfs
            [ "$(says systemd_cgroup_of | sed -n "s/^$default //p" | tail -n 1)" != true ] || driver=systemd
            section=io.containerd.cri.v1.runtime place="a file of /etc/containerd/conf.d"
            [ "$major" != 1 ] || section=io.containerd.grpc.v1.cri place="the file that has the other settings of this plugin"
            remedy="in $place, under [plugins.'$section'.containerd.runtimes.$default.options]: SystemdCgroup = \
$([ "$kubelet_driver" = systemd ] && echo true || echo false), then: systemctl restart containerd"
            ;;
        *) return 0 ;;
    esac
    expect "${condition:+containerd-}cgroup-driver" warning "$driver" "$kubelet_driver, as kubelet uses" "$remedy" \
        test "$driver" = "$kubelet_driver"
}

docker_driver() { # sets driver and remedy; dockerd's arguments count, and with both arguments and file it does not start
    words=$(unit_words docker.service </dev/null)
    daemon=$(printf '%s\n' "$words" | argument config-file)
    daemon=${daemon:-/etc/docker/daemon.json}
    remedy="\"exec-opts\": [\"native.cgroupdriver=$kubelet_driver\"] in $daemon; restart Docker"
    driver=cgroupfs
    [ "$cgroup" != 2 ] || driver=systemd
    in_file=$(content "$daemon" | tr -d '\n\r' \
        | sed -n 's/.*"exec-opts"[[:space:]]*:[[:space:]]*\[\([^]]*\)\].*/\1/p' \
        | sed -n 's/.*native\.cgroupdriver=\([a-z]*\).*/\1/p')
    in_unit=$(printf '%s\n' "$words" | argument exec-opt | sed -n 's/^native\.cgroupdriver=//p')
    driver=${in_unit:-${in_file:-$driver}}
    [ -z "$in_unit" ] || remedy="--exec-opt native.cgroupdriver=$kubelet_driver where systemctl cat docker shows it; then: \
systemctl daemon-reload && systemctl restart docker"
    if [ -n "$in_unit" ] && content "$daemon" | grep -q '"exec-opts"'; then
        driver="none: dockerd does not start with exec-opts both as an argument and in $daemon"
        remedy="take --exec-opt out of the unit (systemctl edit docker), leave it in $daemon"
    fi
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
