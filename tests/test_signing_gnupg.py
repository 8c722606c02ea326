"""Keys that GnuPG's agent has sign what keys in files sign, byte for byte; locked files open."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubewright.errors import RequestError
from kubewright.settings import Settings
from kubewright.signing import verify
from kubewright.signing.keys import initialise, repo_key
from kubewright.stages.keys import keys

NOW = 1_790_000_000
TEXT = b"Origin: Kubewright\n- a dash\nSuite: stable\n"


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Callable[[str], Path]
) -> Iterator[Path]:
    """A GNUPGHOME with one repository key, without a passphrase."""
    for name in ("gpg", "gpg-connect-agent", "gpgconf"):
        tool(name)
    made = initialise(tmp_path / "keys", "k <k@example.org>", now=NOW, expires_days=None)
    folder = tmp_path / "g"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(folder))
    subprocess.run(["gpg", "--batch", "--quiet", "--import", made.repo_secret], check=True)
    yield made.repo_secret
    subprocess.run(["gpgconf", "--kill", "all"], check=True)


def test_the_agent_signs_the_same_bytes_as_the_file(home: Path) -> None:
    own = repo_key(f"file:{home}", now=NOW)
    by_agent = repo_key(f"gnupg:{own.fingerprint}", now=NOW)
    assert by_agent.fingerprint == own.fingerprint
    for when in (NOW, NOW + 86_400):
        assert by_agent.clearsign(TEXT, when) == own.clearsign(TEXT, when)
        assert by_agent.detached(TEXT * 99, when) == own.detached(TEXT * 99, when)
    assert verify.clearsigned(by_agent.clearsign(TEXT, NOW), [own.certificate], place="x") == TEXT


def test_spaces_and_small_letters_in_a_fingerprint_are_fine(home: Path) -> None:
    own = repo_key(f"file:{home}", now=NOW)
    spaced = " ".join(own.fingerprint[at : at + 4].lower() for at in range(0, 40, 4))
    assert repo_key(f"gnupg:{spaced}", now=NOW).fingerprint == own.fingerprint


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("F" * 40, "this keyring has no such secret key"),
        ("F" * 39, "not a fingerprint of 40 digits"),
        ("k@example.org", "not a fingerprint of 40 digits"),
        ("--help", "not a fingerprint of 40 digits"),
    ],
)
def test_a_key_that_is_not_there_is_named(home: Path, name: str, problem: str) -> None:
    assert home.exists()
    with pytest.raises(RequestError, match=problem) as caught:
        repo_key(f"gnupg:{name}", now=NOW)
    assert "gpg --list-secret-keys" in caught.value.remedy


def test_an_agent_that_cannot_sign_says_why(home: Path) -> None:
    own = repo_key(f"file:{home}", now=NOW)
    by_agent = repo_key(f"gnupg:{own.fingerprint}", now=NOW)
    for path in (home.parents[1] / "g/private-keys-v1.d").iterdir():
        path.unlink()
    with pytest.raises(RequestError, match="the agent does not sign: No secret key"):
        by_agent.detached(TEXT, NOW)


def test_a_passphrase_comes_from_a_file_or_a_descriptor_never_from_the_command_line(
    tmp_path: Path, released: Settings, locked_pem: Path
) -> None:
    word = tmp_path / "word"
    word.write_text("open sesame\nnot this\n")
    named = {"artifact_key": f"file:{locked_pem}", "passphrase_file": word}
    assert keys(released.model_copy(update=named)).artifact.key_id
    word.write_text("guess")
    with pytest.raises(RequestError, match="not opened by this passphrase"):
        keys(released.model_copy(update=named))
    with pytest.raises(RequestError, match=r"--passphrase-file .*: No such file"):
        keys(released.model_copy(update={**named, "passphrase_file": tmp_path / "none"}))
    with pytest.raises(RequestError, match=r"name a file that has it: --passphrase-file"):
        keys(released.model_copy(update={**named, "passphrase_file": None}))


@pytest.fixture
def locked_pem(tmp_path: Path) -> Path:
    path = tmp_path / "locked.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o644, 0o620, 0o602, 0o666])
def test_a_secret_key_that_others_can_write_is_refused(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    made = initialise(tmp_path / "keys", "k <k@example.org>", now=NOW, expires_days=None)
    made.repo_secret.chmod(mode)
    uri = f"file:{made.repo_secret}"
    if mode & 0o022:
        with pytest.raises(RequestError, match="others can write this secret key; chmod 600"):
            repo_key(uri, now=NOW)
        return
    assert repo_key(uri, now=NOW).user_id == "k <k@example.org>"
    assert ("everybody here can read" in caplog.text) == bool(mode & 0o004)
