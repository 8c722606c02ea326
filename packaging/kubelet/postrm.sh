if [ "$event" = purge ]; then
    say "kept, if there: /etc/kubernetes/pki (certificates) and /etc/kubernetes/*.conf; remove them when this machine is no node any more"
fi
