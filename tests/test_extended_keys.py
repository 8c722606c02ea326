"""The same key with another certificate: extended, signed again, with other names, by gpg itself.

What is published keeps its bytes, whoever knows whichever form can check it, and no verb fails
half-way.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pysequoia
import pytest
from copied_sites import whole_copy
from made_keys import read
from test_rotation import apt

from kubewright.cli.shipped import shipped
from kubewright.errors import PublicationConflict
from kubewright.models.base import DAY
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing import forms, keyfile, keyring, openpgp
from kubewright.signing import verify as signatures
from kubewright.signing.keys import Paths, initialise, repo_key
from kubewright.signing.roles import Keys, RepoKey
from kubewright.site import layout
from kubewright.stages import channels, release, repair
from kubewright.stages.rotation import Step, rotate
from kubewright.stages.verify import verify

Tool = Callable[[str], Path]
SUITE = "stable-1.36"

MADE, EXTENDED = 1_790_000_000 - 1000, 1_790_000_100
"""When the key was made, before the release, and when its owner did something, after it."""

CHANGES: Mapping[str, tuple[str, ...]] = {
    "extended": ("--quick-set-expire", "KEY", "1y"),
    "with another name": ("--quick-add-uid", "KEY", "Another <a@example.org>"),
    "with a revoked name": ("--quick-revoke-uid", "KEY", "First <first@example.org>"),
    "signed again": ("--quick-set-expire", "KEY", "2y"),
    "with a subkey": ("--quick-add-key", "KEY", "rsa3072", "sign", "1y"),
    "with a stranger's signature": ("--local-user", "stranger", "--quick-sign-key", "KEY"),
    "for ever": ("--quick-set-expire", "KEY", "0"),
}
"""What the owner does with gpg, one after the other."""

REPLACED = (
    "channels/", "index.html", "docs/", "install.sh", "keys/", "minors/",
    "publications/finished.json", "publications/site.json",
    "releases/index.json", "releases/graph.json", "apt/dists/", f"yum/{SUITE}/", "yum/stable/",
    "yum/latest/", layout.TIMESTAMP,
)  # fmt: skip
"""What a site replaces with every publication; all the rest is written once."""


class Owner:
    """Who has a key, and gpg."""

    def __init__(self, home: str, tool: Tool, paths: Paths) -> None:
        self.home, self.gpg, self.paths = home, tool("gpg"), paths
        self.at("now", "--import", paths.repo_secret)
        self.fingerprint = repo_key(f"file:{paths.repo_secret}", now=MADE).fingerprint

    def at(self, when: int | str, *words: str | Path) -> None:
        fake = [] if when == "now" else ["--faked-system-time", f"{when}!"]
        quiet = ["--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        run([self.gpg, "--homedir", self.home, *quiet, *fake, *words])

    def exported(self, when: int) -> bytes:
        """The certificate as gpg passes it on."""
        path = Path(self.home) / "certificate"
        self.at(when, "--output", path, "--export", self.fingerprint)
        return path.read_bytes()

    def form(self, when: int, change: tuple[str, ...]) -> bytes:
        """The key file as gpg exports it after a change."""
        self.at(when, *(self.fingerprint if word == "KEY" else word for word in change))
        path = Path(self.home) / "exported"
        self.at(when, "--output", path, "--export-secret-keys", self.fingerprint)
        return path.read_bytes()


@pytest.fixture(scope="module")
def home_of_gpg(tool: Tool) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        yield home
        run([tool("gpgconf"), "--homedir", home, "--kill", "all"])


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("keys") / "first"
    return initialise(folder, "First <first@example.org>", now=MADE, expires_days=30)


@pytest.fixture(scope="module")
def key_files(
    tool: Tool, home_of_gpg: str, paths: Paths, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A key file of each form, in the order of time."""
    owner = Owner(home_of_gpg, tool, paths)
    owner.at(MADE, "--quick-generate-key", "stranger <s@example.org>", "rsa3072", "sign", "never")
    found = {"as made": paths.repo_secret}
    for number, (name, change) in enumerate(CHANGES.items()):
        path = tmp_path_factory.mktemp("forms") / "key"
        path.write_bytes(owner.form(EXTENDED + 10 * number, change))
        path.chmod(0o600)
        path.with_suffix(".pub").write_bytes(owner.exported(EXTENDED + 10 * number))
        found[name] = path
    return found


def extended(owner: Owner, folder: Path) -> RepoKey:
    path = folder / "extended"
    path.write_bytes(owner.form(EXTENDED + 50, CHANGES["extended"]))
    path.chmod(0o600)
    return key_of(path)


def key_of(path: Path) -> RepoKey:
    return repo_key(f"file:{path}", now=EXTENDED)


@pytest.fixture(scope="module")
def keys_of(key_files: dict[str, Path]) -> dict[str, RepoKey]:
    return {name: key_of(path) for name, path in key_files.items()}


# ── What a certificate says, by Sequoia ──────────────────────────────────────────────────────


def signs_at(key: RepoKey, certificate: bytes, when: int) -> bool:
    """Whether Sequoia takes a signature of that time."""

    def by(digest: bytes) -> bytes:
        return key.signer.sign_digest(digest, "sha512")

    made = openpgp.signature(key.key, by, openpgp.BINARY, [b"text"], when)
    return signatures.is_detached(b"text", made, [certificate])


def moments() -> Iterator[int]:
    """Before, at and after all that happened."""
    for happened in (MADE, *(EXTENDED + 10 * number for number in range(len(CHANGES)))):
        yield from (happened - 1, happened, happened + 1)
    yield from (MADE + 30 * DAY - 1, MADE + 30 * DAY, MADE + 400 * DAY)


def sequoia_agrees(key: RepoKey, certificate: bytes) -> None:
    """Our idea of when a key can sign is that of the readers of its certificate."""
    whole = keyfile.public(certificate, place="here")
    for when in filter(lambda when: when < EXTENDED + 1000, moments()):
        ours = whole.moment(when) == when and (whole.expires is None or when < whole.expires)
        assert signs_at(key, certificate, when) == ours, when - MADE
    assert whole.expires == signatures_end(certificate)


def signatures_end(certificate: bytes) -> int | None:
    end = pysequoia.Cert.from_bytes(certificate).expiration
    return int(end.timestamp()) if end else None


def test_each_form_signs_when_sequoia_says_so(keys_of: dict[str, RepoKey]) -> None:
    for key in keys_of.values():
        sequoia_agrees(key, key.certificate)


def test_whatever_form_follows_another_nothing_before_it_moves(
    keys_of: dict[str, RepoKey],
) -> None:
    for one, other in permutations(keys_of.values(), 2):
        whole = forms.continued(one.certificate, other.certificate)
        sequoia_agrees(one, whole)
        after = keyfile.public(whole, place="here")
        for when in filter(lambda when: one.expires is None or when < one.expires, moments()):
            assert after.moment(when) == one.moment(when)
        assert signatures.is_part(one.certificate, whole)
        assert forms.continued(whole, one.certificate) == whole
        assert forms.continued(whole, other.certificate) == whole


def test_a_subkey_and_a_strangers_signature_are_not_handed_out(
    keys_of: dict[str, RepoKey],
) -> None:
    same = ("signed again", "with a subkey", "with a stranger's signature")
    assert len({keys_of[name].certificate for name in same}) == 1


def test_a_name_that_is_revoked_is_not_the_name_of_the_key(keys_of: dict[str, RepoKey]) -> None:
    assert keys_of["as made"].user_id == "First <first@example.org>"
    assert keys_of["with a revoked name"].user_id == "Another <a@example.org>"
    whole = forms.continued(keys_of["as made"].certificate, keys_of["for ever"].certificate)
    assert keyfile.public(whole, place="here").user_id == "Another <a@example.org>"


def test_what_was_made_while_a_key_had_expired_is_dated_when_it_signs_again(
    tool: Tool, paths: Paths
) -> None:
    late = MADE + 40 * DAY
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        owner = Owner(home, tool, paths)
        given = owner.form(late, CHANGES["extended"])
        run([tool("gpgconf"), "--homedir", home, "--kill", "all"])
    first = key_of(paths.repo_secret)
    whole = forms.continued(first.certificate, keyfile.own_form(given, place="here"))
    key = keyfile.public(whole, place="here")
    ended = MADE + 30 * DAY
    assert key.lapses == ((ended, late),)
    assert [key.moment(when) for when in (MADE - 1, MADE, ended - 1, ended, late - 1, late)] == [
        MADE, MADE, ended - 1, late, late, late,
    ]  # fmt: skip
    for when in (ended - 1, ended, late - 1, late, late + 1):
        assert signs_at(first, whole, when) == (key.moment(when) == when), when


def test_a_signature_in_the_keys_name_that_it_did_not_make_counts_for_nothing(
    keys_of: dict[str, RepoKey],
) -> None:
    """It would be the earliest word, and move every date."""
    key = keys_of["extended"]
    other = keys_of["as made"].certificate
    packets = keyfile.own_packets(other, place="here")
    forged = bytearray(keyfile.copied(packets[1:]))
    forged[-1] ^= 1
    read_again = keyfile.public(key.certificate + bytes(forged), place="here")
    assert read_again == replace_public(key)
    assert keyfile.public(key.certificate + keyfile.copied(packets[1:]), place="").created == MADE


def replace_public(key: RepoKey) -> object:
    return keyfile.public(key.certificate, place="here")


def test_no_key_is_believed_for_lying_in_a_keyring(keys_of: dict[str, RepoKey], keys: Keys) -> None:
    own = keys_of["as made"].certificate
    stranger = keys.repo.certificate
    assert forms.widened([own], stranger) == [own]
    assert forms.widened([own], b"nothing") == [own]
    name = stranger.index(keys.repo.user_id.encode()) - 2  # behind its packet's head
    grown = own + stranger[name:]  # a stranger's name and signature
    assert forms.widened([own], grown) == [own]


# ── What a site does ─────────────────────────────────────────────────────────────────────────


class Place:
    """A site with one release, made with the key as it was made."""

    def __init__(self, settings: Settings, keys: Keys, next_key: RepoKey) -> None:
        self.settings, self.keys, self.next = settings, keys, next_key
        self.root = Path(settings.site)

    def copied(self, folder: Path) -> "Place":
        return Place(whole_copy(self.settings, folder / "home"), self.keys, self.next)

    def later(self, **changes: object) -> Settings:
        return self.settings.model_copy(update={"now": EXTENDED + 1000, **changes})

    def bytes_of(self) -> dict[str, bytes]:
        """All that is written once."""
        return {
            name: path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
            and not (name := str(path.relative_to(self.root))).startswith(REPLACED)
            and not layout.is_page(name)
        }

    def is_sound_for(self, *forms: RepoKey) -> None:
        """For who knows any of these forms, the root, or all that the publisher has."""
        public = self.keys.artifact.public_pem
        given = [[form.certificate, public] for form in forms]
        given += [[form.certificate for form in forms], [self.keys.root or b""]]
        for trusted in given:
            report = verify(str(self.root), trusted, now=EXTENDED + 1000)
            assert not report.findings, report.findings[:3]

    def holds_for_apt_3(self, tool: Tool) -> None:
        """Every OpenPGP signature holds for sqv and gpgv, by the keyring of the site."""
        ring = self.root / layout.KEYRING
        signed = [
            (path, path.with_suffix(""))
            for path in sorted(self.root.rglob("*"))
            if path.suffix in (".asc", ".gpg") and path.with_suffix("").is_file()
        ]
        assert len(signed) > 10
        for signature, data in signed:
            run([tool("sqv"), "--keyring", ring, signature, data])
            run([tool("gpgv"), "--keyring", ring, signature, data])


@pytest.fixture(scope="module")
def first_place(
    released: Settings,
    compiled: dict[str, object],
    paths: Paths,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    home = whole_copy(released, tmp_path_factory.mktemp("first") / "home")
    shutil.rmtree(home.site)
    # Real clients go by the machine's clock, which is long after the site's.
    settings = home.model_copy(update={**compiled, "valid_for": 0})
    keys = read(paths, now=MADE)
    next_key = repo_key(f"file:{paths.next_secret}", now=MADE)
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        at = settings.model_copy(update={"now": settings.now + number})
        release.release(version, at, shipped(), replace(keys, coming=next_key))
    return Place(settings, replace(keys, coming=next_key), next_key)


@pytest.fixture
def place(first_place: Place, tmp_path: Path) -> Place:
    return first_place.copied(tmp_path)


def refreshed(place: Place, keys: Keys) -> None:
    channels.refresh(place.later(), shipped(), keys)


def rolled_back(place: Place, keys: Keys) -> None:
    channels.rollback(SUITE, place.later(), shipped(), keys, None)


def another_release(place: Place, keys: Keys) -> None:
    release.release("v1.35.9", place.later(), shipped(), keys)


def next_revision(place: Place, keys: Keys) -> None:
    with pytest.raises(PublicationConflict, match="choose the next revision with --revision"):
        release.release("v1.36.4", place.later(), shipped(), keys)
    release.release("v1.36.4", place.later(revision=2), shipped(), keys)


def repaired(place: Place, keys: Keys) -> None:
    damaged = sorted(place.root.glob("publications/**/*.asc"))
    kept = {path: path.read_bytes() for path in damaged}
    for path in damaged:
        path.unlink()
    report, _ = repair.repair_site(place.later(), shipped(), keys)
    assert not report.findings
    assert {path: path.read_bytes() for path in damaged} == kept


def announced(place: Place, keys: Keys) -> None:
    rotate(Step.announce, place.later(), shipped(), keys)


VERBS = {
    "refresh": refreshed,
    "rollback": rolled_back,
    "release": another_release,
    "release --revision": next_revision,
    "repair": repaired,
    "key rotate announce": announced,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_with_an_extended_key_changes_no_byte_that_exists(
    place: Place, keys_of: dict[str, RepoKey], verb: str, tool: Tool
) -> None:
    before = place.bytes_of()
    old, new = keys_of["as made"], keys_of["extended"]
    VERBS[verb](place, replace(place.keys, repo=new))
    assert place.bytes_of().items() >= before.items()
    place.is_sound_for(old, new)
    place.holds_for_apt_3(tool)
    ring = keyring.certificates((place.root / layout.KEYRING).read_bytes(), place="here")
    assert ring[old.fingerprint] == forms.continued(old.certificate, new.certificate)


@pytest.mark.parametrize("name", CHANGES)
def test_every_form_of_a_key_goes_on_where_another_has_published(
    place: Place, keys_of: dict[str, RepoKey], name: str, tool: Tool
) -> None:
    """And the form from before goes on after it: whoever publishes has an old file, or a new."""
    before = place.bytes_of()
    old, new = keys_of["as made"], keys_of[name]
    for number, key in enumerate((new, old, new)):
        settings = place.later(now=EXTENDED + 1000 + number)
        keys = replace(place.keys, repo=key)
        channels.rollback(SUITE, settings, shipped(), keys, 1 + number % 2)
        assert place.bytes_of().items() >= before.items()
    place.is_sound_for(old, new)
    place.holds_for_apt_3(tool)


def test_apt_reads_the_site_with_the_keyring_that_it_hands_out(
    place: Place, keys_of: dict[str, RepoKey], tool: Tool, tmp_path: Path
) -> None:
    refreshed(place, replace(place.keys, repo=keys_of["extended"]))

    class Site:
        root = place.root

    old, new = keys_of["as made"], keys_of["extended"]
    whole = forms.as_known(new, {old.fingerprint: old.certificate})
    said = {}
    for name, key in {"old": old, "new": new, "both": whole}.items():
        folder = tmp_path / name
        folder.mkdir()
        said[name] = apt(Site(), folder, [key], tool)
    assert (said["new"], said["both"]) == ("", "")
    ended = time.time() >= MADE + 30 * DAY
    assert ("EXPKEYSIG" in said["old"]) == ended


def test_packages_are_made_again_byte_for_byte_whatever_the_certificate_says_since(
    place: Place, keys_of: dict[str, RepoKey], tool: Tool
) -> None:
    shutil.rmtree(place.settings.dist)
    next_revision(place, replace(place.keys, repo=keys_of["for ever"]))
    made = sorted(place.settings.dist.glob("v1.36.4-1/signed/rpm/*.rpm"))
    assert len(made) > 5
    for path in made:
        published = (place.root / layout.rpm_path(path.name)).read_bytes()
        same = path.read_bytes() == published
        assert same != path.name.startswith("kubewright-archive-keyring"), path.name
        run([tool("rpm"), "-K", "--nosignature", path])
    keyrings = [path.name for path in made if path.name.startswith("kubewright-archive-keyring")]
    (name,) = keyrings
    assert (place.root / layout.rpm_path(name)).is_file()  # of the same version: the date stays


def test_who_extends_a_key_is_told_whom_it_does_not_reach(
    place: Place, keys_of: dict[str, RepoKey], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        refreshed(place, replace(place.keys, repo=keys_of["extended"]))
        first, *more = [line for line in caplog.messages if "its certificate says more" in line]
        refreshed(place, replace(place.keys, repo=keys_of["extended"]))
    assert more == []
    assert first.startswith(f"key {place.keys.fingerprint}: ")
    assert "dnf, rpm and zypper never learn it" in first
    assert "from 2026-10-21 on. Rotate to the next key before then" in first
    assert len([line for line in caplog.messages if "its certificate says more" in line]) == 1


def test_a_rotation_goes_on_when_either_key_is_extended_on_the_way(
    place: Place, keys_of: dict[str, RepoKey], paths: Paths, tool: Tool, tmp_path: Path
) -> None:
    before = place.bytes_of()
    old, new = keys_of["as made"], keys_of["extended"]
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        longer = extended(
            Owner(home, tool, replace(paths, repo_secret=paths.next_secret)), tmp_path
        )
        run([tool("gpgconf"), "--homedir", home, "--kill", "all"])
    coming = place.next
    (tmp_path / "old.asc").write_text(old.armored)
    steps = {
        Step.announce: replace(place.keys, repo=old, coming=longer),
        Step.overlap: replace(place.keys, repo=new, coming=coming, second=longer),
        Step.switch: replace(place.keys, repo=longer, coming=None, second=new),
        Step.retire: replace(place.keys, repo=coming, coming=None, second=None),
    }
    for number, (step, keys) in enumerate(steps.items()):
        settings = place.later(now=EXTENDED + 1000 + number, trust=(tmp_path / "old.asc",))
        rotate(step, settings, shipped(), keys)
        assert place.bytes_of().items() >= before.items(), step
        before = place.bytes_of()
        place.is_sound_for(*((coming, longer) if keys.repo in (coming, longer) else (old, new)))
    place.holds_for_apt_3(tool)


def test_what_older_snapshots_say_of_the_next_key_is_restored_as_it_was(
    place: Place, paths: Paths, tool: Tool, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        longer = extended(
            Owner(home, tool, replace(paths, repo_secret=paths.next_secret)), tmp_path
        )
        run([tool("gpgconf"), "--homedir", home, "--kill", "all"])
    keys = replace(place.keys, coming=longer)
    refreshed(place, keys)
    before = place.bytes_of()
    hints = [name for name in before if "/gpg-pubkey-" in name]
    assert len({before[name] for name in hints}) == 2  # as announced first, and as extended
    for name in hints:
        (place.root / name).unlink()
    repair.repair_site(place.later(now=EXTENDED + 2000), shipped(), keys)
    assert place.bytes_of() == before


def test_who_knows_the_form_from_before_does_not_believe_it_after_its_end(
    place: Place, keys_of: dict[str, RepoKey]
) -> None:
    old, new = keys_of["as made"], keys_of["extended"]
    late = place.later(now=MADE + 31 * DAY)
    channels.refresh(late, shipped(), replace(place.keys, repo=new))
    public = place.keys.artifact.public_pem
    found = verify(str(place.root), [old.certificate, public], now=late.now).findings
    assert any("the key was not valid then" in one.problem for one in found)
    for trusted in ([new.certificate, public], [place.keys.root or b""]):
        assert not verify(str(place.root), trusted, now=late.now).findings


def test_a_form_that_no_publication_names_is_found(
    place: Place, keys_of: dict[str, RepoKey]
) -> None:
    """What the key has said itself, but a stranger has put there."""
    longer = keys_of["for ever"]
    armored = longer.armored.encode()
    for name, data in {
        layout.KEYRING: longer.certificate + place.next.certificate,
        layout.KEYRING_ARMORED: armored + place.next.armored.encode(),
        layout.key_history(f"{longer.fingerprint}.asc"): armored,
    }.items():
        (place.root / name).write_bytes(data)
    given = [keys_of["as made"].certificate, place.keys.artifact.public_pem]
    found = verify(str(place.root), given, now=EXTENDED + 1000).findings
    assert any("is not the certificate that was given" in one.problem for one in found)


def test_who_has_the_certificate_from_gpg_can_check_the_site_before_and_after(
    place: Place, key_files: dict[str, Path], keys_of: dict[str, RepoKey], tmp_path: Path
) -> None:
    """With subkeys, signatures of others, and without what gpg has dropped."""
    public = place.keys.artifact.public_pem
    given = {name: key_files[name].with_suffix(".pub").read_bytes() for name in CHANGES}
    for data in given.values():
        assert not verify(str(place.root), [data, public], now=EXTENDED + 1000).findings
    refreshed(place, replace(place.keys, repo=keys_of["for ever"]))
    for data in given.values():
        assert not verify(str(place.root), [data, public], now=EXTENDED + 1000).findings
    trust = tmp_path / "trust.gpg"
    trust.write_bytes(given["with a subkey"])
    settings = place.later(now=EXTENDED + 1001, trust=(trust,))
    channels.rollback(SUITE, settings, shipped(), place.keys, None)
    place.is_sound_for(keys_of["as made"])


def test_rpm_knows_the_packages_by_the_certificate_that_the_site_hands_out(
    place: Place, keys_of: dict[str, RepoKey], tool: Tool, tmp_path: Path
) -> None:
    another_release(place, replace(place.keys, repo=keys_of["extended"]))
    packages = sorted((place.root / "yum/pool").glob("*.rpm"))
    for name, text in {
        "old": keys_of["as made"].armored.encode(),
        "site's": (place.root / layout.KEYRING_ARMORED).read_bytes(),
    }.items():
        (tmp_path / "ring.asc").write_bytes(text)
        base: list[str | Path] = [tool("rpmkeys"), "--dbpath", tmp_path / name]
        run([*base, "--import", tmp_path / "ring.asc"])
        run([*base, "--define", "_pkgverify_level signature", "-K", *packages])


def test_a_picture_is_read_and_not_handed_out(keys_of: dict[str, RepoKey]) -> None:
    key = keys_of["as made"]
    body = b"\xff" + (10_017).to_bytes(4) + b"\x01\x10\x00\x01\x01" + bytes(12) + bytes(10_000)

    def by(digest: bytes) -> bytes:
        return key.signer.sign_digest(digest, "sha512")

    signed = (openpgp.framed(key.key.body), b"\xd1", len(body).to_bytes(4), body)
    word = openpgp.signature(key.key, by, openpgp.POSITIVE_CERTIFICATION, signed, EXTENDED)
    whole = key.certificate + openpgp.packet(17, body) + word
    assert keyfile.public(whole, place="here").certificate == key.certificate
    (known,) = keyring.certificates(whole, place="here").values()
    assert signatures.is_part(key.certificate, known)
    assert not signatures.is_part(known, key.certificate)
    assert forms.widened([whole], key.certificate) != []


def test_the_first_publication_hands_out_the_form_that_it_is_given(
    place: Place, keys_of: dict[str, RepoKey]
) -> None:
    shutil.rmtree(place.root)
    release.release(
        "v1.36.4", place.later(), shipped(), replace(place.keys, repo=keys_of["extended"])
    )
    place.is_sound_for(keys_of["extended"])
    old = replace(place.keys, repo=keys_of["as made"])
    before = place.bytes_of()
    release.release("v1.36.4", place.later(now=EXTENDED + 1001), shipped(), old)
    release.release("v1.35.9", place.later(now=EXTENDED + 1002), shipped(), old)
    assert place.bytes_of().items() >= before.items()
    place.is_sound_for(keys_of["as made"], keys_of["extended"])
