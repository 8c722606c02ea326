{% if format == "deb" %}
if [ "$1" = purge ] && [ -d "$root/etc/kubernetes" ] && ! inherited /etc/kubernetes; then
    say "kept /etc/kubernetes/pki and the kubeconfig files beside it; remove them when this machine is no node any more"
fi
{% endif %}
