"""Keys in PKCS #11 tokens, hardware or SoftHSM: `hsm:TOKEN/LABEL`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kubewright.errors import RequestError, ToolMissing
from kubewright.signing.remote import Place, place, public_half
from kubewright.signing.signer import Algorithm, Kind, Secrets

_OPTIONS: Final = frozenset({"certificate", "module"})
_MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so",
    "/usr/lib64/opensc-pkcs11.so",
)
"""Where modules lie that are used when none is named."""

_PREFIX: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before a digest in a PKCS #1 v1.5 signature (RFC 8017, section 9.2)."""


@dataclass(frozen=True)
class HsmSigner:
    """A secret key that stays in its token. Its ECDSA signatures differ each time."""

    uri: str
    kind: Kind
    public: bytes = field(repr=False)
    key: Any = field(repr=False)
    """A private key of pkcs11; its session ends with it."""

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        """A signature over the digest, by the token. Raises RequestError where it makes none."""
        from pkcs11 import Mechanism
        from pkcs11.util.ec import encode_ecdsa_signature

        with _refusing(self.uri):
            if self.kind == "ecdsa-p256":
                made = self.key.sign(digest, mechanism=Mechanism.ECDSA)
                return bytes(encode_ecdsa_signature(made))
            data = _PREFIX[algorithm] + digest
            return bytes(self.key.sign(data, mechanism=Mechanism.RSA_PKCS))


def open_hsm(rest: str, kind: Kind, secrets: Secrets) -> HsmSigner:
    """The private key with a label in a token, opened with its PIN.

    Raises RequestError for a token or key that is not there, or of another kind, and ToolMissing
    where nothing can speak with tokens.
    """
    where = place("hsm", rest, _OPTIONS)
    token, _, label = where.name.partition("/")
    if not token or not label:
        raise RequestError(where.uri, "names no token or no key", "write it like hsm:TOKEN/LABEL")
    pkcs11 = _library(where)
    with _refusing(where.uri):
        session = _session(_module(where), token, lambda: secrets(where.uri))
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        der = _der(session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label))
    return HsmSigner(where.uri, kind, public_half(where, kind, der), private)


def _library(where: Place) -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise ToolMissing(
            where.uri, "this needs the package python-pkcs11", "pip install 'kubewright[hsm]'"
        ) from error
    return pkcs11


_SESSIONS: dict[tuple[Path, str], Any] = {}
"""A process logs in to a token once, whatever keys it uses there."""


def _session(module: Path, token: str, pin: Callable[[], bytes]) -> Any:
    import pkcs11

    if (module, token) not in _SESSIONS:
        found = pkcs11.lib(str(module)).get_token(token_label=token)
        _SESSIONS[module, token] = found.open(user_pin=pin().decode())
    return _SESSIONS[module, token]


def _module(where: Place) -> Path:
    """The library of the token's maker. Raises RequestError where none is."""
    named = where.options.get("module")
    for path in map(Path, [named] if named else _MODULES):
        if path.exists():
            return path
    raise RequestError(
        where.uri, f"no PKCS #11 module: {named or 'none of those that are tried'}",
        "name it: hsm:TOKEN/LABEL?module=/usr/lib/softhsm/libsofthsm2.so",
    )  # fmt: skip


def _der(public: Any) -> bytes:
    from pkcs11 import KeyType
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    ecdsa = public.key_type is KeyType.EC
    encoded = encode_ec_public_key(public) if ecdsa else encode_rsa_public_key(public)
    return bytes(encoded)


@contextmanager
def _refusing(uri: str) -> Iterator[None]:
    """Say in one line what the token says: its errors have names, and seldom words."""
    from pkcs11.exceptions import PKCS11Error

    try:
        yield
    except PKCS11Error as error:
        said = " ".join(str(error).split())
        name = type(error).__name__
        raise RequestError(
            uri, f"the token says: {name}{f' ({said})' if said else ''}",
            "list tokens and keys: pkcs11-tool --list-slots, pkcs11-tool --list-objects",
        ) from error  # fmt: skip
