"""Whatever happened to bytes from outside, the answer is one short line that names their place."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.signing import keyfile, keyring, openpgp, provenance, rpm, verify
from kubewright.signing.file_signer import open_file
from kubewright.signing.keys import artifact_key, repo_key
from kubewright.signing.roles import Keys
from kubewright.signing.schemes import locked

GOLDEN = Path(__file__).parent / "golden" / "keys"
NOW = 1_790_000_000
TEXT = b"Origin: Kubewright\nSuite: stable\n"
PLACE = "the/place"

Read = Callable[[bytes], object]


@pytest.fixture(scope="module")
def own() -> Keys:
    return Keys(
        repo=repo_key(f"file:{GOLDEN}/repo-key.asc", now=NOW),
        artifact=artifact_key(f"file:{GOLDEN}/artifact-key.pem"),
    )


@pytest.fixture(scope="module")
def both(own: Keys, keys: Keys) -> bytes:
    """A keyring of two keys."""
    return keyring.merged(own.repo.certificate, [keys.repo.certificate])


@pytest.fixture(scope="module")
def both_pem(own: Keys, keys: Keys) -> bytes:
    return keyring.merged_pem(keys.artifact.public_pem, own.artifact.public_pem)


def secret(kind: str) -> bytes:
    return (GOLDEN / kind).read_bytes()


def flipped(data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def cut(data: bytes, step: int) -> Iterator[bytes]:
    for end in range(0, len(data), step):
        yield data[:end]


def garbled(data: bytes, times: int) -> Iterator[bytes]:
    """With some bytes replaced, put in or left out at a place, drawn the same way each time."""
    draw = random.Random(1)
    for _ in range(times):
        at, length = draw.randrange(len(data)), draw.randrange(1, 9)
        yield data[:at] + draw.randbytes(draw.randrange(9)) + data[at + length :]


def damages(data: bytes, step: int = 7) -> Iterator[bytes]:
    """Flip a bit in each byte (or every so many), cut at many lengths, garble."""
    yield from flipped(data, step)
    yield from cut(data, step + 4)
    yield from garbled(data, len(data) // step)


def read_all(read: Read, data: bytes, place: str, step: int = 7) -> int:
    """Read what was damaged in many ways; how often that was refused.

    Anything but an error of ours, or one that does not name the place in one short line, fails.
    """
    read(data)
    refused = 0
    for damaged in damages(data, step):
        try:
            read(damaged)
        except KubewrightError as error:
            refused += 1
            message = str(error)
            assert re.match(f"({place}): ", message), message
            assert "\n" not in message
            assert len(message) < 500
    return refused


KEYRINGS: dict[str, tuple[Read, str]] = {
    "certificates": (lambda data: keyring.certificates(data, place=PLACE), PLACE),
    "site_certificates": (lambda data: keyring.site_certificates(data, place=PLACE), PLACE),
    "armored": (keyring.armored, "the keyring"),
    "fingerprints": (lambda data: verify.fingerprints([data]), "certificate 1"),
    "lifetimes": (
        lambda data: verify.lifetimes([data], now=NOW),
        "certificate 1|key [0-9A-F]{40}",
    ),
    "public": (lambda data: keyfile.public(data, place=PLACE), PLACE),
}
"""The functions that take OpenPGP certificates, and what their errors name."""


@pytest.mark.parametrize("name", sorted(KEYRINGS))
def test_a_damaged_keyring_is_refused_in_one_line(name: str, both: bytes) -> None:
    read, place = KEYRINGS[name]
    assert read_all(read, both, place) > 20


@pytest.mark.parametrize("name", ["certificates", "lifetimes", "fingerprints", "public"])
def test_a_damaged_armored_keyring_is_refused_in_one_line(name: str, both: bytes) -> None:
    read, place = KEYRINGS[name]
    assert read_all(read, keyring.armored(both).encode(), place) > 20


def test_an_earlier_keyring_that_is_damaged_is_refused_in_one_line(own: Keys, both: bytes) -> None:
    def read(data: bytes) -> bytes:
        return keyring.merged(own.repo.certificate, [data])

    assert read_all(read, both, "keys/kubewright.gpg") > 100
    with pytest.raises(VerificationFailed, match=r"^keys/kubewright\.gpg: holds no public key"):
        read(b"")


def test_no_flip_makes_a_key_of_a_keyring_disappear(own: Keys, both: bytes) -> None:
    names = list(keyring.site_certificates(both, place=PLACE))
    second = len(own.repo.certificate)
    heads = [
        both[:at] + bytes([both[at] ^ 1 << bit]) + both[at + 1 :]
        for at in (*range(12), *range(second, second + 12))
        for bit in range(8)
    ]
    for damaged in [*heads, *flipped(both, 1)]:
        with suppress(VerificationFailed):
            assert list(keyring.site_certificates(damaged, place=PLACE)) == names


def test_an_armored_keyring_is_read_strictly(both: bytes) -> None:
    text = keyring.armored(both).encode()
    assert keyring.armored_certificates(text, place=PLACE) == keyring.certificates(
        both, place=PLACE
    )
    lines = text.splitlines(keepends=True)
    changed = [
        *flipped(text, 1),
        *cut(text, 3),
        text + b"\n",
        text + b"more",
        b"more\n" + text,
        text.replace(b"\n", b"\r\n"),
        b"".join(line for line in lines if not line.startswith(b"=")),
        b"".join([*lines[:2], lines[2].strip(), *lines[3:]]),
        b"".join([lines[0], b"Version: 1\n", *lines[1:]]),
    ]
    blocks = text.index(b"-----END") + len("-----END PGP PUBLIC KEY BLOCK-----\n")
    for damaged in changed:
        if damaged == text[:blocks]:
            continue
        with pytest.raises(VerificationFailed, match=rf"^{PLACE}: "):
            keyring.armored_certificates(damaged, place=PLACE)


def test_an_armored_key_with_a_right_checksum_must_still_vouch_for_itself(own: Keys) -> None:
    certificate = own.repo.certificate
    forged = certificate.replace(b"Recorded", b"recorded")
    text = openpgp.armored("PUBLIC KEY BLOCK", forged)
    with pytest.raises(VerificationFailed, match=rf"^{PLACE}: the signature of .* does not hold"):
        keyring.armored_certificates(text, place=PLACE)


PEMS: dict[str, tuple[Read, str]] = {
    "artifact_keys": (lambda data: keyring.artifact_keys(data, place=PLACE), PLACE),
    "public_keys": (lambda data: verify.public_keys(data, place=PLACE), PLACE),
}


@pytest.mark.parametrize("name", sorted(PEMS))
def test_damaged_public_keys_are_refused_in_one_line(name: str, both_pem: bytes) -> None:
    read, place = PEMS[name]
    assert read_all(read, both_pem, place, step=1) > 100


def test_earlier_public_keys_that_are_damaged_are_refused_in_one_line(
    own: Keys, both_pem: bytes
) -> None:
    def read(data: bytes) -> bytes:
        return keyring.merged_pem(own.artifact.public_pem, data)

    assert read_all(read, both_pem, "keys/kubewright.pub", step=1) > 300


@pytest.mark.parametrize("name", ["detached", "armored detached", "clearsigned", "artifact"])
def test_a_damaged_signature_is_refused_in_one_line(name: str, own: Keys) -> None:
    known = [own.repo.certificate]
    data, read = {
        "detached": (
            own.repo.detached(TEXT, NOW),
            lambda data: verify.detached(TEXT, data, known, place=PLACE),
        ),
        "armored detached": (
            own.armored_detached(TEXT, NOW),
            lambda data: verify.detached(TEXT, data, known, place=PLACE),
        ),
        "clearsigned": (
            own.clearsign(TEXT, NOW),
            lambda data: verify.clearsigned(data, known, place=PLACE),
        ),
        "artifact": (
            own.artifact.sign(TEXT),
            lambda data: verify.artifact(TEXT, data, own.artifact.public_pem, place=PLACE),
        ),
    }[name]
    assert read_all(read, data, PLACE, step=3) > 20


def test_a_damaged_envelope_is_refused_in_one_line(own: Keys) -> None:
    data = provenance.envelope(b'{"_type": "x"}', own.artifact)

    def read(data: bytes) -> object:
        return provenance.opened(data, own.artifact.public_pem, place=PLACE)

    assert read_all(read, data, PLACE, step=1) > 100


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"payloadType": "\\ud800", "payload": ""}'])
def test_json_that_python_cannot_take_is_no_envelope(data: bytes, own: Keys) -> None:
    with pytest.raises(VerificationFailed, match=rf"^{PLACE}: not a signed statement"):
        provenance.opened(data, own.artifact.public_pem, place=PLACE)


@pytest.mark.parametrize("data", [b"text", b"[]", b"[" * 100_000])
def test_what_is_signed_but_is_no_statement_is_named(data: bytes, own: Keys) -> None:
    sealed = provenance.envelope(data, own.artifact)
    with pytest.raises(VerificationFailed, match=rf"^{PLACE}: signed, but not an in-toto"):
        provenance.opened(sealed, own.artifact.public_pem, place=PLACE)


@pytest.mark.parametrize("name", ["repo-key.asc", "artifact-key.pem"])
def test_a_damaged_key_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / name

    def read(data: bytes) -> object:
        file.write_bytes(data)
        return open_file(str(file), "openpgp" if name.endswith("asc") else "ecdsa-p256", locked)

    assert read_all(read, secret(name), str(file), step=47 if name.endswith("asc") else 2) > 20


@pytest.mark.parametrize("name", ["unsigned_sha256", "signing_key", "verify", "sign"])
def test_a_damaged_rpm_is_refused_in_one_line(name: str, own: Keys, signed_rpm: bytes) -> None:
    known = [own.repo.certificate]
    read: dict[str, Read] = {
        "unsigned_sha256": lambda data: rpm.unsigned_sha256(data, name=PLACE),
        "signing_key": lambda data: rpm.signing_key(data, name=PLACE),
        "verify": lambda data: rpm.verify(data, known, name=PLACE),
        "sign": lambda data: rpm.sign(data, own.repo, NOW, name=PLACE),
    }
    assert read_all(read[name], signed_rpm, PLACE) > 20


@pytest.fixture(scope="module")
def signed_rpm(own: Keys) -> bytes:
    """The least that is an rpm: a lead, headers with one string each, a payload."""
    head = b"\x8e\xad\xe8\x01" + bytes(4)

    def header(tag: int, value: bytes) -> bytes:
        counts = (1).to_bytes(4) + len(value).to_bytes(4)
        entry = tag.to_bytes(4) + (6).to_bytes(4) + bytes(4) + (1).to_bytes(4)
        return head + counts + entry + value

    signatures = header(269, b"0" * 40 + b"\0")
    padding = bytes(-len(signatures) % 8)
    lead = b"\xed\xab\xee\xdb\x03\x00" + bytes(90)
    unsigned = lead + signatures + padding + header(1000, b"demo\0") + b"payload"
    return rpm.sign(unsigned, own.repo, NOW)
