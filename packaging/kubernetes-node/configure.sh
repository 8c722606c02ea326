# What boot does with these two files, now; by name, so that a person's file of that name in /etc is heeded as at boot. A
# container or a locked-down host may refuse it.
apply() { # PROGRAM FILE
    for place in /usr/lib/systemd /lib/systemd; do
        if [ -x "$place/$1" ]; then
            "$place/$1" "$2"
            return
        fi
    done
}
if live{% if format == "deb" %} && permitted restart systemd-sysctl.service{% endif %}; then
    apply systemd-modules-load kubernetes.conf \
        || say "not every kernel module could be loaded; kube-node-check says which are missing"
    apply systemd-sysctl 99-kubernetes.conf \
        || say "not every sysctl could be set; kube-node-check says what is missing"
fi
