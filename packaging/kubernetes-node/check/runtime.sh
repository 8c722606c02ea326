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
        below_root "$socket"
        [ ! -e "$place" ] || sockets="$sockets${sockets:+ }unix://$socket"
    done
    case $sockets in *' '*) living_sockets ;; esac
    wanted_socket=${runtime#unix:}
    case $wanted_socket in
        /*) told_socket ;; # a node's kubelet knows which, wherever that is
        *) found_sockets ;;
    esac
    runtime=${runtime:-${sockets##* }} # cri-dockerd is nowhere by chance, but containerd comes with Docker
}

told_socket() {
    wanted_socket=/${wanted_socket#"${wanted_socket%%[!/]*}"}
    case $wanted_socket in /var/run/*) wanted_socket=${wanted_socket#/var} ;; esac
    found=$runtime
    below_root "$wanted_socket"
    [ -e "$place" ] || found="${sockets:-none}, but kubelet is told $runtime"
    expect runtime-socket error "$found" "the one that kubelet is told" \
        "start what listens there, or correct containerRuntimeEndpoint (--container-runtime-endpoint) of kubelet" \
        test "$found" = "$runtime"
}

found_sockets() {
    case $sockets in
        '') report runtime-socket fail "none of containerd, CRI-O and cri-dockerd runs" "one of them" \
            "install kubernetes-runtime-containerd, or start what is there: systemctl start containerd" ;;
        *' '*)
            choice=open
            expect runtime-socket warning "$sockets" "one of them" \
                "tell kubeadm which: criSocket in nodeRegistration, or --cri-socket ${sockets##* }" false
            ;;
        *) report runtime-socket ok "$sockets" ;;
    esac
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
            level=warning
            default=$(default_runtime)
            case $(says type_of | sed -n "s/^$default //p" | tail -n 1) in '' | *runc*) ;; *) return 0 ;; esac # has no such setting
            driver=cgroupfs
            [ "$(says systemd_cgroup_of | sed -n "s/^$default //p" | tail -n 1)" != true ] || driver=systemd
            section=io.containerd.cri.v1.runtime place=$(settings_place)
            [ "$major" != 1 ] || section=io.containerd.grpc.v1.cri place="the file that has the other settings of this plugin"
            remedy="in $place, under [plugins.'$section'.containerd.runtimes.$default.options]: SystemdCgroup = \
$([ "$kubelet_driver" = systemd ] && echo true || echo false), then: systemctl restart containerd"
            ;;
        *) return 0 ;;
    esac
    expect "${condition:+containerd-}cgroup-driver" $level "$driver" "$kubelet_driver, as kubelet uses" "$remedy" \
        test "$driver" = "$kubelet_driver"
}
