"""What the keys of a publisher and those of a site make together: the files of public keys."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kubewright.models.site import REVOKED, SiteKey
from kubewright.moments import day
from kubewright.signing import forms, keyfile, keyring
from kubewright.signing.public import DEVELOPMENT, RepoPublicKey
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.keys import KeyFiles
from kubewright.site.present import Present
from kubewright.site.reader import Reader

log = logging.getLogger(__name__)

_CUT_OFF = (
    ". dnf, rpm and zypper never learn it: those that know it now refuse what is signed from {} on."
    " Rotate to the next key before then (docs/keys.md)"
)


def site_keyring(certificates: Sequence[bytes], earlier: bytes | None) -> bytes:
    """Every certificate that users of a site shall trust: that of the key which signs, of the one
    which comes next, and the `earlier` ones that the site has published (None: it has none).

    One that the site has in another form goes on from that one.
    """
    known = _known(earlier)
    current, *coming = (_continued(certificate, known) for certificate in certificates)
    return keyring.merged(current, [*coming, *([earlier] if earlier else [])])


def settled(keys: Keys, earlier: bytes | None) -> Keys:
    """A publisher's keys, with certificates that go on from those that the site has published."""
    known = _known(earlier)
    return replace(
        keys,
        repo=forms.as_known(keys.repo, known),
        coming=keys.coming and forms.as_known(keys.coming, known),
        second=keys.second and forms.as_known(keys.second, known),
    )


def settled_key(key: RepoPublicKey, earlier: bytes | None) -> RepoPublicKey:
    """The same of a repository key alone."""
    return forms.as_known(key, _known(earlier))


def tell_of_other_forms(keys: Keys, earlier: bytes | None) -> None:
    """Say what follows for users where a certificate is not as they have learned it."""
    known = _known(earlier)
    for key in filter(None, (keys.repo, keys.coming, keys.second)):
        form = known.get(key.fingerprint)
        new = forms.as_known(key, known)
        if form is None or new.certificate == form:
            continue
        until = keyfile.expires(form)
        log.warning(
            "key %s: its certificate says more than users have learned; the site hands it out, and "
            "apt learns it from kubewright-archive-keyring%s",
            key.fingerprint,
            "" if until is None or until == new.expires else _CUT_OFF.format(day(until)),
        )


def _known(ring: bytes | None) -> dict[str, bytes]:
    return keyring.site_certificates(ring, place=layout.KEYRING) if ring else {}


def _continued(certificate: bytes, known: Mapping[str, bytes]) -> bytes:
    (name,) = keyring.certificates(certificate, place="--repo-key")
    return forms.continued(known[name], certificate) if name in known else certificate


def key_files(keys: Keys, there: Mapping[str, bytes], known: Sequence[SiteKey]) -> KeyFiles:
    """The keys that sign now, before all that the site has; each has a file of its own too.

    A key that is `known` as the next one stays that until another is named, or it signs. One that
    is revoked is handed out no more; its own file stays, by which its revocation can be seen.
    """
    revoked = [key for key in known if key.role == REVOKED]
    gone = {key.id for key in revoked}
    earlier = keyring.without(there.get(layout.KEYRING, b""), gone, place=layout.KEYRING)
    ring = site_keyring(keys.certificates, earlier or None)
    earlier = keyring.pem_without(there.get(layout.ARTIFACT_KEY, b""), gone)
    pem = keyring.merged_pem(keys.artifact.public_pem, earlier)
    alone = {path: data for path, data in there.items() if path.startswith(layout.KEY_HISTORY)}
    alone[layout.key_history(f"{keys.artifact.key_id}.pub")] = keys.artifact.public_pem
    together = {
        layout.KEYRING: ring,
        layout.KEYRING_ARMORED: keyring.armored(ring).encode(),
        layout.ARTIFACT_KEY: pem,
    }
    named = []
    coming = _coming(keys, known)
    for name, data in keyring.certificates(ring, place=layout.KEYRING).items():
        role = {keys.repo.fingerprint: "current", coming: "next"}.get(name, "earlier")
        marked = DEVELOPMENT.encode() in data
        named.append(SiteKey(kind="openpgp", id=name, development=marked, role=role))
        alone[layout.key_history(f"{name}.asc")] = keyring.armored(data).encode()
    for name, key in keyring.artifact_keys(pem, place=layout.ARTIFACT_KEY).items():
        own = alone.get(layout.key_history(f"{name}.pub"), b"")
        marked = key.development or DEVELOPMENT.encode() in own
        role = "current" if name == keys.artifact.key_id else "earlier"
        named.append(SiteKey(kind="ecdsa-p256", id=name, development=marked, role=role))
    return KeyFiles((*named, *revoked), alone | together, _hint(ring, coming))


def _coming(keys: Keys, known: Sequence[SiteKey]) -> str | None:
    """The fingerprint of the repository key that comes next."""
    if keys.coming:
        return keys.coming.fingerprint
    announced = [key.id for key in known if key.role == "next" and key.id != keys.fingerprint]
    return announced[0] if announced else None


def _hint(ring: bytes, coming: str | None) -> str:
    """How a repomd.xml names it."""
    if coming is None:
        return ""
    data = keyring.certificates(ring, place=layout.KEYRING)[coming]
    return keyfile.public(data, place=layout.KEYRING).hint


def published_keyring(reader: Reader, present: Present) -> bytes | None:
    """The OpenPGP keys of a site, binary, as its state names them; None where nothing is."""
    return published_file(reader, present, layout.KEYRING)


def published_file(reader: Reader, present: Present, path: str) -> bytes | None:
    """A file as a site's state names it; None where it names none."""
    digest = present.state.files.get(path) if present.state else None
    return None if digest is None else reader.content(digest, path)
