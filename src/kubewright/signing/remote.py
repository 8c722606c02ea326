"""What keys in tokens and services have in common: they sign digests, and know no certificate."""

from typing import NamedTuple
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kubewright.errors import RequestError
from kubewright.files import expanded
from kubewright.signing import keyfile
from kubewright.signing.signer import Kind


class Place(NamedTuple):
    """What stands after a scheme: `NAME?certificate=FILE`."""

    uri: str
    name: str
    options: dict[str, str]


def place(scheme: str, rest: str, allowed: frozenset[str]) -> Place:
    """Take the rest of a URI apart. Raises RequestError for an option that is not allowed."""
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    uri = f"{scheme}:{rest}"
    for option in options.keys() - allowed:
        known = ", ".join(sorted(allowed))
        raise RequestError(uri, f"no such option: {option}", f"there are: {known}")
    return Place(uri, name, options)


def public_half(where: Place, kind: Kind, der: bytes) -> bytes:
    """How a key is shown: one for artifacts in PEM form, one for repositories by its certificate,
    which is in a file; `rsa` is a key that has none yet, in PEM form.

    Raises RequestError for a key of another kind, and for a certificate of another key.
    """
    key = load_der_public_key(der)
    wanted = ec.EllipticCurvePublicKey if kind == "ecdsa-p256" else rsa.RSAPublicKey
    fits = isinstance(key, wanted) and (
        not isinstance(key, ec.EllipticCurvePublicKey) or isinstance(key.curve, ec.SECP256R1)
    )
    if not fits:
        name = "an ECDSA P-256 key" if kind == "ecdsa-p256" else "an RSA key"
        raise RequestError(where.uri, f"not {name}", "name another key")
    if kind != "openpgp":
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return _certificate(where, key)


def _certificate(where: Place, key: object) -> bytes:
    path = where.options.get("certificate")
    make = f"make it once: kubewright key certify '{where.uri}' FILE, then add ?certificate=FILE"
    if path is None:
        raise RequestError(where.uri, "a repository key needs its certificate", make)
    try:
        data = expanded(path).read_bytes()
    except OSError as error:
        raise RequestError(path, str(error.strerror), make) from error
    public = keyfile.public(data, place=path)
    numbers = key.public_numbers() if isinstance(key, rsa.RSAPublicKey) else None
    if numbers is None or (numbers.n, numbers.e) != (public.key.n, public.key.e):
        raise RequestError(
            path, f"the certificate of another key, {public.fingerprint}", "name the right file"
        )
    return data
