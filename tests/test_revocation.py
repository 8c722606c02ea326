"""A key that has leaked is revoked: real clients, what its thief signs later, and the way on."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from copied_sites import whole_copy
from made_keys import following, made
from rotations import Pair, Site, made_pair
from test_rotation import CLIENTS, SUITE, ring

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.models.manifest import Manifest
from kubewright.models.site import State
from kubewright.repos import packed, yum
from kubewright.settings import Settings
from kubewright.signing import openpgp
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.reader import Reader
from kubewright.stages import repair
from kubewright.stages.channels import rollback
from kubewright.stages.revocation import Done, revoke
from kubewright.stages.site import published_keys
from kubewright.stages.store import store
from kubewright.stages.verify import verify

Tool = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of both repository keys lie."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def pair(folder: Path, released: Settings) -> Pair:
    return made_pair(folder, now=released.now)


@pytest.fixture(scope="module")
def whole(folder: Path, released: Settings) -> Keys:
    return made(folder / "whole", "whole", now=released.now)


@pytest.fixture(scope="module")
def begun(
    tmp_path_factory: pytest.TempPathFactory,
    released: Settings,
    pair: Pair,
    whole: Keys,
    folder: Path,
    compiled: dict[str, object],
) -> Site:
    """A site with two releases of the old key, which has announced the new one. Tests only read
    it.
    """
    home = whole_copy(released, tmp_path_factory.mktemp("begun") / "home")
    trust = (folder / "old/repo-key.pub.asc",)
    settings = home.model_copy(update={**compiled, "valid_for": 0, "trust": trust})
    site = Site(settings, pair, whole)
    site.release("v1.36.3", site.keys(None))
    site.release("v1.36.4", site.keys(None))
    return site


@pytest.fixture
def site(begun: Site, tmp_path: Path) -> Site:
    """A copy of that site, with all that was built for it."""
    mine = copy(begun)
    mine.home = whole_copy(begun.home, tmp_path / "home")
    return mine


@pytest.fixture
def secret(pair: Pair, folder: Path) -> Path:
    """The file of the old key's secret half, which its owner still has."""
    assert pair.old.armored == (folder / "old/repo-key.pub.asc").read_text()
    return folder / "old/repo-key.asc"


def after(site: Site) -> Keys:
    """The keys of whoever goes on with the new repository key."""
    return site.signed_by(site.pair.new, None, None)


def end(site: Site, path: Path, keys: Keys | None = None) -> Done:
    site.now += 60
    settings = site.home.model_copy(update={"now": site.now})
    return revoke(path, settings, shipped(), keys or after(site))


def state_of(site: Site) -> State:
    state = Reader(store(site.home)).present().state
    assert state is not None
    return state


def findings(site: Site, *trusted: bytes) -> list[str]:
    report = verify(site.home.site, trusted, now=site.now)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def trusting(site: Site) -> list[bytes]:
    return [site.pair.new.certificate, site.whole.artifact.public_pem]


def listed(site: Site, channel: str = SUITE) -> Iterator[Path]:
    """Every rpm that the yum repositories of a channel list now."""
    reader = Reader(store(site.home))
    record = reader.channel(state_of(site), channel)
    assert record is not None
    for base, repodata in record.repodata.items():
        path = (
            f"{layout.yum_path(channel, base)}/{yum.data_name('primary', repodata.plain_primary)}"
        )
        index = yum.read(reader.content(repodata.plain_primary, path), path)
        for entry in packed.listed(index, index.groups, yum.parsed):
            yield site.root / layout.rpm_path(entry.name)


def test_what_is_served_depends_on_the_key_that_follows_and_on_no_other(
    site: Site, pair: Pair, secret: Path, tmp_path: Path, tool: Tool
) -> None:
    done = end(site, secret)
    assert done.affected == ("v1.36.4-1",)
    assert len(done.withheld) > 10
    for path in (layout.KEYRING, layout.KEYRING_ARMORED):
        shown = gpg(tool, tmp_path, "--show-keys", site.root / path)
        assert pair.new.fingerprint in shown
        assert pair.old.fingerprint not in shown
    own = gpg(tool, tmp_path, "--show-keys", site.root / f"keys/history/{pair.old.fingerprint}.asc")
    assert "[revoked: " in own
    found = {}
    for knows in ("old", "both", "new"):
        reading = []
        for name, client in CLIENTS.items():
            folder = tmp_path / f"{knows}-{name}"
            folder.mkdir()
            if not client(site, folder, ring(pair, knows), tool):
                reading.append(name)
        found[knows] = " ".join(reading)
    assert found == {"old": "", "both": "apt dnf zypper", "new": "apt dnf zypper"}
    assert [*listed(site)] == []
    packages = site.root / f"apt/dists/{SUITE}/main/binary-amd64/Packages"
    assert "Package: kubelet\n" in packages.read_text()


def gpg(tool: Tool, home: Path, *words: str | Path, typed: str = "") -> str:
    argv: list[str | Path] = [tool("gpg"), "--homedir", home, *words]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, input=typed)
    return done.stdout


@pytest.fixture
def agent(tool: Tool) -> Iterator[Path]:
    """A home of gpg with a short path, because its agent's socket is in there."""
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        yield Path(home)
        subprocess.run([tool("gpgconf"), "--homedir", home, "--kill", "all"], check=True)


def test_a_site_is_sound_after_a_revocation_for_all_who_know_the_new_key_or_the_root(
    site: Site, secret: Path
) -> None:
    end(site, secret)
    assert findings(site, *trusting(site)) == []
    assert findings(site, site.whole.root or b"") == []
    assert findings(site, *published_keys(site.home, after(site))) == []
    assert findings(site) == []
    assert state_of(site).revoked.keys() == {site.pair.old.fingerprint}


def test_the_next_revision_fills_the_yum_repositories_with_rpms_of_the_new_key_alone(
    site: Site, pair: Pair, secret: Path, tool: Tool, tmp_path: Path
) -> None:
    end(site, secret)
    site.home = site.home.model_copy(update={"revision": 2})
    with pytest.raises(KubewrightError, match=r"a key that has been revoked .* --raise-companions"):
        site.release("v1.36.4", after(site))
    site.home = site.home.model_copy(update={"raise_companions": 1})
    site.release("v1.36.4", after(site))
    rpms = [*listed(site)]
    assert len({path.name for path in rpms}) > 10
    (tmp_path / "new.asc").write_text(pair.new.armored)
    database: list[str | Path] = ["--dbpath", tmp_path / "db"]
    subprocess.run([tool("rpmkeys"), *database, "--import", tmp_path / "new.asc"], check=True)
    subprocess.run([tool("rpmkeys"), *database, "-K", *rpms], check=True, capture_output=True)
    assert findings(site, *trusting(site)) == []
    ring = Manifest.from_bytes((site.root / "releases/v1.36.4-2/manifest.json").read_bytes())
    assert {one.signing_key for one in ring.packages} == {None, pair.new.fingerprint}


def test_going_back_brings_none_of_its_rpms_back_and_repair_neither(
    site: Site, secret: Path
) -> None:
    end(site, secret)
    site.home = site.home.model_copy(update={"revision": 2, "raise_companions": 1})
    site.release("v1.36.4", after(site))
    site.now += 60
    settings = site.home.model_copy(update={"now": site.now})
    rollback(SUITE, settings, shipped(), after(site), 1)
    assert [*listed(site)] == []
    assert findings(site, *trusting(site)) == []
    for path in site.root.glob(f"apt/dists/{SUITE}/main/**/*"):
        if path.is_file():
            path.unlink()
    for path in site.root.glob(f"yum/{SUITE}/*/repodata/*"):
        path.unlink()
    repair.repair_site(settings, shipped(), after(site))
    assert [*listed(site)] == []
    assert findings(site, *trusting(site)) == []


STOLEN: dict[str, Callable[[Site], str]] = {
    "InRelease": lambda _site: f"apt/dists/{SUITE}/Release.gpg",
    "repository": lambda _site: f"yum/{SUITE}/x86_64/repodata/repomd.xml.asc",
    "state": lambda site: f"{copy_of_state(site)}.asc",
    "index": lambda site: f"{copy_of_index(site)}.asc",
    "channel": lambda site: f"{copy_of_channel(site)}.asc",
}  # fmt: skip
"""What the thief of the old key signs after its revocation."""


def copy_of_state(site: Site) -> str:
    present = Reader(store(site.home)).present()
    return layout.state_copy(state_of(site).number, present.sha256 or "")


def copy_of_index(site: Site) -> str:
    copy = state_of(site).index
    return layout.index_copy(copy.sequence, copy.sha256)


def copy_of_channel(site: Site) -> str:
    copy = state_of(site).channels[SUITE]
    return layout.channel_copy(SUITE, copy.sequence, copy.sha256)


@pytest.mark.parametrize("what", STOLEN)
def test_what_its_thief_signs_later_counts_for_nobody(
    site: Site, secret: Path, pair: Pair, what: str
) -> None:
    end(site, secret)
    path = site.root / STOLEN[what](site)
    signed = path.with_suffix("").read_bytes()
    path.unlink()
    made = pair.old.detached(signed, pair.old.moment(site.now))
    path.write_bytes(openpgp.armored("SIGNATURE", made))
    for trusted in (trusting(site), [], [pair.old.certificate, *trusting(site)]):
        found = findings(site, *trusted)
        assert any(str(path.relative_to(site.root)) in one for one in found), found


def test_a_revoked_key_signs_and_announces_nothing_more(
    site: Site, secret: Path, folder: Path
) -> None:
    end(site, secret)
    site.home = site.home.model_copy(update={"trust": (folder / "new/repo-key.pub.asc",)})
    old, new = site.pair
    for keys in (
        site.signed_by(old, None, None),
        site.signed_by(new, old, None),
        site.signed_by(new, None, old),
    ):
        with pytest.raises(KubewrightError, match="has revoked this key on"):
            site.release("v1.35.9", keys)


def test_a_revocation_is_made_once_and_can_be_made_visible_later(
    site: Site, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    public = secret.with_name("repo-key.pub.asc")
    assert end(site, public).changes
    assert "holds no revocation by the key itself" in caplog.text
    since = state_of(site).revoked
    assert not end(site, public).changes
    assert end(site, secret).changes
    assert not end(site, secret).changes
    assert state_of(site).revoked == since
    assert findings(site, *trusting(site)) == []


def test_a_revocation_that_gpg_has_made_is_taken(
    site: Site, secret: Path, tmp_path: Path, tool: Tool, agent: Path
) -> None:
    name = site.pair.old.fingerprint
    gpg(tool, agent, "--import", secret)
    said = gpg(
        tool, agent, "--no-tty", "--command-fd", "0", "--gen-revoke", name, typed="y\n1\n\ny\n"
    )
    (agent / "revocation").write_text(said)
    gpg(tool, agent, "--import", agent / "revocation")
    (tmp_path / "revoked.asc").write_text(gpg(tool, agent, "--armor", "--export", name))
    done = end(site, tmp_path / "revoked.asc")
    assert done.key.says_so
    assert findings(site, *trusting(site)) == []


def test_a_key_that_was_never_announced_follows_with_trust(
    site: Site, secret: Path, tmp_path: Path
) -> None:
    paths = initialise(tmp_path / "other", "o <o@o>", now=site.now, expires_days=None)
    other = repo_key(f"file:{paths.repo_secret}", now=site.now)
    keys, home = site.signed_by(other, None, None), site.home
    site.home = home.model_copy(update={"trust": ()})
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        end(site, secret, keys)
    site.home = home
    end(site, secret, keys)
    assert findings(site, other.certificate, site.whole.artifact.public_pem) == []


def test_the_key_that_comes_next_can_leak_too(site: Site, pair: Pair, folder: Path) -> None:
    end(site, folder / "new/repo-key.asc", site.signed_by(pair.old, None, None))
    assert pair.new.certificate not in (site.root / layout.KEYRING).read_bytes()
    reader = Reader(store(site.home))
    record = reader.channel(state_of(site), SUITE)
    assert record is not None
    assert record.key_hint == ""
    assert len([*listed(site)]) > 10
    assert findings(site, pair.old.certificate, site.whole.artifact.public_pem) == []
    with pytest.raises(KubewrightError, match="has revoked this key on"):
        site.release("v1.35.9", site.keys(None))


def test_an_artifact_key_ends_with_a_next_root(site: Site, tmp_path: Path) -> None:
    old = site.whole
    (tmp_path / "artifact.pub").write_bytes(old.artifact.public_pem)
    fresh = made(tmp_path / "fresh", "fresh", now=site.now)
    other = site.keys(None)
    with pytest.raises(KubewrightError, match="which is to be revoked"):
        end(site, tmp_path / "artifact.pub", other)
    next_keys = following(other, replace(other, artifact=fresh.artifact), now=site.now)
    trust = (*site.home.trust, tmp_path / "artifact.pub")
    site.home = site.home.model_copy(update={"trust": trust})
    end(site, tmp_path / "artifact.pub", next_keys)
    assert old.artifact.pem not in (site.root / layout.ARTIFACT_KEY).read_bytes()
    trusted = [site.pair.old.certificate, fresh.artifact.public_pem]
    assert findings(site, *trusted) == []
    assert findings(site, next_keys.root or b"") == []
    index = site.root / layout.INDEX
    copy = state_of(site).index
    signature = site.root / f"{layout.index_copy(copy.sequence, copy.sha256)}.sig"
    signature.unlink()
    signature.write_bytes(old.artifact.sign(index.read_bytes()))
    assert any(".sig: " in one for one in findings(site, *trusted))


def stranger(site: Site, path: Path) -> bytes:
    return made(path.with_name("stranger"), "s", now=site.now).repo.certificate


WRONG: dict[str, tuple[Callable[[Site, Path], bytes], str]] = {
    "nothing": (lambda _site, _path: b"", "not an OpenPGP key|holds no OpenPGP key"),
    "text": (lambda _site, _path: b"hello", "not an OpenPGP key"),
    "the key that signs": (
        lambda site, _path: site.pair.new.armored.encode(),
        "--repo-key .* is to be revoked",
    ),
    "several keys": (
        lambda site, _path: site.pair.old.certificate + site.pair.new.certificate,
        "holds 2 certificates",
    ),
    "a stranger's": (stranger, "has never handed out the key"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_revoked_is_named_and_nothing_is_written(
    site: Site, tmp_path: Path, what: str
) -> None:
    make, why = WRONG[what]
    (tmp_path / "key").write_bytes(make(site, tmp_path / "key"))
    before = (site.root / layout.TIMESTAMP).read_bytes()
    with pytest.raises(KubewrightError, match=why):
        end(site, tmp_path / "key")
    assert (site.root / layout.TIMESTAMP).read_bytes() == before
