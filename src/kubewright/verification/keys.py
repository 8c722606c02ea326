"""Checks the public keys of a site against each other and against those that the caller trusts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.signing import forms, keyring
from kubewright.signing import verify as signatures
from kubewright.signing.public import DEVELOPMENT
from kubewright.site import layout
from kubewright.verification import roots, vouched
from kubewright.verification.report import Tally
from kubewright.verification.source import Source

FIRST_USE = (
    "no key is given, so the site's own are believed: that finds damage, but not an impostor; pass"
    " the keys that you trust with --key"
)

OTHERWISE = (
    "is not the certificate that was given: it has a subkey, a name or a signature more; do not"
    " install it, or ask the owner and pass the new one with --key"
)

Known = Mapping[str, bytes]
"""Public keys by fingerprint (OpenPGP) or id (ECDSA), in the order of their file."""

Reader = Callable[[bytes, str], dict[str, bytes]]
"""Takes a file of keys apart; the second argument is its place."""


@dataclass(frozen=True)
class Keys:
    """Whose signatures count, and what the site says of its keys."""

    certificates: tuple[bytes, ...]
    artifact_keys: bytes
    """ECDSA keys, PEM blocks one after the other."""
    on_site: frozenset[str]
    """Fingerprints and ids of every key that the site has."""
    held: tuple[bytes, ...]
    """The OpenPGP certificates that the site has."""
    current: str | None
    """The fingerprint of the key that signs the site now, where it can be told."""
    development: frozenset[str]
    root: bytes | None = None
    """The root that the caller trusts, TUF metadata."""

    @property
    def names(self) -> tuple[str, ...]:
        """Whom this verification believes."""
        public = (
            signatures.public_keys(self.artifact_keys, place=layout.ARTIFACT_KEY)
            if self.artifact_keys
            else ()
        )
        return (
            *(f"OpenPGP {name}" for name in signatures.fingerprints(self.certificates)),
            *(f"ECDSA {name}" for name in public),
        )


def check(source: Source, tally: Tally, given: Sequence[bytes]) -> Keys:
    """Read every key of the site. Where the caller gave keys of a kind, only those count, and those
    that a state names which one of them has signed: the next ones, and earlier ones.

    A root counts for the keys that it, or one that follows it, lets sign documents. Raises
    RequestError for a given key that is none.
    """
    root = next(filter(roots.is_root, given), None)
    trusted_certificates, trusted_keys = sort_out([one for one in given if not roots.is_root(one)])
    trusted_keys |= roots.signers(source, root) if root else {}
    binary = _file(source, tally, layout.KEYRING, _binary)
    armored = _file(source, tally, layout.KEYRING_ARMORED, certificates)
    public = _file(source, tally, layout.ARTIFACT_KEY, public_keys)
    ring = _both(tally, binary, armored)
    _alone(source, tally, ring, ".asc", certificates)
    _alone(source, tally, public, ".pub", public_keys)
    believed = _widened(trusted_certificates, binary)
    named = vouched.files_of(source, believed, trusted_keys)
    if trusted_certificates and _is_named(source, layout.KEYRING, named):
        believed = trusted_certificates = binary | _joined(believed, binary)
    if trusted_keys and _is_named(source, layout.ARTIFACT_KEY, named):
        trusted_keys = public | trusted_keys
    _only_trusted(tally, layout.KEYRING, binary, trusted_certificates)
    _only_trusted(tally, layout.KEYRING_ARMORED, armored, trusted_certificates)
    _only_trusted(tally, layout.ARTIFACT_KEY, public, trusted_keys)
    if not given:
        tally.warnings.append(FIRST_USE)
    elif not (trusted_certificates and trusted_keys):
        tally.warnings.append(_missing_kind("ECDSA" if trusted_certificates else "OpenPGP"))
    return Keys(
        certificates=tuple((believed or ring).values()),
        artifact_keys=b"".join((trusted_keys or public).values()),
        on_site=frozenset([*ring, *public]),
        held=tuple(ring.values()),
        current=next(chain(binary, armored), None),
        development=frozenset(
            name for name, data in (ring | public).items() if is_development(data)
        ),
        root=root,
    )


def _widened(given: Known, there: Known) -> dict[str, bytes]:
    """The certificates given, with what their own keys had said before: what a key signed when its
    certificate had not yet the form that was given is its own all the same.
    """
    around = b"".join(data for name, data in there.items() if name in given)
    wider = forms.widened([*given.values()], around)
    return dict(zip(given, wider, strict=True))


def _joined(given: Known, there: Known) -> dict[str, bytes]:
    """The certificates given, with all that their own keys have said on the site, in a keyring that
    they vouch for.
    """
    found = dict(given)
    for name in given.keys() & there.keys():
        with suppress(RequestError):
            found[name] = forms.joined(given[name], there[name])
    return found


def _is_named(source: Source, path: str, named: Mapping[str, str]) -> bool:
    """Whether a file of the site is the one that a state names."""
    with suppress(VerificationFailed):
        return named.get(path) == files.sha256(source.read(path) or b"")
    return False


def _both(tally: Tally, binary: Known, armored: Known) -> dict[str, bytes]:
    """The certificates of both forms of the keyring, which must be the same."""
    if binary and armored:
        same = dict(binary) == dict(armored) and next(iter(binary)) == next(iter(armored))
        problem = f"holds other keys than {layout.KEYRING}; run `kubewright repair`"
        tally.require(layout.KEYRING_ARMORED, same, problem)
    return {**armored, **binary}


def _missing_kind(kind: str) -> str:
    """What to say to somebody who gave no key of a kind."""
    place = layout.ARTIFACT_KEY if kind == "ECDSA" else layout.KEYRING
    return (
        f"no {kind} key is given: those in {place} are believed, because the site's state names"
        " them, which the given key has signed"
    )


def lifetimes(tally: Tally, keys: Keys, now: int) -> None:
    """No key of the site is revoked, and the one that signs has not expired: clients refuse them.

    An earlier key that has expired is only said: what it signed before then stays good.
    """
    seen = set()
    for certificate in (*keys.certificates, *keys.held):
        for said in signatures.lifetimes([certificate], now=now):
            if said.problem in seen:
                continue
            seen.add(said.problem)
            signs = keys.current in (None, said.fingerprint)
            if said.ended and (signs or (said.revoked and said.fingerprint in keys.on_site)):
                remedy = "apt, dnf and installers refuse it; sign with another key (docs/keys.md)"
                tally.require(layout.KEYRING, False, f"{said.problem}: {remedy}")
            else:
                tally.warnings.append(said.problem)


def sort_out(
    given: Sequence[bytes], option: str = "--key"
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The OpenPGP certificates and the ECDSA keys among the files that the caller trusts."""
    found: tuple[dict[str, bytes], dict[str, bytes]] = {}, {}
    for number, data in enumerate(given, 1):
        place = f"{option} {number}"
        pem = b"-----BEGIN PUBLIC KEY-----" in data
        try:
            held = public_keys(data, place) if pem else keyring.certificates(data, place=place)
        except VerificationFailed as error:
            raise RequestError(
                place, "not a public key, OpenPGP or PEM", "export it again"
            ) from error
        if not held:
            raise RequestError(place, "holds no public key", "export it again")
        for name, key in held.items():
            other = None if pem else found[pem].get(name)
            found[pem][name] = forms.merged(other, key) if other else key
    return found


def certificates(data: bytes, place: str) -> dict[str, bytes]:
    """The certificates of an armored keyring, exactly as sites have them. Raises
    VerificationFailed.
    """
    return keyring.armored_certificates(data, place=place)


def public_keys(data: bytes, place: str) -> dict[str, bytes]:
    """The ECDSA keys of a PEM file by their ids, each with the line that marks it as a development
    key.
    """
    rest = signatures.PEM.sub(b"", data).replace(DEVELOPMENT.encode(), b"")
    if rest.strip():
        raise VerificationFailed(place, "not just public keys in PEM form", REMEDY)
    found = {}
    for block in signatures.PEM.finditer(data):
        (name,) = signatures.public_keys(block[0], place=place)
        marked = data[: block.start()].endswith(f"{DEVELOPMENT}\n".encode())
        found[name] = (f"{DEVELOPMENT}\n".encode() if marked else b"") + block[0].rstrip() + b"\n"
    return found


def is_development(key: bytes) -> bool:
    """Whether a key says of itself that nobody should trust it."""
    return DEVELOPMENT.encode() in key


def _binary(data: bytes, place: str) -> dict[str, bytes]:
    if data.startswith(b"-----"):
        raise VerificationFailed(
            place, "armored, but apt reads only binary keys by this name", "run `kubewright repair`"
        )
    return keyring.site_certificates(data, place=place)


def _file(source: Source, tally: Tally, place: str, reader: Reader) -> dict[str, bytes]:
    """The keys in a file of the site; none if it cannot be read, which is a finding."""
    with tally.check(place):
        data = source.read(place)
        if data is None:
            raise VerificationFailed(place, "missing", REMEDY)
        found = reader(data, place)
        if not found:
            raise VerificationFailed(place, "holds no public key", REMEDY)
        return found
    return {}


def _alone(source: Source, tally: Tally, held: Known, ending: str, reader: Reader) -> None:
    """Each key has a file of its own, which holds it and nothing else."""
    for name, key in held.items():
        place = layout.key_history(f"{name}{ending}")
        found = _file(source, tally, place, reader)
        same = list(found) == [name] and (ending == ".pub" or found[name] == key)
        if found:
            tally.require(
                place, same, "does not hold this key, or another one too; run `kubewright repair`"
            )


def _only_trusted(tally: Tally, place: str, held: Known, trusted: Known) -> None:
    if trusted:
        for name, key in held.items():
            known = tally.require(
                place,
                name in trusted,
                f"holds {name}, which is none of the keys given;"
                " do not install it, or pass it with --key too",
            )
            if known and place != layout.ARTIFACT_KEY:  # its keys are called after all their bytes
                same = signatures.is_part(key, trusted[name])
                tally.require(place, same, f"its {name} {OTHERWISE}")
