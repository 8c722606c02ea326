"""Keyless signatures, as sigstore makes them: a certificate of ten minutes says who signed. Checked
without a network, against certificates that recipes pin.

Sources: Fulcio's certificate specification (object identifiers 1.3.6.1.4.1.57264.1), RFC 5280.
Whether the certificate was valid when it signed only a log could say, which is not asked: who got
hold of its key, which its owner throws away, could sign later too.
"""

import base64
import binascii
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from kubewright.errors import VerificationFailed

_ISSUERS = (
    (ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c"),
    (ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), b""),
)
"""Where it says who vouched for the signer: today as a UTF8String in DER, before that bare."""

_REMEDY = "do not use these bytes, unless upstream says that its signature is wrong"


class Refused(ValueError):
    """Why a signature does not count."""


def check(
    sha256: str, signature: bytes, certificate: bytes, authorities: bytes,
    *, identity: str, issuer: str, place: str,
) -> None:  # fmt: skip
    """Check that `identity`, whom `issuer` vouches for, has signed the file with a digest.

    `signature` is base64, `certificate` PEM or base64 of that, `authorities` the PEM of roots and
    of what is between. Raises VerificationFailed that names the place.
    """
    try:
        leaf = _certificate(certificate)
        _chain(leaf, x509.load_pem_x509_certificates(authorities))
        _who(leaf, identity, issuer)
        key = leaf.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused("its key is not an elliptic curve's")
        raw = base64.b64decode(signature.strip(), validate=True)
        key.verify(raw, bytes.fromhex(sha256), ec.ECDSA(utils.Prehashed(SHA256())))
    except InvalidSignature as error:
        problem = f"not a signature over the file with the SHA-256 {sha256}"
        raise VerificationFailed(place, problem, _REMEDY) from error
    except (ValueError, binascii.Error) as error:
        problem = f"a signature that does not count: {error}"
        raise VerificationFailed(place, problem, _REMEDY) from error


def _certificate(data: bytes) -> x509.Certificate:
    text = data.strip()
    if not text.startswith(b"-----BEGIN"):
        text = base64.b64decode(text, validate=True)
    found = x509.load_pem_x509_certificates(text)
    if len(found) != 1:
        raise Refused(f"{len(found)} certificates in place of one")
    return found[0]


def _chain(leaf: x509.Certificate, authorities: Sequence[x509.Certificate]) -> None:
    """Follow a certificate to a root; all on the way must have been valid when it was made."""
    roots = [one for one in authorities if one.issuer == one.subject and _issued(one, one)]
    current, moment = leaf, leaf.not_valid_before_utc
    for _ in range(len(authorities)):
        above = next((one for one in authorities if _issued(current, one)), None)
        if above is None:
            break
        if not above.not_valid_before_utc <= moment <= above.not_valid_after_utc:
            raise Refused(f"made when {above.subject.rfc4514_string()} was not valid")
        if above in roots:
            return
        current = above
    raise Refused("its certificate is of no authority that recipes name")


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether an authority has signed a certificate, and may."""
    try:
        certificate.verify_directly_issued_by(authority)
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return constraints.ca and usage.key_cert_sign


def _who(leaf: x509.Certificate, identity: str, issuer: str) -> None:
    """Refuse a certificate that is for something else than signing, or for somebody else."""
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise Refused("its certificate does not say who signed, or what it is for") from error
    if ExtendedKeyUsageOID.CODE_SIGNING not in uses:
        raise Refused("its certificate is not for signing programs")
    said = [
        str(one.value)
        for one in names
        if isinstance(one, x509.RFC822Name | x509.UniformResourceIdentifier)
    ]
    if said != [identity] or len(list(names)) != 1:
        raise Refused(f"signed by {', '.join(said) or 'nobody'}, not by {identity}")
    if not (found := _issuers(leaf)) or found != {issuer}:
        raise Refused(f"{', '.join(sorted(found)) or 'nobody'} vouches for it, not {issuer}")


def _issuers(leaf: x509.Certificate) -> set[str]:
    found = set()
    for extension in leaf.extensions:
        tag = dict(_ISSUERS).get(extension.oid)
        if tag is not None and isinstance(extension.value, x509.UnrecognizedExtension):
            value = extension.value.value
            length = bytes([len(value) - 2]) if 2 <= len(value) < 130 else b""
            head = tag + length if tag else b""
            found.add(value.removeprefix(head).decode("utf-8", "replace"))
    return found
