#!/bin/sh
# An example for people who write installers: it installs a node from a site, and verifies before it trusts.
#
# Trust starts with the digest or the fingerprint that you give, and each arrow is a check:
#
#   --root ─► root ─► newest root ─► timestamp ─► snapshot ─► targets ─┐
#             by SHA-256   signatures by openssl, versions, expiry     ├► index ─► manifest.json ─► packages; with
#   --fingerprint ─► key ─► signature by gpgv ─────────────────────────┘  chooses  by SHA-256       --pull, images too
#                                                                         a release                 by size and SHA-256
#
# It reads nothing else of the site: no apt or yum repository, no page. A mirror or a proxy may bring the bytes.
# Needs curl, jq and openssl, which are in packages of these names; with --fingerprint gpgv in place of openssl, which is
# in gpgv for apt-get, gnupg2 for dnf and gpg2 for zypper.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

usage() {
    cat <<'END'
Usage: install.sh --site URL --root SHA256 --channel NAME [OPTION...]
       install.sh --site URL --fingerprint HEX --channel NAME [OPTION...]
Installs the newest release of a channel that is neither withdrawn nor to be avoided.

  --site URL           where the site is served
  --root SHA256        of the site's tuf/1.root.json, or a later root; get it from people you trust, not from the site
  --fingerprint HEX    in its place: of the OpenPGP key that signs the index; from such people, too
  --channel NAME       stable-1.36, or any other that the site has
  --role ROLE          node (default) or control-plane
  --runtime RUNTIME    what runs the containers: containerd (default) or docker
  --release NAME       this release of the channel, even if it is to be avoided: v1.36.4-1
  --not-before WHEN    refuse an index of before that day (2026-11-29) or number; a first run knows of none
  --max-age DAYS       refuse an index that is older
  --url URL            the site's own address, where --site is a copy of it elsewhere [the value of --site]
  --pull               pull the images that kubeadm will use, too, by the manifest's digests
  --dry-run            verify and print what would be installed; changes nothing
  --allow-development  accept a release that a development key has signed
  --state DIR          where the newest seen of each site is remembered [/var/lib/kubewright-installer]

Exit code: 0 done, 1 refused or failed, 2 bad usage.
END
}

refuse() {
    echo "install.sh: $*" >&2
    exit 1
}
misused() { (refuse "$*; see --help") || exit 2; }

# ── Arguments and machine ────────────────────────────────────────────────────────────────────

site='' url='' root='' fingerprint='' channel='' role=node runtime=containerd only=''
not_before='' max_age='' state=/var/lib/kubewright-installer
pull='' dry_run='' allow_development=''
while [ $# -gt 0 ]; do
    option=$1 value=${2-} && shift
    case $option in
        --pull) pull=yes && continue ;;
        --dry-run) dry_run=yes && continue ;;
        --allow-development) allow_development=yes && continue ;;
        --help | -h) usage && exit 0 ;;
        --site) site=${value%/} ;;
        --root) root=$(printf %s "$value" | tr -d ' ' | tr A-F a-f) ;;
        --fingerprint) fingerprint=$(printf %s "$value" | tr -d ' ' | tr a-f A-F) ;;
        --channel) channel=$value ;;
        --role) role=$value ;;
        --runtime) runtime=$value ;;
        --release) only=$value ;;
        --not-before) not_before=$value ;;
        --max-age) max_age=$value ;;
        --url) url=${value%/} ;;
        --state) state=$value ;;
        *) misused "unknown argument $option" ;;
    esac
    [ -n "$value" ] || misused "the value of $option is missing"
    shift
done
case $site/$channel in /* | */) misused "--site and --channel are needed" ;; esac
case ${root:+root}${fingerprint:+fingerprint} in
    '') misused "--root or --fingerprint is needed: it says whom you trust" ;;
    rootfingerprint) misused "--root and --fingerprint: give one of them" ;;
esac
case $root in *[!0-9a-f]*) misused "--root is not hexadecimal: it is the SHA-256 of tuf/1.root.json" ;; esac
[ -z "$root" ] || [ ${#root} -eq 64 ] || misused "--root has ${#root} digits of 64: give the whole of it"
# The last digits of a fingerprint can be forged; only the whole of it names one key.
case $fingerprint in *[!0-9A-F]*) misused "--fingerprint is not hexadecimal" ;; esac
[ -n "$root" ] || [ ${#fingerprint} -ge 40 ] \
    || misused "--fingerprint has ${#fingerprint} digits of 40: give the whole of it"
case $not_before in
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]) ;;
    *[!0-9]* | ??????????*) misused "--not-before $not_before: is no day like 2026-11-29, nor the number of an index" ;;
esac
case $max_age in *[!0-9]* | ??????*) misused "--max-age $max_age: is not a number of days" ;; esac
# Who may answer: nobody in between may lead from https to http, or to a file of this machine.
case $site in https://*) protocols='=https' ;; file://*) protocols='=file' ;; *) protocols='=http,https' ;; esac
packages='kubelet kubeadm kubernetes-cni cri-tools kubernetes-node' images='pause kube-proxy coredns'
static='kube-apiserver kube-controller-manager kube-scheduler etcd'
case $role in
    node) ;; # CoreDNS may run on any
    control-plane) packages="$packages kubectl kubernetes-control-plane" images="$images $static" ;;
    *) misused "--role $role: the roles are node and control-plane" ;;
esac
case $runtime in # ours are for systems whose own do not fit, unless there is one of theirs already
    containerd) adapter='' own=kubernetes-containerd ;;
    docker) adapter=cri-dockerd own='kubernetes-docker kubernetes-containerd' ;;
    *) misused "--runtime $runtime: the runtimes are containerd and docker" ;;
esac
packages="$adapter kubernetes-runtime-$runtime $packages"

verifier=openssl bring='curl jq openssl (dnf, zypper: the same)'
[ -n "$root" ] || verifier=gpgv bring='curl gpgv jq (dnf: gnupg2, zypper: gpg2)'
for program in curl $verifier jq sha256sum; do
    command -v "$program" >/dev/null || refuse "$program is missing: apt-get install $bring"
done
# The system says itself what it is: whose packages it takes, and what the manifest calls it.
# shellcheck source=/dev/null
system=$(ID='' ID_LIKE='' VERSION_ID='' UBUNTU_CODENAME='' DEBIAN_CODENAME='' && . /etc/os-release \
    && echo "${UBUNTU_CODENAME:-$DEBIAN_CODENAME} $ID-$VERSION_ID $ID $ID_LIKE") \
    || refuse "/etc/os-release: cannot be read, so nobody knows whose packages are for this system"
base=${system%% *} system=${system#* } # the codename of what it is made from, where it says one
kin=${system#* } system=${system%% *} format=rpm manager=dnf asked='rpm --eval %{_arch}'
case " $kin " in # its own name comes first, then what it says that it is like
    *' debian '* | *' ubuntu '*) format=deb manager=apt-get asked="dpkg-query -Wf \${Architecture} dpkg" ;;
    *-microos\ * | ' sle-micro'* | ' sl-micro '*) refuse "$system: takes packages by transactional-update alone" ;;
    ' opensuse-tumbleweed '*) manager=zypper system=opensuse-tumbleweed ;;
    ' sles '* | *' suse '* | *' opensuse '*) manager=zypper ;;
    ' amzn '*) system=amazon-${system##*-} ;;
    *' rhel '* | ' ol '* | *' centos '*) system=rhel-${system##*-} system=${system%%.*} ;; # and its rebuilds
    *' fedora '*) ;;
    *) refuse "/etc/os-release: $kin: does not say that it is like Debian, Fedora, RHEL or SUSE; nobody has tried it" ;;
esac
ended='is past the end of its support, so nothing is made for it; upgrade the system first' # recipes/distros.toml: past
case $system in
    amazon-2 | amazon-201* | debian-? | debian-1[01] | fedora-? | fedora-[1-3]? | fedora-4[0-2] | rhel-[1-7] \
        | opensuse-leap-15.* | opensuse-leap-42.* | ubuntu-?.* | ubuntu-1* | ubuntu-2[0135].* | ubuntu-2[24].10)
        refuse "$system: $ended"
        ;;
esac
case $base in
    artful | bionic | bullseye | buster | cosmic | disco | eoan | focal | groovy | hirsute | impish | jessie \
        | kinetic | lucid | lunar | mantic | oracular | plucky | precise | questing | saucy | squeeze | stretch \
        | trusty | utopic | vivid | wheezy | wily | xenial | yakkety | zesty)
        refuse "$system: it is made from $base, which $ended"
        ;;
esac
command -v $manager >/dev/null || refuse "$manager is missing, which installs the packages of $system"
if [ $format = deb ]; then # these are compressed with zstd, which Debian's dpkg reads since 1.21.18, Ubuntu's since 18.04
    reader=$(dpkg-query -Wf "\${Version}" dpkg)
    case $reader in
        *ubuntu*) ;;
        1.?.* | 1.1?.* | 1.20.* | 1.21.? | 1.21.?[!0-9]* | 1.21.1[0-7]*)
            refuse "$system: its dpkg $reader cannot read these packages; upgrade the system first"
            ;;
    esac
fi
arch=$($asked | sed 's/^x86_64$/amd64/; s/^aarch64$/arm64/; s/^ppc64el$/ppc64le/') # 32 bits may run on a kernel of 64
[ -n "$dry_run" ] || [ "$(id -u)" -eq 0 ] || refuse "installing needs root; --dry-run does not"

umask 022 # whatever the caller's is, nobody else may change what is in here
work=$(mktemp -d) code=1
index=$work/index.json manifest=$work/manifest.json published=$site/releases/index.json
trap '[ $? -ne 0 ] || code=0; rm -rf "$work"; exit $code' EXIT && trap 'exit 1' HUP INT TERM
chmod 711 "$work" # apt reads local packages as another user

# ── Files of the site ────────────────────────────────────────────────────────────────────────

# -q comes first: ~/.curlrc could name a proxy, another file to write, or no check of certificates.
ask() {
    curl -q -fsSL --proto "$protocols" --proto-redir "$protocols" --max-redirs 5 \
        --connect-timeout 20 --speed-limit 1000 --speed-time 30 "$1"
}

# A sender may never stop, and curl before 8.4 heeds no limit without Content-Length: head bounds what comes to disk.
get() { # PATH FILE BYTES [once]: a file of the site, or false; one of more bytes is refused
    rm -f "$work/whole"
    for pause in 1 4 ''; do # curl --retry would go on in the pipe after what came before
        { ask "$site/$1" 2>"$work/said" && : >"$work/whole"; } \
            | head -c $(($3 + 1)) >"$2" || return
        [ "$(wc -c <"$2")" -le "$3" ] || refuse "$site/$1: has more than the $3 bytes it may have: do not install it"
        [ ! -e "$work/whole" ] || return 0 # the pipe tells only how head ended
        if [ -n "${4-}" ] && missing; then return 1; fi # others are waited for: a copy may take a moment to come
        [ -z "$pause" ] || sleep "$pause"
    done
    cat "$work/said" >&2
    return 1
}

missing() { # whether the server says that there is no such file, which some say by 403
    grep -q -e '^curl: (22) .*error: 40[34]' -e '^curl: (37) ' "$work/said"
}

fetch() { get "$@" || refuse "$site/$1: cannot be had; check --site"; } # the same, for a file that must be there

vouched() { # FILE PATH SHA256: goes on only if the file has the digest that something signed promises
    printf '%s  %s\n' "$3" "$1" | sha256sum -c >/dev/null 2>&1 \
        || refuse "$site/$2: is not what the signed index and its manifest promise: do not install from there"
}

digest_of() { sha256sum <"$1" | awk '{ print $1 }'; }

copy() { # NUMBER SHA256: where the copy of an index lies that never changes
    echo "publications/index/$1-$(echo "$2" | head -c 16).json"
}

number_of_index() { # sets sequence
    sequence=$(jq -r '.sequence | tostring' "$index" 2>/dev/null) || refuse "$published: not JSON; check --site"
    case $sequence in *[!0-9]* | '' | ??????????*) refuse "$published: has no number; check --site" ;; esac
}

# ── From the fingerprint to the index ────────────────────────────────────────────────────────

# gpgv's exit code is no verdict: it is 0 for expired and revoked keys, and 2 where a good signature stands beside that
# of an unknown key, as while keys change. So its status lines decide, signature by signature: GOODSIG is said of no
# expired or revoked key, and VALIDSIG, which is, ends with the primary key's fingerprint. Hashes are SHA-2 (8, 9, 10).
signer() { # KEYS SIGNATURE FILE: prints who signed, the trusted key first, if there is one block and none is forged
    [ "$(grep -c '^-----BEGIN' "$2")" -eq 1 ] || return 0
    gpgv --homedir "$work" --weak-digest SHA1 --status-fd 1 --keyring "$1" "$2" "$3" 2>/dev/null \
        | awk -v trusted="$fingerprint" '
            BEGIN { who = ""; trusted = trusted "" } # texts, not numbers
            $1 != "[GNUPG:]" { next }
            $2 ~ /^(NEWSIG|GOODSIG|BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG)$/ { good = $2 == "GOODSIG" }
            $2 == "BADSIG" { forged = 1 }
            $2 == "VALIDSIG" && good && $10 ~ /^(8|9|10)$/ && $11 == "00" && who != trusted { who = $NF "" }
            END { if (!forged && who != "") print who }'
}

revoked() { # whether the index, whoever signed it, calls the key that you trust revoked
    jq -e --arg key "$fingerprint" '.revoked | index($key)' "$index" >/dev/null 2>&1
}

index_by_fingerprint() { # sets sequence, digest and who
    fetch keys/kubewright.gpg "$work/keys.gpg" 1000000
    fetch releases/index.json "$index" 50000000
    number_of_index
    # The index is the copy of its number and digest, which never changes and has the signature; that is there first.
    digest=$(digest_of "$index")
    get "$(copy "$sequence" "$digest").asc" "$index.asc" 100000 \
        || refuse "$published: has no signature, so it was changed: do not install from there"
    who=$(signer "$work/keys.gpg" "$index.asc" "$index")
    [ "$who" = "$fingerprint" ] || ! revoked || refuse "$published: it says that the key that you trust," \
        "$fingerprint, was revoked: ask people whom you trust for the fingerprint of the one that follows"
    [ -n "$who" ] || refuse "$published: its signature is not good: do not install from there"
    [ "$who" = "$fingerprint" ] || refuse "$published: signed by $who, not by the key that you trust"
}

# ── From the root to the index ───────────────────────────────────────────────────────────────

# The files in tuf/ are metadata of The Update Framework (theupdateframework.github.io). Keys sign the canonical text of
# what stands under "signed": names in order, no spaces, and no escapes but of \ and ": a line may break within a text.
# shellcheck disable=SC2016 # the variables are jq's
canonical='def text: "\"", (split("\\") | join("\\\\") | split("\"") | join("\\\"")), "\"";
    def canonical: . as $whole | if type == "object"
        then "{", (keys as $names | range(length) | (select(. > 0) | ","),
            ($names[.] as $name | ($name | text), ":", ($whole[$name] | canonical))), "}"
        elif type == "array" then "[", (range(length) | (select(. > 0) | ","), ($whole[.] | canonical)), "]"
        elif type == "string" then text else tojson end;'
checks='def counts: type == "number" and . >= 1 and . < 1000000000 and . == floor;
    def digest: type == "string" and test("^[0-9a-f]{64}$");'
line='def line: tostring | split("\n") | join("\\n");' # a text of several lines becomes one
# shellcheck disable=SC2016 # the variables are jq's
expiry='(now | strftime("%Y-%m-%dT%H:%M:%SZ")) as $present | .expires
    | if type == "string" and test("^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$") | not
        then "signed, but does not say when it expires" elif . > $present then ""
        else "expired at \(.), and it is \($present) here: the site is held back, or nobody has refreshed it" end'

bytes() { # HEX: prints the bytes; in POSIX printf makes them of octal numbers alone
    printf %b "$(echo "$1" | awk '{
        for (i = 1; i < length($0); i += 2) {
            high = index("0123456789abcdef", substr($0, i, 1)) - 1
            printf "\\0%03o", 16 * high + index("0123456789abcdef", substr($0, i + 1, 1)) - 1
        } }')"
}

# Each key counts once, whatever stands beside. What was signed is left in $work/signed.
signed_by() { # ROOT ROLE FILE: whether as many of the keys have signed a file as a root wants for the role
    jq -jen --slurpfile roots "$1" --arg role "$2" "$canonical$checks"'[inputs] | select(length == 1)[0]
        | .signatures as $signatures | .signed as $signed | $roots[0].signed as $root
        | $root.roles[$role] | (.threshold | select(counts) | floor, "\n"), (.keyids | unique[] as $id
            | first($signatures[] | select(.keyid == $id)).sig
            | select(type == "string" and length < 200 and test("^([0-9a-f]{2})+$")) as $signature
            | $root.keys[$id] | select(.scheme == "ecdsa-sha2-nistp256").keyval.public | split("\n") | join("|")
            | "\($signature) \(.)\n"), "\n", ($signed | canonical)' "$3" >"$work/both" 2>/dev/null || return 1
    {
        read -r threshold || return 1
        while read -r pair && [ -n "$pair" ]; do printf '%s\n' "$pair"; done >"$work/pairs"
        cat >"$work/signed"
    } <"$work/both"
    case $threshold in *[!0-9]* | '') return 1 ;; esac
    good=0
    while read -r signature key; do
        bytes "$signature" >"$work/signature"
        printf %s "$key" | tr '|' '\n' >"$work/key.pem"
        ! openssl dgst -sha256 -verify "$work/key.pem" -signature "$work/signature" "$work/signed" >/dev/null 2>&1 \
            || good=$((good + 1))
    done <"$work/pairs"
    [ "$good" -ge "$threshold" ]
}

trusted() { # FILE PATH ROLE [VERSION]: goes on only if the file is the role's, and signed as the newest root wants it
    signed_by "$work/root.json" "$3" "$1" || refuse "$site/$2: not signed by the keys that root $newest names for" \
        "the role $3: do not install from there"
    jq -er --arg role "$3" "$checks"'.signed | select(._type == $role and (.version | counts))
            | select(.spec_version | startswith("1.")) | "\(.version | floor) \('"$expiry"')"' \
        "$1" >"$work/named" 2>/dev/null || refuse "$site/$2: signed, but no $3 of a version that this program knows"
    read -r version expired <"$work/named"
    [ "$version" -eq "${4:-$version}" ] || refuse "$site/$2: signed, but version $version"
    echo "$3 $version $(digest_of "$work/signed")" >>"$work/versions"
}

alive() { # PATH: goes on only if the file, the last that was found to be trusted, has not expired
    [ -z "$expired" ] || refuse "$site/$1: $expired"
}

# It fails where the second does not say how many keys sign a role.
changed() { # FILE FILE: prints the roles that others may sign by the second root than by the first
    jq -nr --slurpfile before "$1" --slurpfile after "$2" "$checks"'
        def holders($role): try (.[0].signed | .keys as $keys | .roles[$role] | [., (.keyids | unique | map($keys[.]))])
            catch null;
        if [$after[0].signed.roles["root", "timestamp", "snapshot", "targets"].threshold | counts] | all
        then "timestamp", "snapshot", "targets" else error("no threshold") end
        | . as $role | select(($before | holders($role)) != ($after | holders($role)))'
}

next_root() { # the root in $work/next.json becomes the newest, if the one before wants it, and it itself
    path=tuf/$number.root.json
    trusted "$work/next.json" "$path" root "$number"
    changed "$work/root.json" "$work/next.json" >"$work/changed" 2>/dev/null \
        || refuse "$site/$path: signed, but does not say how many keys sign a role"
    signed_by "$work/next.json" root "$work/next.json" \
        || refuse "$site/$path: not signed by the keys that it names itself: do not install from there"
    while read -r part; do echo "$number" >"$work/$part.since"; done <"$work/changed"
    mv "$work/next.json" "$work/root.json"
    newest=$number
}

newest_root() { # finds the root that you trust, and follows it to the newest
    number=0 newest=''
    while [ $number -lt 64 ]; do
        path=tuf/$((number + 1)).root.json
        get "$path" "$work/next.json" 512000 once || {
            missing || refuse "$site/$path: cannot be had, and nobody can tell whether there is one"
            break
        }
        number=$((number + 1))
        if [ -z "$newest" ] && [ "$(digest_of "$work/next.json")" = "$root" ]; then
            newest=$number
            cat "$work/next.json" >"$work/root.json"
            for part in root timestamp snapshot targets; do echo "$number" >"$work/$part.since"; done
        fi
        [ -z "$newest" ] || next_root
    done
    [ $number -gt 0 ] || refuse "$site/$path: not there; check --site. A site from before there were roots is checked" \
        "by --fingerprint"
    [ -n "$newest" ] || refuse "$site/tuf: none of its $number roots has the SHA-256 of --root: it is another site's," \
        "or was changed: do not install from there"
    [ $number -lt 64 ] || refuse "$site/tuf: has 64 roots or more, which no site needs: do not install from there"
    alive "tuf/$newest.root.json"
}

promised() { # FILE PATH SIZE SHA256: goes on only if the file is the one that metadata names
    [ "$(wc -c <"$1") $(digest_of "$1")" = "$3 $4" ] \
        || refuse "$site/$2: is not what the signed metadata promises: do not install from there"
}

follow() { # ROLE NEXT BYTES: gets the file of the next role, which that of a role names
    jq -er --arg next "$2.json" --arg most "$3" "$checks"'.signed.meta[$next]
        | select((.version | counts) and (.length | counts) and (.hashes.sha256 | digest))
        | select(.length <= ($most | tonumber))
        | "\(.version | floor) \(.length | floor) \(.hashes.sha256)"' "$work/$1.json" >"$work/named" 2>/dev/null \
        || refuse "$site/tuf: its $1 names no $2 of at most $3 bytes"
    read -r version size digest <"$work/named"
    path=tuf/$version.$2.json
    get "$path" "$work/$2.json" "$size" || refuse "$site/$path: cannot be had, but the signed $1 names it;" \
        "tell the people who run the site"
    promised "$work/$2.json" "$path" "$size" "$digest"
    trusted "$work/$2.json" "$path" "$2" "$version"
    alive "$path"
}

index_by_root() { # sets sequence, digest, who and published
    newest_root
    fetch tuf/timestamp.json "$work/timestamp.json" 16384
    trusted "$work/timestamp.json" tuf/timestamp.json timestamp
    alive tuf/timestamp.json
    follow timestamp snapshot 2000000
    follow snapshot targets 5000000
    # Not releases/index.json, which is another while somebody publishes: its copy never changes.
    jq -er "$checks"'[.signed.targets | to_entries[] | select(.key | startswith("publications/index/"))]
        | select(length == 1)[0] | select(.key | test("^publications/index/[0-9]{1,9}-[0-9a-f]{16}[.]json$"))
        | .key as $path | .value | select((.length | counts) and .length <= 50000000 and (.hashes.sha256 | digest))
        | "\(.length | floor) \(.hashes.sha256) \($path)"' "$work/targets.json" >"$work/named" 2>/dev/null \
        || refuse "$site/$path: signed, but does not name one index"
    read -r size digest path <"$work/named"
    published=$site/$path who="the keys that root $newest names"
    fetch "$path" "$index" "$size"
    promised "$index" "$path" "$size" "$digest"
    number_of_index
}

# ── From the index to the manifest ───────────────────────────────────────────────────────────

if [ -n "$root" ]; then index_by_root; else index_by_fingerprint; fi
# The same keys sign other documents, which must not pass for an index. They may sign for other sites, too, such as a
# staging site: each has an id, and says where it is served.
jq -er "$line"'select(.header.type == "kubewright.index" and .header.version == "1")
    | "\(.issued | strftime("%Y-%m-%d")) \((now - .issued) / 86400 | floor)", (.site // "", .url // "" | line)' \
    "$index" >"$work/named" || refuse "$published: signed, but no index of a version that this program knows"
{ read -r issued age && IFS='' read -r id && IFS='' read -r address; } <"$work/named"
case $id in
    '') id=$fingerprint ;; # of a site from before there were ids
    *[!0-9a-f]* | ?????????????????????????????????*) refuse "$published: signed, but $id is no id of a site" ;;
esac
[ -z "$root" ] \
    || jq -e --arg id "$id" '.signed.kubewright.site == $id and $id != ""' "$work/snapshot.json" >/dev/null 2>&1 \
    || refuse "$published: is of the site $id, but the snapshot that leads to it is not"
[ -z "$address" ] || [ "${address%/}" = "${url:-$site}" ] \
    || refuse "$published: is of the site at $address, not at ${url:-$site}; if this is meant to be a copy of that" \
        "site, give --url $address"

# A signature does not age: whoever can change what is served could bring back an index from before a fix.
case $not_before in
    *-*) present=$(echo "$issued" | tr -d -) least=$(echo "$not_before" | tr -d -) ;;
    *) present=$sequence least=${not_before:-0} ;;
esac
[ "$present" -ge "$least" ] || refuse "$published: is number $sequence of $issued, before $not_before"
[ -z "$max_age" ] || [ "$age" -le "$max_age" ] \
    || refuse "$published: is number $sequence of $issued, $age days old: the site is held back, or nobody publishes"

remembered=$state/$id former=${fingerprint:-$id} # what a site was remembered by before it had an id
lies=$state/at-$(printf %s "${url:-$site}" | sha256sum | head -c 16) # which site was at this address
if [ -e "$lies" ]; then
    before=$(cat "$lies")
    if [ "$before" = "$former" ]; then before=$id; fi
    [ "$before" = "$id" ] || refuse "$published: is of the site $id, but site $before was here before." \
        "If you know why, remove $lies"
fi
# Of the metadata nothing older may come back. But whoever has stolen a key may have signed the highest version of
# all, so that of a role counts only for as long as its keys were the same.
versions=$state/$id.tuf
if [ -n "$root" ] && [ -e "$versions" ]; then
    awk 'BEGIN { split("root timestamp snapshot targets", part) }
        NF != 3 || $1 != part[NR] || length($2) > 9 || length($3) != 64 { next }
        $2 ~ /^[0-9]+$/ && $3 ~ /^[0-9a-f]+$/ { good++ }
        END { exit !(good == 4 && NR == 4) }' "$versions" || refuse "$versions: damaged; remove it"
    while read -r part seen known; do
        [ "$part" != root ] || last=$seen
        [ "$last" -ge "$(cat "$work/$part.since")" ] || continue
        version=$(sed -n "s/^$part \([0-9]*\) .*/\1/p" "$work/versions" | sed -n '$p')
        [ "$version" -ge "$seen" ] || refuse "$site/tuf: its $part has version $version, but version $seen was seen:" \
            "somebody put an old one back. If you know why, remove $versions"
        if [ "$version" -eq "$seen" ] || [ "$part" = root ]; then
            grep -qx "$part $seen $known" "$work/versions" || refuse "$site/tuf: its $part of version $seen is not" \
                "the one that was seen: the site is forked. If you know why, remove $versions"
        fi
    done <"$versions"
fi
if [ ! -e "$remembered" ] && [ -e "$state/$former" ]; then remembered=$state/$former; fi
if [ -e "$remembered" ]; then
    seen=$(awk 'NR == 1 && NF == 2 && $1 ~ /^[0-9]+$/ && length($1) < 10 && $2 ~ /^[0-9a-f]+$/ && length($2) == 64 {
        good = 1; words = $1 " " $2 } END { if (good && NR == 1) print words }' "$remembered")
    [ -n "$seen" ] || refuse "$remembered: damaged; remove it and give --not-before once"
    known=${seen#* } seen=${seen% *}
    [ "$sequence" -ge "$seen" ] || refuse "$published: is number $sequence of $issued, but number $seen was seen:" \
        "somebody put an old one back. If you know why, remove $remembered"
    # Each index names the one before by its digest. So the one that was seen must be among those before the new one,
    # else the site has two histories: the keys have signed on a site that was put back.
    number=$sequence parent=$digest step=$index
    while [ "$number" -gt "$seen" ]; do
        number=$((number - 1)) parent=$(jq -r '.parent // "none" | tostring' "$step") step=$work/step.json
        case $parent in *[!0-9a-f]*) parent='' ;; esac
        [ ${#parent} -eq 64 ] || refuse "$published: has no history back to number $seen, which was seen: it is forked"
        [ "$number" -ne "$seen" ] || break
        older=$(copy "$number" "$parent")
        get "$older" "$step" 50000000 || refuse "$site/$older: cannot be had, so nobody can tell whether number" \
            "$sequence follows number $seen, which was seen; a site keeps it. If you know why not, remove $remembered"
        vouched "$step" "$older" "$parent"
    done
    [ "$parent" = "$known" ] || refuse "$published: its number $seen is not the one that was seen: the site is forked." \
        "If you know why, remove $remembered"
elif [ -z "$not_before" ]; then
    echo "install.sh: number $sequence of $issued is the first index seen here; if that is old, do not go on" >&2
fi
keep() { # FILE TEXT: the file has the text after a crash, or what it had before
    echo "$2" >"$1.new"
    sync "$1.new" # else a crash could leave the new name with nothing in it
    mv "$1.new" "$1"
}
if [ -z "$dry_run" ]; then
    mkdir -p "$state"
    keep "$state/$id" "$sequence $digest"
    [ -z "$root" ] || keep "$versions" "$(sed -n "/^root $newest /p; /^root /d; p" "$work/versions")"
    keep "$lies" "$id"
fi

# The index lists the newest first. After a rollback of the channel, what it went back from is in it no more.
jq -er --arg channel "$channel" --arg only "$only" "$line"'first(.releases[]
        | select(any(.channels[]; . == $channel))
        | select(if $only == "" then .avoid == null and .status != "yanked" else .name == $only end))
    | ([.name, .status, .development, .manifest_url, .manifest_sha256 | tostring] | join(" ")),
        .avoid // "", .reason // "" | line' "$index" >"$work/named" \
    || refuse "channel $channel: no ${only:-advisable release that is not withdrawn}; channels are:" \
        "$(jq -r '[.releases[].channels[]] | unique | join(", ")' "$index")"
{ read -r name status development path digest && read -r avoid && read -r reason; } <"$work/named"
[ -z "$avoid" ] || echo "install.sh: $name: to be avoided: $avoid" >&2
[ "$status" != yanked ] || echo "install.sh: $name: withdrawn: $reason" >&2
[ "$development" = false ] || [ -n "$allow_development" ] \
    || refuse "$name: signed by a development key, which anybody could have made; --allow-development accepts it"
fetch "$path" "$manifest" 50000000
vouched "$manifest" "$path" "$digest"

# ── What to install ──────────────────────────────────────────────────────────────────────────

installed() { # NAME: prints the version of a package, or nothing
    case $format in
        deb) dpkg-query --show --showformat "\${db:Status-Status} \${Version}" "$1" ;;
        rpm) rpm --query --queryformat 'installed %{VERSION}' "$1" ;;
    esac 2>/dev/null | sed -n 's/^installed //p'
}

# The manifest says which distribution's own runtime fits. Elsewhere ours is at hand: apt takes it if nothing else meets
# the dependencies, but dnf and zypper take whatever they are given.
jq -r --arg own "$system $runtime distribution" '(.release.kubernetes | split(".")[:2] | join(".")),
    (first(.requirements.distributions[]
        | select(.fits and "\(.distribution) \(.family) \(.repository)" == $own)).package // ""),
    (first(.images[].reference | select(test("kube-apiserver:"))) // "" | .[:rindex("/")])' "$manifest" >"$work/named"
{ read -r minor && read -r fits && read -r repository; } <"$work/named"
kubelet=$(installed kubelet) ours=''
case ${kubelet:-$minor.} in
    "$minor".*) ;;
    *) refuse "$name: kubelet $kubelet is of another minor, and not the first to be upgraded: docs/upgrade.md" ;;
esac
for package in $own; do
    case $format$package in
        deb*) there='' ;;
        *-containerd) there=$(installed containerd)$(installed containerd.io) ;;
        *) there=$(installed docker)$(installed docker-ce)$(installed moby-engine) ;;
    esac
    # What an earlier run has installed is kept up to date.
    if [ -z "$fits$there" ] || [ -n "$(installed "$package")" ]; then ours="$ours $package"; fi
done
jq -r --arg names "$packages $ours" --arg format "$format" --arg arch "$arch" \
    '.packages as $all | ($names | split(" ")[] | select(. != "")) as $package
     | first(($all[] | select(.package == $package and .format == $format and (.arch == $arch or .arch == "all"))
         | "\(.package) \(.size) \(.sha256) \(.url)"), "\($package) none")' "$manifest" >"$work/wanted"
package=$(sed -n 's/ none$//p' "$work/wanted" | sed 1q)
[ -z "$package" ] || refuse "$name: has no $format of $package for $arch; it is for" \
    "$(jq -r '[.packages[].arch] - ["all"] | unique | join(", ")' "$manifest")"

echo "$name for $role on $system $arch, from index number $sequence of $issued, signed by $who:"
while read -r package size digest url; do
    echo "  ${url##*/}  $size bytes  sha256:$digest"
    [ -z "$dry_run" ] || continue
    file=$work/${url##*/}
    fetch "$url" "$file" "$size"
    vouched "$file" "$url" "$digest"
    case "$format $own " in deb*" $package "*) [ -n "$(installed "$package")" ] || set -- "$@" --with-source ;; esac
    set -- "$@" "$file"
done <"$work/wanted"
[ "$format" = rpm ] || [ -z "$ours" ] || echo "Of these, apt-get takes$ours only where nothing else fits."
[ -z "$repository" ] || echo "imageRepository: $repository"
[ -n "$pull" ] && [ -z "$dry_run" ] || echo "Images come by tag when kubeadm pulls them; --pull takes the manifest's."
[ -z "$dry_run" ] || exit 0

# ── Install ──────────────────────────────────────────────────────────────────────────────────

# Only now does anything change. The distribution brings what the packages need besides; files that people have changed
# stay. Nothing is removed but what another containerd replaces: apt-get is asked first, dnf and zypper remove nothing.
case $manager in
    apt-get)
        set -- -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 -y "$@"
        apt-get update || refuse "apt-get failed; it says above why"
        apt-get --simulate install "$@" 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' >"$work/removed"
        ! grep -vx -e containerd -e containerd.io -e runc "$work/removed" \
            || refuse "apt-get would remove these packages: remove them yourself, or see --runtime"
        sed 's/$/ is removed: another containerd takes its place/' "$work/removed"
        [ -s "$work/removed" ] || set -- --no-remove "$@"
        apt-get install "$@"
        ;;
    dnf) dnf install --assumeyes "$@" ;;
    zypper) zypper --non-interactive --no-gpg-checks install "$@" ;; # each file is what the signed manifest promises
esac || refuse "$manager failed; it says above why"

# kubeadm asks for tags, and whoever has the registry can move a tag. What is there already it does not pull again.
[ -n "$pull" ] || exit 0
puller='crictl --runtime-endpoint unix:///run/containerd/containerd.sock pull'
tagger='ctr --namespace k8s.io images tag --force'
[ "$runtime" = containerd ] || puller='docker pull' tagger='docker tag'
for image in $images; do
    jq -er --arg image "$image" 'first(.images[] | select(.name == $image)) | "\(.reference) \(.index)"' "$manifest" \
        >"$work/image" || refuse "$name: has no image $image"
    read -r reference digest <"$work/image"
    exact=${reference%:*}@$digest
    $puller "$exact" >/dev/null || refuse "$exact: cannot be pulled; ${puller%% *} says above why"
    $tagger "$exact" "$reference" >/dev/null || refuse "$exact: cannot be tagged; ${tagger%% *} says above why"
    echo "  $reference  $digest"
done
