"""What the keys of a publisher and those of a site make together: the files of public keys."""

from collections.abc import Mapping

from kubewright.models.site import SiteKey
from kubewright.signing import keyring
from kubewright.signing.marked_keys import is_development, public_keys
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.keys import KeyFiles
from kubewright.site.reader import Present, Reader


def key_files(keys: Keys, there: Mapping[str, bytes]) -> KeyFiles:
    """The keys that sign now, before all that the site has; each has a file of its own too."""
    earlier = there.get(layout.KEYRING)
    ring = keyring.merged(keys.repo.certificate, [earlier] if earlier else [])
    pem = keyring.merged_pem(keys.artifact.public_pem, there.get(layout.ARTIFACT_KEY, b""))
    alone = {path: data for path, data in there.items() if path.startswith(layout.KEY_HISTORY)}
    alone[layout.key_history(f"{keys.repo.fingerprint}.asc")] = keys.repo.armored.encode()
    alone[layout.key_history(f"{keys.artifact.key_id}.pub")] = keys.artifact.public_pem
    together = {
        layout.KEYRING: ring,
        layout.KEYRING_ARMORED: keyring.armored(ring).encode(),
        layout.ARTIFACT_KEY: pem,
    }
    known = {
        "openpgp": (keyring.certificates(ring, place=layout.KEYRING), ".asc"),
        "ecdsa-p256": (public_keys(pem, layout.ARTIFACT_KEY), ".pub"),
    }
    named = []
    for kind, (together_there, ending) in known.items():
        for name, data in together_there.items():
            own = alone.get(layout.key_history(f"{name}{ending}"), b"")
            mark = is_development(data) or is_development(own)
            named.append(SiteKey(kind=kind, id=name, development=mark))
    return KeyFiles(tuple(named), alone | together)


def published_keyring(reader: Reader, present: Present) -> bytes | None:
    """The OpenPGP keys of a site, binary, as its state names them; None where nothing is."""
    digest = present.state.files.get(layout.KEYRING) if present.state else None
    return None if digest is None else reader.content(digest, layout.KEYRING)
