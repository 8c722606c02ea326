"""A repository key follows another: real apt, dnf and zypper that know the old key alone, both, or
the new one alone, at every step.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import private_apt
import pytest
from made_keys import made
from rotations import Pair, Site, made_pair

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import Keys, RepoKey
from kubewright.site import layout
from kubewright.site.reader import Reader
from kubewright.stages.rotation import Step, rotate
from kubewright.stages.site import published_keys
from kubewright.stages.store import store
from kubewright.stages.verify import verify

Tool = Callable[[str], Path]
SUITE = "stable-1.36"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, released: Settings) -> Pair:
    return made_pair(tmp_path_factory.mktemp("keys"), now=released.now)


@pytest.fixture
def whole(tmp_path: Path, home: Settings) -> Keys:
    """A set of keys, of which the repository key is going to be another."""
    return made(tmp_path / "whole", "whole", now=home.now)


@pytest.fixture
def site(home: Settings, pair: Pair, whole: Keys, compiled: dict[str, object]) -> Site:
    # Real clients go by the machine's clock, which is long after the site's.
    return Site(home.model_copy(update={**compiled, "valid_for": 0}), pair, whole)


def ring(pair: Pair, knows: str) -> list[RepoKey]:
    return {"old": [pair.old], "both": [pair.old, pair.new], "new": [pair.new]}[knows]


class Published(Protocol):
    """A site with a root on this machine."""

    @property
    def root(self) -> Path: ...


def apt(site: Published, folder: Path, keys: list[RepoKey], tool: Tool) -> str:
    """apt-get update in a root of its own; what it said if it failed or warned."""
    (folder / "ring.gpg").write_bytes(b"".join(key.certificate for key in keys))
    source = f"[signed-by={folder}/ring.gpg arch=amd64] file:{site.root}/apt {SUITE} main"
    more = private_apt.made(folder, source)
    words: list[str | Path] = [tool("apt-get"), "update"]
    done = run(words, env=more, codes=range(256))
    said = done.stdout + done.stderr
    return said if done.returncode or "W:" in said or "E:" in said else ""


def dnf(site: Published, folder: Path, keys: list[RepoKey], tool: Tool) -> str:
    """dnf makecache, with metadata that must be signed; what it said if it failed."""
    (folder / "repos").mkdir(parents=True)
    (folder / "ring.asc").write_text("".join(key.armored for key in keys))
    (folder / "repos/t.repo").write_text(
        f"[t]\nname=t\nbaseurl=file://{site.root}/yum/{SUITE}/x86_64/\ngpgcheck=1\n"
        f"repo_gpgcheck=1\ngpgkey=file://{folder}/ring.asc\nmetadata_expire=0\n"
    )
    (folder / "dnf.conf").write_text("[main]\n")
    flags: list[str | Path] = [
        "--config", folder / "dnf.conf", "--installroot", folder / "root", "--releasever", "9",
        "--forcearch", "x86_64", "--setopt", f"reposdir={folder}/repos",
        "--setopt", f"cachedir={folder}/cache",
    ]  # fmt: skip
    done = run([tool("dnf"), "-y", *flags, "makecache"], codes=range(256))
    for keyring in folder.glob("cache/*/pubring"):
        run([tool("gpgconf"), "--homedir", keyring, "--kill", "all"])
    return done.stdout + done.stderr if done.returncode else ""


def zypper(site: Published, folder: Path, keys: list[RepoKey], tool: Tool) -> str:
    """zypper refresh with keys in rpm's database alone; what it said if it failed."""
    root = folder / "root"
    (root / "etc/zypp/repos.d").mkdir(parents=True)
    (root / "var/lib/rpm").mkdir(parents=True)
    for number, key in enumerate(keys):
        (folder / f"{number}.asc").write_text(key.armored)
        run(
            [
                tool("rpmkeys"),
                "--root",
                root,
                "--dbpath",
                "/var/lib/rpm",
                "--import",
                folder / f"{number}.asc",
            ]
        )
    (root / "etc/zypp/repos.d/t.repo").write_text(
        f"[t]\nname=t\nenabled=1\nbaseurl=file://{site.root}/yum/{SUITE}/x86_64/\n"
        "gpgcheck=1\nrepo_gpgcheck=1\n"
    )
    command: list[str | Path] = [
        tool("zypper"),
        "--root",
        root,
        "--non-interactive",
        "refresh",
        "--force",
    ]
    done = run(command, codes=range(256))
    return done.stdout + done.stderr if done.returncode else ""


CLIENTS = {"apt": apt, "dnf": dnf, "zypper": zypper}

TABLE = {
    "announce": {"old": "apt dnf zypper", "both": "apt dnf zypper", "new": ""},
    "overlap": {"old": "apt dnf zypper", "both": "apt dnf zypper", "new": "apt dnf"},
    "switch": {"old": "apt dnf", "both": "apt dnf zypper", "new": "apt dnf zypper"},
    "retire": {"old": "", "both": "apt dnf zypper", "new": "apt dnf zypper"},
}
"""Which clients read the site at a step, by the keys that they know. zypper goes by the first
signature: one that knows the old key alone fails from the switch on, and one that was set up with
the new key alone only then begins to work.
"""


def test_at_every_step_the_clients_that_can_know_the_keys_read_the_site(
    site: Site, pair: Pair, tmp_path: Path, tool: Tool
) -> None:
    site.release("v1.36.4", site.keys(None, announced=False))
    for step in Step:
        site.rotate(step)
        found: dict[str, dict[str, str]] = {}
        for knows in ("old", "both", "new"):
            reading = []
            for name, client in CLIENTS.items():
                folder = tmp_path / f"{step}-{knows}-{name}"
                folder.mkdir()
                if not client(site, folder, ring(pair, knows), tool):
                    reading.append(name)
            found.setdefault(step, {})[knows] = " ".join(reading)
        assert found == {step: TABLE[step]}
        keys = site.keys(step)
        current = [keys.repo.certificate, keys.artifact.public_pem]
        for trusted in (published_keys(site.home, keys), current):
            report = verify(site.home.site, trusted, now=site.now)
            assert not report.findings, report.findings[:3]


def test_a_key_that_was_announced_from_the_first_day_takes_over_in_one_release(
    site: Site, pair: Pair, tmp_path: Path, tool: Tool
) -> None:
    site.release("v1.36.4", site.keys(None))
    ringed = site.root / layout.KEYRING
    assert ringed.read_bytes() == pair.old.certificate + pair.new.certificate
    third = initialise(tmp_path / "third", "third <t@t>", now=site.now, expires_days=None)
    further = repo_key(f"file:{third.repo_secret}", now=site.now)
    old = tmp_path / "old.pub.asc"
    old.write_text(pair.old.armored)
    site.home = site.home.model_copy(update={"trust": (old,)})
    site.release("v1.36.3", site.signed_by(pair.new, further, None))
    assert ringed.read_bytes() == b"".join(key.certificate for key in (pair.new, further, pair.old))
    for name, client in CLIENTS.items():
        folder = tmp_path / name
        folder.mkdir()
        assert client(site, folder, ring(pair, "both"), tool) == "", name


def test_repositories_hint_at_the_next_key_for_libzypp(site: Site, pair: Pair) -> None:
    site.release("v1.36.4", site.keys(None))
    reader = Reader(store(site.home))
    state = reader.present().state
    record = reader.channel(state, SUITE) if state else None
    assert record is not None
    name, _, fingerprint = pair.new.hint.partition("?fpr=")
    assert record.key_hint == pair.new.hint
    assert fingerprint == pair.new.fingerprint
    for base, repodata in record.repodata.items():
        for folder in (
            layout.yum_path(SUITE, base), layout.snapshot_path(SUITE, base, repodata.snapshot),
        ):  # fmt: skip
            repomd = (site.root / folder / "repodata/repomd.xml").read_text()
            assert f"<content>{pair.new.hint}</content>" in repomd
            assert (site.root / folder / name).read_text() == pair.new.armored
    assert not verify(
        site.home.site, published_keys(site.home, site.keys(None)), now=site.now
    ).findings


def test_steps_out_of_order_are_refused_and_nothing_is_written(site: Site, pair: Pair) -> None:
    site.release("v1.36.4", site.keys(None, announced=False))
    wrong = {
        Step.overlap: "has never been announced: clients would refuse what it signs",
        Step.switch: "this site is signed by .*, not by",
        Step.retire: "not signed by your keys",
    }
    pointer = (site.root / layout.TIMESTAMP).read_bytes()
    for step, why in wrong.items():
        with pytest.raises(KubewrightError, match=why):
            site.rotate(step)
    with pytest.raises(KubewrightError, match="no key to announce"):
        rotate(Step.announce, site.home, shipped(), site.keys(None, announced=False))
    assert (site.root / layout.TIMESTAMP).read_bytes() == pointer


def test_an_overlap_does_not_end_by_a_forgotten_option(site: Site) -> None:
    site.release("v1.36.4", site.keys(None))
    site.rotate(Step.overlap)
    with pytest.raises(KubewrightError, match=r"signs too, .* --second-repo-key, or end that"):
        site.release("v1.36.3", site.keys(None))
    site.release("v1.36.3", site.keys(Step.overlap))
    site.rotate(Step.switch)
    site.release("v1.35.9", site.keys(Step.switch))
    site.rotate(Step.retire)
    site.release("v1.35.9", site.keys(Step.retire))


def test_installers_that_know_either_key_find_their_signature_at_every_step(
    site: Site, pair: Pair, tool: Tool, tmp_path: Path
) -> None:
    site.release("v1.36.4", site.keys(None))
    knows = {
        Step.announce: {"old"}, Step.overlap: {"old", "new"}, Step.switch: {"old", "new"},
        Step.retire: {"new"},
    }  # fmt: skip
    for name, key in zip(("old", "new"), pair, strict=True):
        (tmp_path / f"{name}.gpg").write_bytes(key.certificate)
    for step, wanted in knows.items():
        site.rotate(step)
        reader = Reader(store(site.home))
        state = reader.present().state
        assert state is not None
        copy = layout.index_copy(state.index.sequence, state.index.sha256)
        found = set()
        for name in ("old", "new"):
            said = run(
                [tool("gpgv"), "--status-fd", "1", "--keyring", tmp_path / f"{name}.gpg",
                 site.root / f"{copy}.asc", site.root / copy],
                codes=range(256),
            ).stdout  # fmt: skip
            found |= {name} if "GOODSIG" in said else set()
        assert found == wanted, step


def test_a_publication_that_does_not_name_the_next_key_does_not_take_it_back(
    site: Site, pair: Pair
) -> None:
    site.release("v1.36.4", site.keys(None))
    site.release("v1.36.3", site.keys(None, announced=False))
    state = Reader(store(site.home)).present().state
    assert state is not None
    assert {key.id: key.role for key in state.keys if key.kind == "openpgp"} == {
        pair.old.fingerprint: "current",
        pair.new.fingerprint: "next",
    }
    record = Reader(store(site.home)).channel(state, SUITE)
    assert record is not None
    assert record.key_hint == pair.new.hint


def test_the_new_key_alone_does_not_end_an_overlap(site: Site, pair: Pair, tmp_path: Path) -> None:
    site.release("v1.36.4", site.keys(None))
    site.rotate(Step.overlap)
    old = tmp_path / "old.pub.asc"
    old.write_text(pair.old.armored)
    site.home = site.home.model_copy(update={"trust": (old,)})
    with pytest.raises(KubewrightError, match=r"signs too, .* --second-repo-key, or end that"):
        site.release("v1.36.3", site.keys(Step.retire))
