{% if format == "deb" %}
# The config.toml that postinst has put there, unless it is a package's by now.
config=/etc/containerd/config.toml
if [ "$1" = purge ] && grep -qs 'as Kubewright ships it' "$root$config" && ! dpkg-query --search "$config" >/dev/null 2>&1; then
    rm -f "$root$config"
fi
{% endif %}
