# ── Main ─────────────────────────────────────────────────────────────────────────────────────

role=node json='' fix='' strict='' root='' spec=/usr/share/kubewright/node-spec.sh
while [ $# -gt 0 ]; do
    case $1 in
        --role=*) role=${1#*=} ;;
        --spec=*) spec=${1#*=} ;;
        --root=*) root=${1#*=} ;;
        --role | --spec | --root)
            [ $# -gt 1 ] || cannot_run "$1 needs a value; see --help"
            option=$1=$2
            shift 2
            set -- "$option" "$@"
            continue
            ;;
        --json) json=yes ;;
        --fix) fix=yes ;;
        --strict) strict=yes ;;
        --help | -h) usage && exit 0 ;;
        *) cannot_run "unknown argument $1; see --help" ;;
    esac
    shift
done
root=${root%/}
[ -d "$root/" ] || cannot_run "$root: not a directory; name one with --root"
[ -r "$spec" ] || cannot_run "$spec: cannot be read; install kubernetes-node, or name a node spec with --spec"
read_spec
case $role in
    node)
        ports=$SPEC_NODE_PORTS min_memory=$SPEC_NODE_MEMORY_MIB min_cpus=$SPEC_NODE_CPUS machine_level=$SPEC_NODE_LEVEL
        ;;
    control-plane)
        ports=$SPEC_CONTROL_PLANE_PORTS min_memory=$SPEC_CONTROL_PLANE_MEMORY_MIB
        min_cpus=$SPEC_CONTROL_PLANE_CPUS machine_level=$SPEC_CONTROL_PLANE_LEVEL
        ;;
    *) cannot_run "--role $role: the roles are node and control-plane" ;;
esac

look_at_kubelet
check_kernel; check_cgroups; check_kernel_options; check_modules
check_swap; check_sysctls; check_machine; check_ports; check_firewall; check_executables
check_runtime; check_units; check_kubelet_arguments

result=ok
[ "$warned" -eq 0 ] || result=warn
[ "$failed" -eq 0 ] || result=fail
if [ -n "$json" ]; then
    fields=''
    field spec "$SPEC_KUBERNETES"
    field role "$role"
    printf '{'
    printf '%s,"checks":[%s],' "$fields" "$checks"
    fields=''
    field result "$result"
    printf '%s}\n' "$fields"
else
    echo "${fix:+# }Kubernetes $SPEC_KUBERNETES, role $role: $failed failed, $warned warned"
fi
[ "$failed" -eq 0 ] || exit 1
[ -z "$strict" ] || [ "$warned" -eq 0 ] || exit 1
