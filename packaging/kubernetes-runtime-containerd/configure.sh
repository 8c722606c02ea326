# containerd reads the drop-in only where its config.toml imports it; without a config.toml it imports nothing.
config=/etc/containerd/config.toml
if [ -f "$root$config" ] && ! grep -q '^[^#]*conf\.d/' "$root$config"; then
    say "$config does not import /etc/containerd/conf.d/*.toml, so the sandbox image and the cgroup driver"
    say "of this release are not used; at its top, before the first [table], add imports = [\"/etc/containerd/conf.d/*.toml\"]"
elif [ ! -e "$root$config" ]; then
    say "$config is missing or leads nowhere; until it is there and imports /etc/containerd/conf.d/*.toml, kubelet's settings for containerd are not used"
fi
control try-restart containerd.service
