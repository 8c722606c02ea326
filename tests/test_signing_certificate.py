"""The public half of a repository key: read from wherever it stands, without the secret one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.errors import RequestError
from kubewright.models.base import DAY
from kubewright.signing import certificate
from kubewright.signing.keys import Paths, initialise, repo_key

NOW = 1_790_000_000


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return initialise(tmp_path / "keys", "Example <e@example.org>", now=NOW, expires_days=30)


def test_both_halves_of_a_key_give_the_same_certificate(paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=NOW)
    of_secret = certificate.read(f"file:{paths.repo_secret}", NOW)
    assert certificate.read(f"file:{paths.repo_public}", NOW) == of_secret
    assert of_secret.certificate == key.certificate
    assert (of_secret.fingerprint, of_secret.user_id) == (key.fingerprint, key.user_id)
    assert (of_secret.created, of_secret.expires) == (NOW, NOW + 30 * DAY)
    assert not of_secret.development


def test_the_development_key_is_the_one_where_none_is_named() -> None:
    found = certificate.read(None, NOW)
    assert found.development
    assert found.fingerprint == repo_key(None, now=NOW).fingerprint


def test_a_key_of_gpg_is_read_with_its_secret_half_locked_or_absent(
    gpg: Callable[..., str], tmp_path: Path
) -> None:
    quick = ("--pinentry-mode", "loopback", "--passphrase", "secret")
    gpg(*quick, "--quick-generate-key", "Locked <l@example.org>", "rsa3072", "sign", "never")
    line = next(
        text for text in gpg("--list-keys", "--with-colons").splitlines() if text[:3] == "fpr"
    )
    fingerprint = line.split(":")[9]
    gpg(*quick, "--quick-add-key", fingerprint, "rsa3072", "encrypt", "never")
    public, secret = tmp_path / "public.asc", tmp_path / "secret.gpg"
    gpg("--armor", "--output", str(public), "--export")
    gpg(*quick, "--output", str(secret), "--export-secret-keys")
    found = certificate.read(f"file:{public}", NOW)
    assert certificate.read(f"file:{secret}", NOW) == found
    assert (found.fingerprint, found.user_id) == (fingerprint, "Locked <l@example.org>")
    with pytest.raises(RequestError, match="protected by a passphrase"):
        repo_key(f"file:{secret}", now=NOW)


def test_an_expired_certificate_is_refused(paths: Paths) -> None:
    with pytest.raises(RequestError, match=r"^key [0-9A-F]{40}: expired on 2026-10-21; rotate it"):
        certificate.read(f"file:{paths.repo_public}", NOW + 31 * DAY)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("keys/repo-key.asc", r"--repo-key keys/repo-key.asc: no certificate can be read .*file:"),
        ("awskms:alias/x", r"--repo-key awskms:alias/x: no certificate can be read from there"),
        ("file:", r"--repo-key file:: no certificate can be read from there"),
        ("file:~nosuch/key.asc", r"^~nosuch/key.asc: No such file or directory; give the "),
        ("file:/nowhere/key.asc", r"^/nowhere/key.asc: No such file or directory; give the "),
    ],
)
def test_what_names_no_file_is_refused(uri: str, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        certificate.read(uri, NOW)


def test_what_is_not_a_key_is_refused_by_name(paths: Paths, tmp_path: Path) -> None:
    data = repo_key(f"file:{paths.repo_secret}", now=NOW).certificate
    flipped = bytearray(data)
    flipped[-5] ^= 1
    for bad in (b"", b"no key", data[:40], bytes(flipped), paths.artifact_public.read_bytes()):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(RequestError, match=f"^{tmp_path}/bad: .*; "):
            certificate.read(f"file:{tmp_path}/bad", NOW)
