"""OpenPGP signatures: the same bytes each time, accepted by gpg, gpgv, sqv and Sequoia, refused
when touched.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from kubewright.errors import VerificationFailed
from kubewright.models.base import DAY
from kubewright.run import run
from kubewright.signing import keyfile, openpgp, verify
from kubewright.signing.file_signer import FileSigner
from kubewright.signing.keys import key_file
from kubewright.signing.roles import RepoKey

MADE = 1_700_000_000
WHEN = MADE + 1000

USER_ID = "Test releases <test@example.org>"
RELEASE = (
    b"Origin: Kubewright\n- a dash\n-----BEGIN PGP SIGNATURE-----\nFrom here\n\n"
    b"Description: spaces  \t\n end\n"
)
READABLE = RELEASE.replace(b"  \t\n", b"\n")

Tool = Callable[[str], Path]
Gpg = Callable[..., str]


def dated(private: rsa.RSAPrivateKey, made: int = MADE, expires: int | None = None) -> RepoKey:
    """A repository key with these dates; RSA numbers take long to find and can be shared."""
    public = keyfile.public(key_file(private, USER_ID, made, expires), place="test")
    return RepoKey.of(public, FileSigner(private, public.certificate))


@pytest.fixture(scope="session")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


@pytest.fixture(scope="session")
def key(private: rsa.RSAPrivateKey) -> RepoKey:
    return dated(private)


@pytest.fixture(scope="session")
def foreign() -> RepoKey:
    return dated(rsa.generate_private_key(public_exponent=65537, key_size=3072))


@pytest.fixture
def signed(key: RepoKey, tmp_path: Path) -> Path:
    """A directory with a signed Release, as apt reads it."""
    (tmp_path / "key.gpg").write_bytes(key.certificate)
    (tmp_path / "Release").write_bytes(RELEASE)
    (tmp_path / "Release.gpg").write_bytes(key.armored_detached(RELEASE, WHEN))
    (tmp_path / "InRelease").write_bytes(key.clearsign(RELEASE, WHEN))
    return tmp_path


def test_the_same_key_data_and_time_give_the_same_bytes(key: RepoKey) -> None:
    assert key.detached(RELEASE, WHEN) == key.detached(RELEASE, WHEN)
    assert key.clearsign(RELEASE, WHEN) == key.clearsign(RELEASE, WHEN)
    assert key.detached(RELEASE, WHEN) != key.detached(RELEASE, WHEN + 1)


@pytest.mark.parametrize("program", ["gpgv", "sqv"])
def test_stock_tools_accept_a_detached_signature_and_refuse_other_bytes(
    program: str, signed: Path, tool: Tool
) -> None:
    check = [str(tool(program)), "--keyring", "./key.gpg", "Release.gpg", "Release"]
    run(check, cwd=signed)
    (signed / "Release").write_bytes(RELEASE + b"\n")
    run(check, cwd=signed, codes=(1,))


def test_gpgv_accepts_a_clearsigned_text_and_refuses_other_bytes(signed: Path, tool: Tool) -> None:
    check = [str(tool("gpgv")), "--keyring", "./key.gpg", "--output", "text", "InRelease"]
    run(check, cwd=signed)
    assert (signed / "text").read_bytes() == READABLE
    (signed / "text").unlink()
    (signed / "InRelease").write_bytes(
        (signed / "InRelease").read_bytes().replace(b"Origin", b"origin")
    )
    run(check, cwd=signed, codes=(1,))


@pytest.mark.parametrize("program", ["gpgv", "sqv"])
def test_stock_tools_refuse_a_foreign_key(
    program: str, signed: Path, foreign: RepoKey, tool: Tool
) -> None:
    (signed / "key.gpg").write_bytes(foreign.certificate)
    run(
        [tool(program), "--keyring", "./key.gpg", "Release.gpg", "Release"],
        cwd=signed,
        codes=(1, 2),
    )


def test_gpg_imports_the_secret_key_and_sees_what_it_is_for(
    private: rsa.RSAPrivateKey, key: RepoKey, gpg: Gpg, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.asc"
    secret.write_bytes(key_file(private, USER_ID, MADE, MADE + DAY))
    gpg("--import", secret)
    listed = gpg("--with-colons", "--list-secret-keys")
    assert f"fpr:::::::::{key.fingerprint}:" in listed
    assert f":{MADE}:{MADE + DAY}:" in listed
    packets = gpg("--list-packets", secret)
    assert packets.count("packet:") == 3
    assert "sigclass 0x13" in packets
    assert "digest algo 10" in packets
    assert "key flags: 03" in packets


def test_the_checksum_of_armor_is_crc_24() -> None:
    """RFC 9580, section 6.1.1; the value is the one by which catalogues of checksums name it."""
    assert openpgp.crc24(b"123456789") == 0x21CF02
    assert openpgp.crc24(b"") == 0xB704CE


def test_armor_carries_the_checksum_that_gpg_recomputes(
    key: RepoKey, gpg: Gpg, tmp_path: Path
) -> None:
    (tmp_path / "key.asc").write_text(key.armored)
    gpg("--output", tmp_path / "key.gpg", "--dearmor", tmp_path / "key.asc")
    assert (tmp_path / "key.gpg").read_bytes() == key.certificate
    assert key.armored.splitlines()[-2].startswith("=")


def test_a_signature_is_verified_and_names_its_key(key: RepoKey, foreign: RepoKey) -> None:
    both = [foreign.certificate, key.armored.encode()]
    assert (
        verify.detached(RELEASE, key.detached(RELEASE, WHEN), both, place="Release")
        == key.fingerprint
    )
    assert verify.clearsigned(key.clearsign(RELEASE, WHEN), both, place="InRelease") == READABLE


def test_what_a_foreign_key_signed_is_refused_with_both_names(
    key: RepoKey, foreign: RepoKey
) -> None:
    known = [key.certificate]
    with pytest.raises(
        VerificationFailed, match=f"^Release: signed by {foreign.fingerprint}.*{key.fingerprint}"
    ):
        verify.detached(RELEASE, foreign.detached(RELEASE, WHEN), known, place="Release")
    with pytest.raises(VerificationFailed, match=f"^InRelease: signed by {foreign.fingerprint}"):
        verify.clearsigned(foreign.clearsign(RELEASE, WHEN), known, place="InRelease")


@pytest.mark.parametrize(
    "touch",
    [
        pytest.param(lambda text: text.replace(b"Kubewright", b"kubewright"), id="a letter"),
        pytest.param(lambda text: text.replace(b"From here\n", b""), id="a line gone"),
        pytest.param(lambda text: b"Package: evil\n" + text, id="a line before"),
        pytest.param(lambda text: text + b"Package: evil\n", id="a line after"),
        pytest.param(lambda text: text + text, id="two texts"),
        pytest.param(lambda text: text[:-40], id="cut short"),
        pytest.param(lambda text: text.replace(b"\niQ", b"\nAA"), id="a damaged signature"),
        pytest.param(lambda text: RELEASE, id="not signed"),
        pytest.param(lambda text: b"", id="empty"),
    ],
)
def test_a_touched_text_is_refused(touch: Callable[[bytes], bytes], key: RepoKey) -> None:
    with pytest.raises(VerificationFailed, match=r"^InRelease: "):
        verify.clearsigned(
            touch(key.clearsign(RELEASE, WHEN)), [key.certificate], place="InRelease"
        )


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"\x89\x01"], ids=["nothing", "text", "a cut packet"]
)
def test_what_is_no_signature_is_refused(data: bytes, key: RepoKey) -> None:
    with pytest.raises(VerificationFailed, match=r"^Release\.gpg: holds no OpenPGP signature"):
        verify.detached(RELEASE, data, [key.certificate], place="Release.gpg")


@given(st.lists(st.text(alphabet="- \tFrom\u00fc", max_size=8), max_size=6), st.booleans())
def test_any_text_is_read_back_as_it_was_signed(
    key: RepoKey, lines: list[str], ended: bool
) -> None:
    text = "\n".join(lines).encode() + b"\n" * ended
    readable = (
        b"\n".join(line.rstrip(b" \t") for line in text.removesuffix(b"\n").split(b"\n")) + b"\n"
    )
    assert (
        verify.clearsigned(key.clearsign(text, WHEN), [key.certificate], place="InRelease")
        == readable
    )


def test_a_carriage_return_is_not_signed(key: RepoKey) -> None:
    with pytest.raises(ValueError, match="carriage return"):
        key.clearsign(b"a\rb\n", WHEN)


@pytest.mark.parametrize("when", [MADE - 1, MADE + DAY], ids=["before the key", "after its end"])
def test_a_signature_outside_the_keys_life_is_refused(
    when: int, private: rsa.RSAPrivateKey
) -> None:
    short = dated(private, MADE, MADE + DAY)

    def sign(digest: bytes) -> bytes:
        return short.signer.sign_digest(digest, "sha512")

    made = openpgp.signature(short.key, sign, openpgp.BINARY, [RELEASE], when)
    with pytest.raises(VerificationFailed, match="the key was not valid then"):
        verify.detached(RELEASE, made, [short.certificate], place="Release")


@pytest.mark.parametrize(
    ("now", "words"),
    [
        pytest.param(MADE, (), id="far"),
        pytest.param(
            MADE + 70 * DAY,
            (
                "expires on 2024-02-22, in 30 days; rotate it, for dnf and rpm never learn of an "
                "extension (docs/keys.md)",
            ),
            id="near",
        ),
        pytest.param(MADE + 100 * DAY, ("expired on 2024-02-22",), id="over"),
    ],
)
def test_expiry_is_told_ahead(
    now: int, words: tuple[str, ...], private: rsa.RSAPrivateKey, key: RepoKey
) -> None:
    short = dated(private, MADE, MADE + 100 * DAY)
    told = verify.lifetimes([short.certificate, key.certificate], now=now)
    assert [one.problem for one in told] == [f"key {short.fingerprint} {word}" for word in words]
    assert [one.ended for one in told] == ["expired" in word for word in words]
