# ── Node spec ────────────────────────────────────────────────────────────────────────────────

# The package's own is shell. That of another release is JSON, as its site has it: nothing of it is run.
read_spec() {
    first=''
    IFS= read -r first <"$spec" || :
    case $first in
        '{'*) read_json_spec ;;
        *)
            # shellcheck source=/dev/null
            . "$(dirname "$spec")/$(basename "$spec")" # without a slash the shell would look for it on PATH
            [ -n "${SPEC_KUBERNETES:-}" ] || no_spec
            ;;
    esac
    minor=$(printf '%s\n' "$SPEC_KUBERNETES" | cut -d . -f 1,2)
}

no_spec() {
    cannot_run "$spec: not a node spec; name one with --spec: node-spec.sh of kubernetes-node, or node-spec.json of a release"
}

read_json_spec() {
    told=$(json 3 <"$spec" | sed 's/\\\\/\\/g')
    levels='ok|warning|error' words='([a-z0-9_.-]+ ?)*' options='([A-Z0-9_|]+ ?)*' number='[0-9]+' numbers='([0-9]+ ?)+'
    SPEC_KUBERNETES=$(of_spec /minor "$number\\.$number") || no_spec
    SPEC_SANDBOX_IMAGE='' # it is a registry's, not Kubernetes'
    SPEC_KERNEL_RELEASES=$(of_spec '/kernel/releases[]' '\^.+' '|') || no_spec
    SPEC_KERNEL_LEVEL=$(of_spec /kernel/level "$levels") || no_spec
    SPEC_KERNEL_CONFIGS=$(of_spec '/kernel/configs[]' "$options") || no_spec
    SPEC_KERNEL_CONFIGS_V1=$(of_spec '/kernel/cgroup_v1_configs[]' "$options") || no_spec
    SPEC_KERNEL_CONFIGS_V2=$(of_spec '/kernel/cgroup_v2_configs[]' "$options") || no_spec
    SPEC_KERNEL_MODULES=$(of_spec '/kernel/modules[]' "$words") || no_spec
    SPEC_CGROUP_V1_LEVEL=$(of_spec /cgroups/v1 "$levels") || no_spec
    SPEC_CGROUP_V1_CONTROLLERS=$(of_spec '/cgroups/v1_controllers[]' "$words") || no_spec
    SPEC_CGROUP_V2_CONTROLLERS=$(of_spec '/cgroups/v2_controllers[]' "$words") || no_spec
    SPEC_CGROUP_DRIVER=$(of_spec /cgroups/driver 'systemd|cgroupfs') || no_spec
    SPEC_SYSCTLS=$(pairs_of_spec /sysctls) || no_spec
    SPEC_SWAP_LEVEL=$(of_spec /swap "$levels") || no_spec
    SPEC_EXECUTABLES=$(pairs_of_spec /executables) || no_spec
    SPEC_NODE_PORTS=$(of_spec '/machines/node/ports[]' "$numbers") || no_spec
    SPEC_NODE_MEMORY_MIB=$(of_spec /machines/node/memory_mib "$number") || no_spec
    SPEC_NODE_CPUS=$(of_spec /machines/node/cpus "$number") || no_spec
    SPEC_NODE_LEVEL=$(of_spec /machines/node/level "$levels") || no_spec
    SPEC_CONTROL_PLANE_PORTS=$(of_spec '/machines/control-plane/ports[]' "$numbers") || no_spec
    SPEC_CONTROL_PLANE_MEMORY_MIB=$(of_spec /machines/control-plane/memory_mib "$number") || no_spec
    SPEC_CONTROL_PLANE_CPUS=$(of_spec /machines/control-plane/cpus "$number") || no_spec
    SPEC_CONTROL_PLANE_LEVEL=$(of_spec /machines/control-plane/level "$levels") || no_spec
    SPEC_CONTAINERD_MINIMUM=$(of_spec /runtime/containerd_minimum "$number\\.$number\\.$number") || no_spec
    SPEC_CONTAINERD_LINES=$(of_spec '/runtime/containerd_lines[]' "$words") || no_spec
    SPEC_DOCKER_CRI_DOCKERD=$(docker_rules) || no_spec
}

of_spec() { # PATH EXTENDED-REGULAR-EXPRESSION [BETWEEN]: the value there, or those of a list, in one line
    value=$(printf '%s\n' "$told" | awk -v path="$1=" -v between="${3:- }" '
        index($0, path) == 1 { all = all (count++ ? between : "") substr($0, length(path) + 1) }
        END { print all }')
    matches "$value" "^($2)\$" && printf '%s' "$value"
}

pairs_of_spec() { # PATH: NAME=VALUE of all that is below
    value=$(printf '%s\n' "$told" | awk -v path="$1/" '
        $0 == substr(path, 1, length(path) - 1) "={}" { here = 1 }
        index($0, path) == 1 { all = all (count++ ? " " : "") substr($0, length(path) + 1) }
        END { print here ? all : "none" }')
    matches "$value" '^([a-z0-9_.-]+=[a-z0-9_.-]+ ?)*$' && printf '%s' "$value"
}

docker_rules() { # DOCKER=CRI-DOCKERD, oldest first
    value=$(printf '%s\n' "$told" | awk '
        function rule() { if (docker != "") all = all (all == "" ? "" : " ") docker "=" adapter; docker = "" }
        $0 == "/runtime/docker[]={}" { rule() }
        sub(/^\/runtime\/docker\[\]\/docker=/, "") { docker = $0 }
        sub(/^\/runtime\/docker\[\]\/cri_dockerd=/, "") { adapter = $0 }
        END { rule(); print all }')
    matches "$value" '^([0-9.]+=[0-9.]+ ?)+$' && printf '%s' "$value"
}
