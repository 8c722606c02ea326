# containerd reads the drop-in only where its config.toml imports it; without a config.toml it imports nothing.
config=/etc/containerd/config.toml
if [ ! -e "$root$config" ]; then
    cp "$root/usr/share/kubewright/containerd-config.toml" "$root$config"
elif ! grep -q '^[^#]*conf\.d/' "$root$config"; then
    say "$config does not import /etc/containerd/conf.d/*.toml, so the sandbox image and the cgroup driver"
    say "of this release are not used; add imports = [\"/etc/containerd/conf.d/*.toml\"] or see kube-node-check"
fi
control try-restart containerd.service
