# containerd reads the drop-in only where its config.toml imports it; without a config.toml it imports nothing.
config=/etc/containerd/config.toml
imports_drop_in() { # whether one of the imports, which stand before the first [table], has the drop-in in it
    sed -e 's/\r$//' "$root$config" | awk '
        !inside && /^[ \t]*\[/ { exit }
        !inside && /^[ \t]*["\047]?imports["\047]?[ \t]*=/ { inside = 1; sub(/^[^=]*=/, "") }
        inside {
            while (match($0, /^[^"\047#\]]*("[^"]*"|\047[^\047]*\047)/)) {
                name = substr($0, 1, RLENGTH)
                $0 = substr($0, RLENGTH + 1)
                sub(/^[^"\047]*/, "", name)
                print substr(name, 2, length(name) - 2)
            }
            sub(/#.*/, "")
            if (/\]/) exit
        }' | while IFS= read -r pattern; do
        case $pattern in /*) ;; *) pattern=/etc/containerd/$pattern ;; esac
        folder=/etc/containerd/conf.d name=10-kubewright.toml
        # shellcheck disable=SC2254 # they are patterns
        case $folder in ${pattern%/*}) case $name in ${pattern##*/}) echo yes ;; esac ;; esac
    done
}
if [ -f "$root$config" ] && [ -z "$(imports_drop_in)" ]; then
    say "$config does not import /etc/containerd/conf.d/*.toml, so the sandbox image and the cgroup driver"
    say "of this release are not used; at its top, before the first [table], add imports = [\"/etc/containerd/conf.d/*.toml\"]"
elif [ ! -e "$root$config" ]; then
    say "$config is missing or leads nowhere; until it is there and imports /etc/containerd/conf.d/*.toml, kubelet's settings for containerd are not used"
fi
control try-restart containerd.service
