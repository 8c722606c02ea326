# docker.socket belongs to this group.
if ! grep -q '^docker:' "$root/etc/group"; then
    groupadd --system ${root:+"--prefix=$root"} docker
fi
