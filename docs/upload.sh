#!/bin/sh
# Brings a site to a web server by rsync, in the order in which its readers need it: upload.sh SITE DESTINATION
# DESTINATION is rsync's: www@packages.example.org:/srv/www/k8s, or a directory. One machine uploads at a time.
# A run that was cut short is finished by the next. Files of yours beside the site stay.
set -eu

if [ $# -ne 2 ] || [ ! -e "$1/tuf/timestamp.json" ]; then
    echo "usage: upload.sh SITE DESTINATION, where SITE is the directory that kubewright publishes in" >&2
    exit 2
fi
from=${1%/}/ to=${2%/}/

bring() { rsync --recursive --times --hard-links --exclude=/.kubewright/ "$@" "$from" "$to"; }

# What never changes: nothing that is served names it before the pointer does.
set -- '/apt/pool/**' '/yum/pool/**' '/yum/snapshots/**' '/apt/dists/**/by-hash/**' '/yum/*/*/Packages/**' \
    '/yum/*/*/repodata/*-*.gz' '/releases/*/**' '/publications/*/**' '/tuf/[0-9]*.json' '/keys/history/**'
lasting='' others=''
for pattern; do
    lasting="$lasting --include=$pattern" others="$others --exclude=$pattern"
done

set -f # the patterns are for rsync
# shellcheck disable=SC2086 # one word each
{
    bring --include='*/' $lasting --exclude='*'
    # The pointer, then what follows from it, all of it at once; the finished word is last.
    bring --checksum --include=/tuf/ --include=/tuf/timestamp.json --exclude='*'
    bring --checksum --delay-updates --exclude=/publications/finished.json --exclude=/tuf/timestamp.json $others
    bring --checksum --include=/publications/ --include=/publications/finished.json --exclude='*'
}
# What the site has no more: `prune` has let it stand for as long as readers may need it.
bring --delete --existing --ignore-existing --filter='protect /*'
