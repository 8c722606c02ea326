"""What the keys of a publisher and those of a site make together: the files of public keys."""

from collections.abc import Mapping, Sequence

from kubewright.models.site import SiteKey
from kubewright.signing import keyfile, keyring
from kubewright.signing.public import DEVELOPMENT
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.keys import KeyFiles
from kubewright.site.reader import Present, Reader


def site_keyring(certificates: Sequence[bytes], earlier: bytes | None) -> bytes:
    """Every certificate that users of a site shall trust: that of the key which signs, of the one
    which comes next, and the `earlier` ones that the site has published (None: it has none).
    """
    current, *coming = certificates
    return keyring.merged(current, [*coming, *([earlier] if earlier else [])])


def key_files(keys: Keys, there: Mapping[str, bytes], known: Sequence[SiteKey]) -> KeyFiles:
    """The keys that sign now, before all that the site has; each has a file of its own too.

    A key that is `known` as the next one stays that until another is named, or it signs.
    """
    ring = site_keyring(keys.certificates, there.get(layout.KEYRING))
    pem = keyring.merged_pem(keys.artifact.public_pem, there.get(layout.ARTIFACT_KEY, b""))
    alone = {path: data for path, data in there.items() if path.startswith(layout.KEY_HISTORY)}
    alone[layout.key_history(f"{keys.repo.fingerprint}.asc")] = keys.repo.armored.encode()
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
        alone.setdefault(layout.key_history(f"{name}.asc"), keyring.armored(data).encode())
    for name, key in keyring.artifact_keys(pem, place=layout.ARTIFACT_KEY).items():
        own = alone.get(layout.key_history(f"{name}.pub"), b"")
        marked = key.development or DEVELOPMENT.encode() in own
        role = "current" if name == keys.artifact.key_id else "earlier"
        named.append(SiteKey(kind="ecdsa-p256", id=name, development=marked, role=role))
    return KeyFiles(tuple(named), alone | together, _hint(ring, coming))


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
    digest = present.state.files.get(layout.KEYRING) if present.state else None
    return None if digest is None else reader.content(digest, layout.KEYRING)
