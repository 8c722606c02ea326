# What boot does with these two files, now. A container or a locked-down host may refuse it.
if live; then
    /usr/lib/systemd/systemd-modules-load /usr/lib/modules-load.d/kubernetes.conf \
        || say "not every kernel module could be loaded; kube-node-check says which are missing"
    /usr/lib/systemd/systemd-sysctl /usr/lib/sysctl.d/99-kubernetes.conf \
        || say "not every sysctl could be set; kube-node-check says what is missing"
fi
