# ── kubelet's settings ───────────────────────────────────────────────────────────────────────

# Where there is no unit, the arguments that packages let people and kubeadm give.
look_at_kubelet() {
    kubelet_words=$(unit_words kubelet.service <<'END'
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
EnvironmentFile=-/etc/sysconfig/kubelet
ExecStart=kubelet $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
END
    )
    fragments=$(printf '%s\n' "$kubelet_words" | argument config-dir)
    kubelet_config=$(printf '%s\n' "$kubelet_words" | argument config)
    kubelet_yaml=$({
        content "${kubelet_config:-/var/lib/kubelet/config.yaml}"
        echo
        content /var/lib/kubelet/instance-config.yaml # the node's own part, which kubeadm keeps apart
        [ -z "$fragments" ] || below_root "$fragments"
        below=$place
        [ -z "$fragments" ] || find -L "$below" -name '*.conf' 2>/dev/null | sort | while IFS= read -r path; do
            echo
            content "$fragments${path#"$below"}"
        done
    } | tr -d '\r' | sed -e "s/^$(printf '\357\273\277')//" -e 's/^[[:space:]]*#.*//' -e 's/[[:space:]]#.*//' \
        | sed 'y/{},/\n\n\n/' | tr -d "\"' \t")
}

kubelet_setting() { # KEY ARGUMENT [flag]: what this node's kubelet has, where it has it; arguments win over files
    given=''
    case $kubelet_words in *--"${2%%-*}"*) given=$(printf '%s\n' "$kubelet_words" | argument "$2" "${3:-}") ;; esac
    [ -n "$given" ] || while IFS= read -r line; do
        case $line in "$1:"?*) given=${line#*:} ;; esac
        case $given in # YAML has more words for it than an argument
            no | No | NO | off | Off | OFF | n | N) given=false ;;
            yes | Yes | YES | on | On | ON | y | Y) given=true ;;
        esac
    done <<END
$kubelet_yaml
END
    case $given in 0 | f | F | FALSE | False) echo false ;; 1 | t | T | TRUE | True) echo true ;; *) echo "$given" ;; esac
}

# ── kubelet's arguments ──────────────────────────────────────────────────────────────────────

# Arguments of earlier kubelets, with which kubelet of a minor ends: those of before 1.34 (of dockershim, of log files, of
# cloud providers, of rkt), and from which minor on others. Each was tried with kubelet 1.36.3 and 1.37.2; 1.34.1 and 1.35.0
# by their source.
gone_arguments() {
    echo "add-dir-header allow-privileged alsologtostderr api-servers auth-path azure-container-registry-config \
babysit-daemons bootstrap-checkpoint-path cadvisor-cache-ttl cadvisor-port chaos-chance cloud-config \
cloud-provider-gce-l7lb-src-cidrs cloud-provider-gce-lb-src-cidrs cni-bin-dir cni-cache-dir cni-conf-dir \
configure-cbr0 container-runtime containerd-env-metadata-whitelist disk-usage docker docker-disable-shared-pid \
docker-endpoint docker-env-metadata-whitelist docker-exec-handler docker-only docker-root docker-tls docker-tls-ca \
docker-tls-cert docker-tls-key dynamic-config-dir enable-cadvisor-json-endpoints enable-custom-metrics \
experimental-allowed-unsafe-sysctls experimental-bootstrap-kubeconfig \
experimental-check-node-capabilities-before-mount experimental-cri experimental-dockershim \
experimental-dockershim-root-directory experimental-fail-swap-on experimental-flannel-overlay \
experimental-kernel-memcg-notification experimental-logging-sanitization experimental-nvidia-gpus \
experimental-qos-reserved experimental-runtime-integration-type google-json-key host-ipc-sources \
host-network-sources host-pid-sources image-pull-progress-deadline init-config-dir iptables-drop-bit \
iptables-masquerade-bit keep-terminated-pod-volumes log-backtrace-at log-dir log-file log-file-max-size logtostderr \
low-diskspace-threshold-mb master-service-namespace network-plugin network-plugin-dir network-plugin-mtu \
node-monitor-period non-masquerade-cidr nosandbox one-output outofdisk-transition-frequency really-crash-for-testing \
reconcile-cidr redirect-container-streaming register-schedulable remote-image-endpoint remote-runtime-endpoint \
require-kubeconfig rkt-api-endpoint rkt-path rkt-stage1-image seccomp-profile-root skip-headers skip-log-headers \
stderrthreshold system-container update-machine-info-interval windows-priorityclass windows-service"
    ! kubelet_is 1.35 || echo pod-infra-container-image
    ! kubelet_is 1.37 || echo "application-metrics-count-limit boot-id-file container-hints containerd containerd-namespace enable-load-reader \
event-storage-age-limit event-storage-event-limit global-housekeeping-interval log-cadvisor-usage machine-id-file \
storage-driver-buffer-duration storage-driver-db storage-driver-host storage-driver-password storage-driver-secure \
storage-driver-table storage-driver-user"
}

kubelet_is() { # MINOR or newer
    at_least "$minor.0" "$1.0"
}

check_kubelet_arguments() {
    names=$(printf '%s\n' "$kubelet_words" | sed -n 's/^--\([A-Za-z][^=]*\).*/\1/p' | tr _ - | sort -u)
    gone=''
    gone_names=" $(gone_arguments | tr '\n' ' ')"
    for name in $names; do
        case $gone_names in *" $name "*) gone="$gone --$name" ;; esac
    done
    [ -z "$gone" ] || report kubelet-arguments fail "kubelet $minor does not know, and ends:$gone" \
        "arguments that kubelet has" "take them out of what systemctl cat kubelet shows and of the files that it names, such as \
/var/lib/kubelet/kubeadm-flags.env, then: systemctl daemon-reload && systemctl restart kubelet"
}
