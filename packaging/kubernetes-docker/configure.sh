# docker.socket belongs to this group, which sysusers.d would make at the next boot only. It may come from elsewhere than /etc/group, which another root cannot be asked.
if [ -n "$root" ] || [ -z "$(getent group docker)" ]; then
    said=$(groupadd --system --force ${root:+"--prefix=$root"} docker 2>&1) ||
        say "there is no group docker ($said), so docker.socket will not start; make it: groupadd --system docker"
fi
# By this script, left here at its removal, the purge of docker.io would empty the directory that is ours now.
rm -f "$root/var/lib/docker/nuke-graph-directory.sh"
