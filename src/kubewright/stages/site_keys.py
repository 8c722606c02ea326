"""What the keys of a publisher and those of a site make together: the files of public keys."""

from collections.abc import Mapping

from kubewright.models.site import SiteKey
from kubewright.signing import keyring
from kubewright.signing.public import DEVELOPMENT
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.keys import KeyFiles
from kubewright.site.reader import Present, Reader


def site_keyring(certificate: bytes, earlier: bytes | None) -> bytes:
    """Every certificate that users of a site shall trust, the current one first.

    `earlier` are those that the site has published, None if it has none.
    """
    return keyring.merged(certificate, [earlier] if earlier else [])


def key_files(keys: Keys, there: Mapping[str, bytes]) -> KeyFiles:
    """The keys that sign now, before all that the site has; each has a file of its own too."""
    ring = site_keyring(keys.repo.certificate, there.get(layout.KEYRING))
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
    for name, data in keyring.certificates(ring, place=layout.KEYRING).items():
        named.append(SiteKey(kind="openpgp", id=name, development=DEVELOPMENT.encode() in data))
    for name, key in keyring.artifact_keys(pem, place=layout.ARTIFACT_KEY).items():
        own = alone.get(layout.key_history(f"{name}.pub"), b"")
        marked = key.development or DEVELOPMENT.encode() in own
        named.append(SiteKey(kind="ecdsa-p256", id=name, development=marked))
    return KeyFiles(tuple(named), alone | together)


def published_keyring(reader: Reader, present: Present) -> bytes | None:
    """The OpenPGP keys of a site, binary, as its state names them; None where nothing is."""
    digest = present.state.files.get(layout.KEYRING) if present.state else None
    return None if digest is None else reader.content(digest, layout.KEYRING)
