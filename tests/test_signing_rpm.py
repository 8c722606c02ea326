"""Signed rpms: real rpm says OK, touched ones are refused, and only the signature differs from the
unsigned file.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kubewright.errors import ToolFailed, VerificationFailed
from kubewright.run import find, run
from kubewright.signing import rpm
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import RepoKey

MADE = 1_700_000_000
WHEN = MADE + 1000
RECIPE = """
name: demo
arch: amd64
version: 1.2.3
release: "1"
maintainer: Test <test@example.org>
description: A package for tests.
contents: [{src: ./file, dst: /usr/share/demo/file, file_info: {mtime: 2023-11-14T00:00:00Z}}]
rpm: {buildhost: localhost}
"""

Tool = Callable[[str], Path]
Rpm = Callable[..., str]


def made(directory: Path) -> RepoKey:
    paths = initialise(directory, "Test releases <test@example.org>", now=MADE, expires_days=None)
    return repo_key(f"file:{paths.repo_secret}", now=MADE)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> RepoKey:
    return made(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> RepoKey:
    return made(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="session")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("rpm")
    (directory / "file").write_text("content\n" * 1000)
    (directory / "recipe.yaml").write_text(RECIPE)
    nfpm = find("nfpm", install="install nfpm")
    run(
        [nfpm, "package", "-f", "recipe.yaml", "-p", "rpm", "-t", "demo.rpm"],
        cwd=directory, env={"SOURCE_DATE_EPOCH": str(MADE)},
    )  # fmt: skip
    return (directory / "demo.rpm").read_bytes()


@pytest.fixture(scope="session")
def signed(unsigned: bytes, key: RepoKey) -> bytes:
    return rpm.sign(unsigned, key, WHEN)


@pytest.fixture
def real_rpm(tool: Tool, key: RepoKey, tmp_path: Path) -> Rpm:
    """Run rpm with a database that knows the key about an rpm with the given content."""
    program, database = tool("rpm"), tmp_path / "db"
    (tmp_path / "key.asc").write_text(key.armored)
    run([program, "--dbpath", database, "--import", tmp_path / "key.asc"])

    def ask(*words: str, about: bytes) -> str:
        (tmp_path / "demo.rpm").write_bytes(about)
        return run([program, "--dbpath", database, *words, tmp_path / "demo.rpm"]).stdout

    return ask


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_real_rpm_verifies_header_and_payload(real_rpm: Rpm, signed: bytes, key: RepoKey) -> None:
    said = real_rpm("-Kv", about=signed)
    short = key.fingerprint[-8:].lower()
    assert said.count(f"V4 RSA/SHA512 Signature, key ID {short}: OK") == 2
    assert "Header V4 RSA/SHA512 Signature" in said
    assert all(line.endswith(": OK") for line in said.splitlines()[1:])


def test_real_rpm_reads_the_package_and_who_signed_it(
    real_rpm: Rpm, signed: bytes, key: RepoKey
) -> None:
    asked = "--qf=%{NAME} %{VERSION} %{RSAHEADER:pgpsig}"
    assert real_rpm("-qp", asked, about=signed).startswith(
        "demo 1.2.3 RSA/SHA512, Tue Nov 14 22:30:00 2023, Key ID "
    )
    assert key.fingerprint[-16:].lower() in real_rpm("-qpi", about=signed)


def test_only_the_signature_differs_and_it_is_the_same_each_time(
    unsigned: bytes, signed: bytes, key: RepoKey
) -> None:
    assert rpm.sign(unsigned, key, WHEN) == signed
    assert rpm.unsigned_sha256(signed) == rpm.unsigned_sha256(unsigned)
    assert rpm.signing_key(unsigned) is None
    assert rpm.signing_key(signed) == key.fingerprint
    assert rpm.verify(signed, [key.certificate]) == key.fingerprint


def test_the_digests_of_the_builder_stay(real_rpm: Rpm, unsigned: bytes, signed: bytes) -> None:
    kept = "--qf=%{SHA1HEADER} %{SHA256HEADER} %{SIGMD5} %{SIGSIZE} %{ARCHIVESIZE}"
    before = real_rpm("-qp", "--nosignature", kept, about=unsigned)
    assert real_rpm("-qp", "--nosignature", kept, about=signed) == before


def test_signing_again_replaces_the_signature(
    signed: bytes, key: RepoKey, foreign: RepoKey
) -> None:
    again = rpm.sign(signed, foreign, WHEN)
    assert rpm.signing_key(again) == foreign.fingerprint
    assert rpm.sign(again, key, WHEN) == signed


def test_a_foreign_key_is_refused(
    real_rpm: Rpm, signed: bytes, key: RepoKey, foreign: RepoKey
) -> None:
    with pytest.raises(
        VerificationFailed,
        match=rf"^demo\.rpm: signed by {key.fingerprint}, which is not a known key",
    ):
        rpm.verify(signed, [foreign.certificate], name="demo.rpm")
    with pytest.raises(ToolFailed, match="NOKEY"):
        real_rpm("-Kv", about=rpm.sign(signed, foreign, WHEN))


def test_a_touched_payload_is_refused(real_rpm: Rpm, signed: bytes, key: RepoKey) -> None:
    touched = flipped(signed, len(signed) - 1)
    with pytest.raises(VerificationFailed, match=r"^demo\.rpm: "):
        rpm.verify(touched, [key.certificate], name="demo.rpm")
    with pytest.raises(ToolFailed, match="BAD"):
        real_rpm("-Kv", about=touched)


def test_a_touched_header_is_refused(real_rpm: Rpm, signed: bytes, key: RepoKey) -> None:
    touched = signed.replace(b"A package for tests.", b"A package for jests.")
    with pytest.raises(VerificationFailed, match=r"^demo\.rpm: "):
        rpm.verify(touched, [key.certificate], name="demo.rpm")
    with pytest.raises(ToolFailed, match="BAD"):
        real_rpm("-Kv", about=touched)


def test_an_unsigned_rpm_does_not_verify(unsigned: bytes, key: RepoKey) -> None:
    with pytest.raises(VerificationFailed, match=r"^demo\.rpm: not signed"):
        rpm.verify(unsigned, [key.certificate], name="demo.rpm")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.999])
def test_a_truncated_rpm_is_named(share: float, signed: bytes, key: RepoKey) -> None:
    with pytest.raises(VerificationFailed, match=r"^demo\.rpm: a truncated or damaged rpm"):
        rpm.sign(signed[: max(4, int(len(signed) * share))], key, WHEN, name="demo.rpm")


@pytest.mark.parametrize(
    "data", [b"", b"!<arch>\n", b"\xed\xab"], ids=["nothing", "a deb", "two bytes"]
)
def test_what_is_no_rpm_is_named(data: bytes) -> None:
    with pytest.raises(VerificationFailed, match=r"^demo\.rpm: not an rpm"):
        rpm.unsigned_sha256(data, name="demo.rpm")


def test_damage_anywhere_in_the_headers_is_understood(signed: bytes, key: RepoKey) -> None:
    for at in range(96, 1600, 11):
        with suppress(
            VerificationFailed
        ):  # not every byte of the signature header is covered; none may confuse
            rpm.verify(flipped(signed, at), [key.certificate])
