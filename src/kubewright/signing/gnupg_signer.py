"""Keys that GnuPG's agent has, in its files or on a card: `gnupg:FINGERPRINT`.

The agent asks for passphrase or PIN itself, and signs digests; no secret comes here.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from kubewright.errors import RequestError, ToolFailed
from kubewright.run import find, run
from kubewright.signing.signer import Algorithm, Kind, Secrets

_INSTALL: Final = "apt-get install gnupg"
_DATA = re.compile(r"^D\[[0-9A-F]{4}\]  (.{,49})", re.MULTILINE)
"""A line of what `--hex` shows: 16 bytes, and then the same as text."""
_VALUE = re.compile(rb"\(1:s([0-9]+):")


@dataclass(frozen=True)
class GnupgSigner:
    """A secret key that only the agent sees."""

    fingerprint: str
    public: bytes = field(repr=False)
    keygrip: str

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        """A PKCS #1 v1.5 signature, by the agent. Raises RequestError where it makes none."""
        said = run(
            [
                find("gpg-connect-agent", install=_INSTALL),
                "--hex",
                f"SIGKEY {self.keygrip}",
                f"SETHASH --hash={algorithm} {digest.hex()}",
                "PKSIGN",
                "/bye",
            ]
        ).stdout
        refused = re.search(r"^ERR [0-9]+ (.*)", said, re.MULTILINE)
        shown = b"".join(bytes.fromhex(line) for line in _DATA.findall(said))
        data = unquote_to_bytes(shown)  # Assuan writes %0A for a line feed
        value = _VALUE.search(data)
        if refused or value is None:
            problem = refused[1] if refused else "gave no signature"
            raise RequestError(
                f"gnupg:{self.fingerprint}",
                f"the agent does not sign: {problem}",
                "unlock the key where the agent can ask: gpg --sign --local-user "
                f"{self.fingerprint} --output /dev/null /etc/hostname",
            )
        return data[value.end() : value.end() + int(value[1])]


def open_gnupg(name: str, kind: Kind, _secrets: Secrets) -> GnupgSigner:
    """The key with a fingerprint, in the keyring of whoever runs this (GNUPGHOME).

    Raises RequestError for a key that is not there, or of another kind.
    """
    place = f"gnupg:{name}"
    if kind != "openpgp":
        problem = "has its certificate" if kind == "rsa" else "is for repository keys alone"
        raise RequestError(place, f"a key of GnuPG {problem}", "name another: file:PATH, hsm: …")
    fingerprint = name.replace(" ", "").upper()
    if not re.fullmatch("[0-9A-F]{40}", fingerprint):
        raise RequestError(
            place, "not a fingerprint of 40 digits", "list them: gpg --list-secret-keys"
        )
    gpg = find("gpg", install=_INSTALL)
    try:
        listed = run(
            [gpg, "--batch", "--with-colons", "--with-keygrip", "--list-secret-keys", fingerprint]
        ).stdout
    except ToolFailed as error:
        raise RequestError(
            place, "this keyring has no such secret key", "list them: gpg --list-secret-keys"
        ) from error
    grips = re.findall(r"^grp:+([0-9A-F]{40}):", listed, re.MULTILINE)
    armored = run([gpg, "--batch", "--armor", "--export", fingerprint]).stdout
    return GnupgSigner(fingerprint, armored.encode(), grips[0])
