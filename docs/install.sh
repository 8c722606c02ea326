#!/bin/sh
# An example for people who write installers: it installs a node from a site, and verifies before it trusts.
#
# Trust starts with the fingerprint that you give, and each arrow is a check:
#
#   fingerprint ─► key ─► signature ─► releases/index.json ─► manifest.json ─► every package, every image
#                         by gpgv      chooses a release      by SHA-256       by size and SHA-256
#
# It reads nothing else of the site: no apt or yum repository, no page. A mirror or a proxy may bring the bytes.
# Needs curl, gpgv and jq (apt-get install curl gpgv jq, or dnf install curl gnupg2 jq).
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

usage() {
    cat <<'END'
Usage: install.sh --site URL --fingerprint HEX --channel NAME [--role node|control-plane] [OPTION...]
Installs the newest release of a channel that is not withdrawn.

  --site URL           where the site is served
  --fingerprint HEX    of the OpenPGP key that signs it; get it from people you trust, not from the site
  --channel NAME       stable-1.36, or any other that the site has
  --role ROLE          node (default) or control-plane
  --pull               pull the images that kubeadm will use, too, and compare their digests
  --dry-run            verify and print what would be installed; changes nothing
  --allow-development  accept a release that a development key has signed
  --state DIR          where the newest index seen is remembered [/var/lib/kubewright-installer]

Exit code: 0 done, 1 refused or failed, 2 bad usage.
END
}

refuse() {
    echo "install.sh: $*" >&2
    exit 1
}

misused() {
    (refuse "$*; see --help") || exit 2
}

# ── Arguments and machine ────────────────────────────────────────────────────────────────────

site='' fingerprint='' channel='' role=node pull='' dry_run='' allow_development='' state=/var/lib/kubewright-installer
while [ $# -gt 0 ]; do
    case $1 in
        --site) site=${2:?"of $1 is missing"} && shift ;;
        --fingerprint) fingerprint=$(printf %s "${2:?"of $1 is missing"}" | tr -d ' ' | tr a-f A-F) && shift ;;
        --channel) channel=${2:?"of $1 is missing"} && shift ;;
        --role) role=${2:?"of $1 is missing"} && shift ;;
        --state) state=${2:?"of $1 is missing"} && shift ;;
        --pull) pull=yes ;;
        --dry-run) dry_run=yes ;;
        --allow-development) allow_development=yes ;;
        --help | -h) usage && exit 0 ;;
        *) misused "unknown argument $1" ;;
    esac
    shift
done
case $site/$channel in /* | */) misused "--site and --channel are needed" ;; esac
# The last digits of a fingerprint can be forged; only the whole of it names one key.
case $fingerprint in *[!0-9A-F]*) misused "--fingerprint is not hexadecimal" ;; esac
[ ${#fingerprint} -ge 40 ] || misused "--fingerprint has ${#fingerprint} digits of 40: give the whole of it"
case $role in
    node) packages='' images='pause kube-proxy' ;;
    control-plane)
        packages='kubectl kubernetes-control-plane'
        images='pause kube-proxy kube-apiserver kube-controller-manager kube-scheduler etcd coredns'
        ;;
    *) misused "--role $role: the roles are node and control-plane" ;;
esac
packages="kubelet kubeadm kubernetes-cni cri-tools kubernetes-runtime-containerd kubernetes-node $packages"

for program in curl gpgv jq sha256sum; do
    command -v "$program" >/dev/null || refuse "$program is missing: apt-get install curl gpgv jq (dnf: gnupg2 for gpgv)"
done
format=deb
command -v apt-get >/dev/null || format=rpm
[ $format = deb ] || command -v dnf >/dev/null || refuse "neither apt-get nor dnf is here: no packages for this system"
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
[ -n "$dry_run" ] || [ "$(id -u)" -eq 0 ] || refuse "installing needs root; --dry-run does not"

work=$(mktemp -d)
index=$work/index.json manifest=$work/manifest.json published=$site/releases/index.json
trap 'rm -rf "$work"' EXIT && trap 'exit 1' HUP INT TERM
chmod 755 "$work" # apt reads local packages as another user

# ── From the fingerprint to the manifest ─────────────────────────────────────────────────────

fetch() { # PATH FILE BYTES: a file of the site; not endless, whoever serves it
    curl --silent --show-error --fail --location --retry 3 --max-filesize "$3" --output "$2" "$site/$1" \
        || refuse "$site/$1: cannot be had; check --site"
}

# gpgv believes every key in the file, so which of them signed decides. GOODSIG is not said of expired or revoked keys;
# the last word of VALIDSIG is the fingerprint of the primary key.
signer() { # KEYS SIGNATURE FILE: prints who signed, if there is one signature and it is good
    gpgv --status-fd 1 --keyring "$1" "$2" "$3" 2>/dev/null | awk '
        $2 == "NEWSIG" { signatures++ } $2 == "GOODSIG" { good++ }
        $2 == "VALIDSIG" { who = $NF }
        END { if (signatures == 1 && good == 1) print who }'
}

vouched() { # FILE PATH SHA256: goes on only if the file has the digest that something signed promises
    printf '%s  %s\n' "$3" "$1" | sha256sum -c >/dev/null 2>&1 \
        || refuse "$site/$2: is not what the signed index and its manifest promise: do not install from there"
}

fetch keys/kubewright.gpg "$work/keys.gpg" 1000000
fetch releases/index.json "$index" 50000000
# The index is the copy of its number, which never changes and has the signature.
sequence=$(jq -r '.sequence | tostring' "$index") || refuse "$published: not JSON; check --site"
case $sequence in *[!0-9]* | '') refuse "$published: has no number; check --site" ;; esac
fetch "publications/index/$sequence.json.asc" "$index.asc" 100000
who=$(signer "$work/keys.gpg" "$index.asc" "$index")
[ -n "$who" ] || refuse "$published: its signature is not good: do not install from there"
[ "$who" = "$fingerprint" ] || refuse "$published: signed by $who, not by the key that you trust"
# The same key signs other documents, which must not pass for an index.
jq -e '.header.type == "kubewright.index" and .header.version == "1"' "$index" >/dev/null \
    || refuse "$published: signed, but no index of a version that this program knows"

# A signature does not age: whoever can change what is served could bring back an index from before a fix.
seen=0
[ ! -e "$state/$fingerprint" ] || read -r seen <"$state/$fingerprint"
[ "$sequence" -ge "$seen" ] || refuse "$published: is number $sequence, but number $seen was seen before:" \
    "somebody put an old one back. If you know why, remove $state/$fingerprint"
if [ -z "$dry_run" ]; then
    mkdir -p "$state"
    echo "$sequence" >"$state/$fingerprint.new"
    mv "$state/$fingerprint.new" "$state/$fingerprint"
fi

# The index lists the newest first. After a rollback of the channel, what it went back from is in it no more.
jq -e --arg channel "$channel" 'first(.releases[] | select(.status != "yanked" and any(.channels[]; . == $channel)))' \
    "$index" >"$work/release.json" \
    || refuse "channel $channel: no release that is not withdrawn; there are:" \
        "$(jq -r '[.releases[].channels[]] | unique | join(", ")' "$index")"
release() { jq -r ".$1" "$work/release.json"; }
name=$(release name)
[ "$(release development)" = false ] || [ -n "$allow_development" ] \
    || refuse "$name: signed by a development key, which anybody could have made; --allow-development accepts it"
fetch "$(release manifest_url)" "$manifest" 50000000
vouched "$manifest" "$(release manifest_url)" "$(release manifest_sha256)"

# ── What to install ──────────────────────────────────────────────────────────────────────────

# The manifest says which distribution's own containerd fits; everywhere else ours takes its place.
# shellcheck source=/dev/null
system=$(. /etc/os-release 2>/dev/null && echo "$ID-${VERSION_ID:-}") || system=unknown
jq -e --arg system "$system" \
    'any(.requirements.distributions[]; .distribution == $system and .package == "containerd" and .fits)' \
    "$manifest" >/dev/null || packages="$packages kubernetes-containerd"
for package in $packages; do
    jq -er --arg package "$package" --arg format $format --arg arch "$arch" \
        'first(.packages[] | select(.package == $package and .format == $format and (.arch == $arch or .arch == "all")))
         | "\(.size) \(.sha256) \(.url)"' "$manifest" >>"$work/wanted" \
        || refuse "$name: has no $format of $package for $arch; it is for" \
            "$(jq -r '[.packages[].arch] - ["all"] | unique | join(", ")' "$manifest")"
done
registry=$(jq -r 'first(.images[] | select(.name == "kube-apiserver").reference) | sub("/[^/]*$"; "")' "$manifest")

echo "$name for $role on $system $arch, from index number $sequence, signed by $who:"
set --
while read -r size digest url; do
    echo "  ${url##*/}  $size bytes  sha256:$digest"
    [ -z "$dry_run" ] || continue
    file=$work/${url##*/}
    fetch "$url" "$file" "$size"
    [ "$(wc -c <"$file")" -eq "$size" ] || refuse "$site/$url: has not the $size bytes that the manifest promises"
    vouched "$file" "$url" "$digest"
    set -- "$@" "$file"
done <"$work/wanted"
[ -z "$registry" ] || echo "imageRepository: $registry"
[ -z "$dry_run" ] || exit 0

# ── Install ──────────────────────────────────────────────────────────────────────────────────

# Only now does anything change. The distribution brings what the packages need besides; nothing may be removed.
if [ $format = deb ]; then
    apt-get update
    apt-get install --yes --no-remove "$@"
else
    dnf install --assumeyes "$@"
fi

# kubeadm pulls by tag, and whoever has the registry can move a tag. What is there already it does not pull again.
[ -n "$pull" ] || exit 0
export CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock
for image in $images; do
    jq -er --arg image "$image" 'first(.images[] | select(.name == $image)) | "\(.reference) \(.index)"' "$manifest" \
        >"$work/image" || refuse "$name: has no image $image"
    read -r reference digest <"$work/image"
    crictl pull "$reference" >/dev/null
    if ! crictl inspecti --output json "$reference" \
        | jq -e --arg digest "@$digest" 'any(.status.repoDigests[]; endswith($digest))' >/dev/null; then
        crictl rmi "$reference" >/dev/null
        refuse "$reference: is not $digest, as the manifest promises: it is removed"
    fi
    echo "  $reference  $digest"
done
