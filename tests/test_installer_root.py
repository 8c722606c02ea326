"""docs/install.sh --root against a real site over HTTP with real curl, jq and openssl; just the
package manager is a stand-in.
"""

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from copied_sites import whole_copy
from installer_machine import INSTALLER, Shells, debian, every_shell, script, told
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import Root

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.metadata import formats
from kubewright.metadata.formats import RoleKey
from kubewright.models.base import Arch
from kubewright.settings import Settings
from kubewright.signing import roots
from kubewright.signing.keys import artifact_key, freshness_key, initialise, repo_key, root_key
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import channels, move, publish, release
from kubewright.workspace import Workspace

CHANNEL = "stable-1.36"
Installer = Callable[..., subprocess.CompletedProcess[str]]
Said = dict[str, Any]
"""What metadata says under `signed`."""


# ── Somebody who publishes a site ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Held:
    """All keys of somebody, whose root is the first of a site."""

    keys: Keys
    root: RoleKey
    artifact_public: Path


def held(folder: Path, now: int) -> Held:
    made = initialise(folder, "Somebody <s@example.org>", now=now, expires_days=None)
    keys = Keys(
        repo=repo_key(f"file:{made.repo_secret}", now=now),
        artifact=artifact_key(f"file:{made.artifact_secret}"),
        freshness=freshness_key(f"file:{made.freshness_secret}"),
        root=made.root.read_bytes(),
    )
    return Held(keys, root_key(f"file:{made.root_secret}").role_key, made.artifact_public)


def canonical(value: Any) -> str:
    """The text of JSON that keys sign."""
    return encode_canonical(value) or ""


def signature(key: RoleKey, said: Said, *, under: str = "") -> dict[str, str]:
    """A signature of a key, perhaps under the id of another."""
    return {"keyid": under or key.id, "sig": key.sign(canonical(said).encode()).hex()}


def document(said: Said, *made: dict[str, str]) -> bytes:
    return json.dumps({"signatures": made, "signed": said}).encode()


def signed(said: Said, *keys: RoleKey) -> bytes:
    return document(said, *(signature(key, said) for key in keys))


def same(_said: Said) -> None:
    """Change nothing."""


class Owner:
    """Somebody who publishes a site, as others know to sign for it too."""

    def __init__(self, home: Settings, mine: Held, other: Held) -> None:
        self.home, self.mine, self.other = home, mine, other
        self.keys, self.signer = mine.keys, mine.root

    @property
    def site(self) -> Path:
        return Path(self.home.site)

    @property
    def root(self) -> str:
        """What --root is given: the digest of the first root."""
        return files.sha256(self.mine.keys.root or b"")

    @property
    def artifact(self) -> RoleKey:
        return self.keys.roles.artifact

    @property
    def freshness(self) -> RoleKey:
        return self.keys.roles.freshness

    @property
    def stranger(self) -> RoleKey:
        return self.other.root

    def publish(self, channel: str) -> None:
        """Publish anew: the release in one channel more."""
        self.home = self.home.model_copy(update={"now": self.home.now + 60})
        named = self.home.model_copy(update={"channels": (channel,)})
        publish.publish(Workspace(self.home.dist / "v1.36.4-1"), named, shipped(), self.keys)

    def refresh(self) -> None:
        self.home = self.home.model_copy(update={"now": self.home.now + 60})
        channels.refresh(self.home, shipped(), self.keys)

    def next_root(self, *, root: bool = False, freshness: bool = False, artifact: bool = False,
                  by: Sequence[RoleKey] = (), threshold: int | None = None) -> bytes:  # fmt: skip
        """A root that follows the present one, with keys of the other set for some roles."""
        new, holders = self.other.keys, {}
        if root:
            holders["root"] = [self.other.root.key]
        if threshold == 2:
            holders["root"] = [self.mine.root.key, self.other.root.key]
        if freshness and new.freshness:
            holders["timestamp"] = [new.freshness.key]
        if artifact:
            holders["snapshot"] = holders["targets"] = [new.artifact.key]
        before = formats.parse(Root, self.keys.root or b"", "root")
        signers = by or ([self.signer, self.other.root] if root else [self.signer])
        return roots.new(
            holders, signers, now=self.home.now, before=before, threshold=threshold
        ).data

    def rotate(
        self, *, root: bool = False, freshness: bool = False, artifact: bool = False
    ) -> None:
        """Go over to keys of the other set, and publish with them."""
        data = self.next_root(root=root, freshness=freshness, artifact=artifact)
        self.keys = replace(self.keys, root=data, earlier=self.keys.roots)
        if root:
            self.signer = self.other.root
        if freshness:
            self.keys = replace(self.keys, freshness=self.other.keys.freshness)
        if artifact:
            self.keys = replace(self.keys, artifact=self.other.keys.artifact)
            self.home = self.home.model_copy(update={"trust": (self.mine.artifact_public,)})
        self.refresh()

    def put(self, path: str, data: bytes) -> None:
        (self.site / path).parent.mkdir(exist_ok=True)
        (self.site / path).unlink(missing_ok=True)  # the bytes may be another name's too
        (self.site / path).write_bytes(data)

    def change(self, path: str, how: Callable[[bytes], bytes]) -> None:
        self.put(path, how((self.site / path).read_bytes()))

    def path(self, role: str) -> str:
        """Where the newest metadata of a role lies."""
        if role == "timestamp":
            return layout.TIMESTAMP
        if role == "root":
            return f"tuf/{max(int(path.name.split('.')[0]) for path in self.roots())}.root.json"
        above = self.said({"snapshot": "timestamp", "targets": "snapshot"}[role])
        return f"tuf/{above['meta'][f'{role}.json']['version']}.{role}.json"

    def roots(self) -> list[Path]:
        return [*self.site.glob("tuf/*.root.json")]

    def said(self, role: str) -> Said:
        found: Said = json.loads((self.site / self.path(role)).read_text())["signed"]
        return found

    def forge(self, *, targets: Callable[[Said], object] = same,
              snapshot: Callable[[Said], object] = same,
              timestamp: Callable[[Said], object] = same) -> None:  # fmt: skip
        """Sign the metadata anew with changes, each file named by the one above, by its own
        keys.
        """
        pointer, whole, names = (self.said(role) for role in ("timestamp", "snapshot", "targets"))
        targets(names)
        if targets is not same:
            self.name(whole, "targets", signed(names, self.artifact))
        snapshot(whole)
        if (targets, snapshot) != (same, same):
            self.name(pointer, "snapshot", signed(whole, self.artifact))
        timestamp(pointer)
        self.put(layout.TIMESTAMP, signed(pointer, self.freshness))

    def name(self, above: Said, role: str, data: bytes) -> None:
        """Put the file of a role, and let the role above name it."""
        meta = above["meta"][f"{role}.json"]
        meta |= {"length": len(data), "hashes": {"sha256": files.sha256(data)}}
        self.put(f"tuf/{meta['version']}.{role}.json", data)

    def index(self) -> str:
        """Where the copy of the index lies."""
        (found,) = (path for path in self.said("targets")["targets"] if "ns/index/" in path)
        return str(found)


@pytest.fixture(scope="module")
def begun(
    tmp_path_factory: pytest.TempPathFactory, compiled: dict[str, object]
) -> tuple[Settings, Held, Held]:
    """A site with one release, published an hour ago: expiry is a matter of this machine's clock;
    and the keys of its owner and of somebody else. Tests only read it.
    """
    base, now = tmp_path_factory.mktemp("owner"), int(time.time()) - 3600
    mine, other = (held(base / name, now - 60) for name in ("mine", "other"))
    home = Settings(
        dist=base / "home/dist", cache=base / "home/cache", site=str(base / "home/site"), now=now,
        architectures=(Arch.amd64,), jobs=2,
    ).model_copy(update=compiled)  # fmt: skip
    release.release("v1.36.4", home, shipped(), mine.keys)
    return home, mine, other


@pytest.fixture
def owner(begun: tuple[Settings, Held, Held], tmp_path: Path) -> Owner:
    """The owner of a copy of the site."""
    home, *keys = begun
    return Owner(whole_copy(home, tmp_path / "home"), *keys)


@pytest.fixture
def machine(tool: Callable[[str], Path], tmp_path: Path) -> Path:
    """A Debian that checks sites by their root."""
    return debian(tmp_path, tool, "openssl")


@pytest.fixture
def shells(tool: Callable[[str], Path]) -> Shells:
    """The words that run a script in each shell that systems have as sh."""
    return every_shell(tool)


@pytest.fixture
def url(owner: Owner) -> Iterator[str]:
    """Where the site is served."""
    with serve(owner.site) as address:
        yield address


@pytest.fixture
def install(machine: Path, url: str, owner: Owner, tmp_path: Path) -> Installer:
    """Run the installer for the channel; words that are given come later and win."""

    def run(*words: str, shell: Sequence[str | Path] = ("sh",)) -> subprocess.CompletedProcess[str]:
        given = ["--site", url, "--root", owner.root, "--channel", CHANNEL]
        argv = [*shell, tmp_path / "install.sh", *given, "--state", tmp_path / "state", *words]
        environment = {"PATH": str(machine), "TMPDIR": str(tmp_path)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run


def remembered(tmp_path: Path) -> dict[str, str]:
    """What the installer has noted of all sites."""
    state = tmp_path / "state"
    return {path.name: path.read_text() for path in state.iterdir()} if state.exists() else {}


def versions(tmp_path: Path) -> dict[str, int]:
    """The versions that it has noted of the only site."""
    (text,) = (text for name, text in remembered(tmp_path).items() if name.endswith(".tuf"))
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines()}


# ── What goes well ───────────────────────────────────────────────────────────────────────────


def test_each_shell_follows_the_root_to_the_release(
    install: Installer, shells: Shells, owner: Owner
) -> None:
    for shell in shells:
        done = install("--dry-run", shell=shell)
        assert done.returncode == 0, done.stderr
        assert "from index number 1 of " in done.stdout
        assert "signed by the keys that root 1 names:" in done.stdout
        assert "kubelet_1.36.4-1_amd64.deb  " in done.stdout
    owner.rotate(root=True, freshness=True)
    owner.rotate(artifact=True)
    for shell in shells:
        assert "the keys that root 3 names:" in install("--dry-run", shell=shell).stdout


def test_what_was_seen_grows_with_each_publication(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    first = install()
    assert (first.returncode, "is the first index seen here" in first.stderr) == (0, True)
    assert "apt-get install --no-remove" in told(tmp_path)
    noted = remembered(tmp_path)
    assert versions(tmp_path) == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    second = install()
    assert (second.returncode, second.stderr, remembered(tmp_path)) == (0, "", noted)
    owner.publish("one")
    owner.publish("two")
    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert "from index number 3 of " in done.stdout
    assert versions(tmp_path) == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3}


def test_a_dry_run_notes_nothing(install: Installer, tmp_path: Path) -> None:
    assert install("--dry-run").returncode == 0
    assert (remembered(tmp_path), told(tmp_path)) == ({}, "")


def test_every_key_may_change_and_the_first_root_still_leads_there(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    assert install().returncode == 0
    steps: list[tuple[dict[str, bool], int]] = [
        ({"freshness": True}, 1),
        ({"artifact": True}, 2),
        ({"root": True}, 3),
    ]
    for number, (which, timestamp) in enumerate(steps, 2):
        owner.rotate(**which)
        done = install()
        assert (done.returncode, done.stderr) == (0, "")
        assert f"the keys that root {number} names:" in done.stdout
        found = versions(tmp_path)
        assert (found["root"], found["timestamp"]) == (number, timestamp)
    shutil.rmtree(tmp_path / "state")
    for path in owner.roots():  # who trusts a later root begins there
        assert install("--root", files.sha256(path.read_bytes())).returncode == 0
        assert versions(tmp_path)["root"] == 4


def test_a_machine_that_slept_through_all_changes_of_keys_goes_on(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        owner.publish(name)
    assert install().returncode == 0
    owner.rotate(freshness=True)
    owner.rotate(root=True, artifact=True)
    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(tmp_path)["root"] == 3


def test_it_asks_for_what_metadata_names_and_for_nothing_that_is_replaced(
    install: Installer, machine: Path, url: str, owner: Owner, tmp_path: Path
) -> None:
    script(
        machine / "curl",
        f'for last; do :; done; echo "$last" >> {tmp_path}/asked\nexec {shutil.which("curl")} "$@"',
    )
    assert install("--dry-run").returncode == 0
    asked = (tmp_path / "asked").read_text().replace(f"{url}/", "").splitlines()
    assert asked == [
        "tuf/1.root.json",
        "tuf/2.root.json",
        "tuf/timestamp.json",
        "tuf/1.snapshot.json",
        "tuf/1.targets.json",
        owner.index(),
        "releases/v1.36.4-1/manifest.json",
    ]


GOOD: dict[str, Callable[[Owner], object]] = {
    "a signature of somebody else beside": lambda owner: owner.change(
        owner.path("timestamp"), lambda data: beside(data, owner.stranger)
    ),
    "other spaces and order of names": lambda owner: owner.change(
        owner.path("timestamp"), lambda data: json.dumps(json.loads(data), indent=1).encode()
    ),
    "versions between were given up": lambda owner: owner.forge(
        timestamp=lambda said: said.update(version=99)
    ),
    "further targets, which others delegate": lambda owner: owner.forge(
        targets=lambda said: said.update(delegations={"keys": {}, "roles": []})
    ),
    "fields that it does not know": lambda owner: owner.forge(
        snapshot=lambda said: said.update(further='a "text" \\ of\nlines and \x7f')
    ),
    "an index that is being replaced": lambda owner: owner.put(layout.INDEX, b"{"),
    "no OpenPGP key": lambda owner: shutil.rmtree(owner.site / "keys"),
}  # fmt: skip


def beside(data: bytes, *keys: RoleKey) -> bytes:
    """A document with further signatures, which come first."""
    found = json.loads(data)
    made = [signature(key, found["signed"]) for key in keys]
    return document(found["signed"], *made, *found["signatures"])


@pytest.mark.parametrize("case", GOOD)
def test_what_is_signed_well_is_taken(install: Installer, owner: Owner, case: str) -> None:
    GOOD[case](owner)
    done = install("--dry-run")
    assert done.returncode == 0, done.stderr


# ── Attacks on who comes for the first time ──────────────────────────────────────────────────

DIGITS = 10**12
"""More than any version."""


def second_root(how: Callable[[Owner], bytes]) -> Callable[[Owner], None]:
    """Put a second root."""
    return lambda owner: owner.put("tuf/2.root.json", how(owner))


def reworded(change: Callable[[Said], object]) -> Callable[[Owner], bytes]:
    """A second root with a change, signed by the keys of the first."""

    def make(owner: Owner) -> bytes:
        said: Said = json.loads(owner.next_root())["signed"]
        change(said)
        return signed(said, owner.signer)

    return make


def by_one_of_two(form: Callable[[Owner, Said], list[dict[str, str]]]) -> Callable[[Owner], bytes]:
    """A second root that wants two signatures, and has those that are given."""

    def make(owner: Owner) -> bytes:
        said = json.loads(owner.next_root(threshold=2))["signed"]
        return document(said, *form(owner, said))

    return make


def by(role: str, key: Callable[[Owner], RoleKey], under: str = "") -> Callable[[Owner], None]:
    """Let another key sign the newest file of a role, perhaps under the id of the right one."""

    def tamper(owner: Owner) -> None:
        said, ids = owner.said(role), owner.said("root")["roles"][role]["keyids"]
        data = document(said, signature(key(owner), said, under=under and ids[0]))
        if role == "timestamp":
            owner.put(layout.TIMESTAMP, data)
            return
        above = owner.said("timestamp")
        if role == "targets":
            whole = owner.said("snapshot")
            owner.name(whole, "targets", data)
            data = signed(whole, owner.artifact)
        owner.name(above, "snapshot", data)
        owner.put(layout.TIMESTAMP, signed(above, owner.freshness))

    return tamper


def past(role: str) -> Callable[[Owner], None]:
    """Let a role expire a minute ago."""

    def expire(said: Said) -> None:
        moment = time.gmtime(time.time() - 60)
        said.update(expires=time.strftime("%Y-%m-%dT%H:%M:%SZ", moment))

    if role == "root":
        return second_root(reworded(expire))
    return lambda owner: owner.forge(**{role: expire})


def indexes(change: Callable[[Said, str], object]) -> Callable[[Owner], None]:
    """Change what the targets say, given where the index lies."""
    return lambda owner: owner.forge(targets=lambda said: change(said["targets"], owner.index()))


def renamed(said: Said, path: str) -> None:
    said[f"publications/index/../{Path(path).name}"] = said.pop(path)


def another_document(owner: Owner) -> None:
    """A channel's record, named as if it were the index."""
    record = json.loads((owner.site / layout.channel_path(CHANNEL)).read_text())
    data = json.dumps({**record, "sequence": 1}).encode()
    digest = files.sha256(data)
    path = layout.index_copy(1, digest)

    def change(said: Said, index: str) -> None:
        del said[index]
        said[path] = {"length": len(data), "hashes": {"sha256": digest}}

    indexes(change)(owner)
    owner.put(path, data)


def swapped(owner: Owner) -> None:
    owner.change(owner.index(), lambda data: data.replace(b"current", b"curreNt"))


def cut(role: str) -> Callable[[Owner], None]:
    return lambda owner: owner.change(owner.path(role), lambda data: data[:-20])


def padded(said: Said, size: int) -> None:
    said["padding"] = "x" * size


def under_another_number(owner: Owner) -> None:
    owner.forge(timestamp=lambda said: said["meta"]["snapshot.json"].update(version=9))
    shutil.copy(owner.site / "tuf/1.snapshot.json", owner.site / "tuf/9.snapshot.json")


def longer_than_said(owner: Owner) -> None:
    owner.change(owner.path("snapshot"), lambda data: data + b" " * 100)


NOT_BY = "not signed by the keys that root 1 names for the role"
PROMISED = "is not what the signed metadata promises"

FIRST: dict[str, tuple[Callable[[Owner], object], str]] = {
    "no metadata at all": (
        lambda owner: shutil.rmtree(owner.site / "tuf"),
        "tuf/1.root.json: not there; check --site. A site from before there were roots is checked"
        " by --fingerprint",
    ),
    "the root of another site": (
        lambda owner: owner.put("tuf/1.root.json", owner.other.keys.root or b""),
        "tuf: none of its 1 roots has the SHA-256 of --root",
    ),
    "a root with another byte": (
        lambda owner: owner.change("tuf/1.root.json", lambda data: data + b"\n"),
        "tuf: none of its 1 roots has the SHA-256 of --root",
    ),
    "root 2 by new keys alone": (
        second_root(lambda owner: owner.next_root(root=True, by=[owner.stranger])),
        f"tuf/2.root.json: {NOT_BY} root",
    ),
    "root 2 by old keys alone": (
        second_root(lambda owner: owner.next_root(root=True, by=[owner.signer])),
        "tuf/2.root.json: not signed by the keys that it names itself",
    ),
    "root 2 by a stranger": (
        second_root(lambda owner: owner.other.keys.root or b""),
        f"tuf/2.root.json: {NOT_BY} root",
    ),
    "root 2 by one of two": (
        second_root(by_one_of_two(lambda owner, said: [signature(owner.signer, said)])),
        "tuf/2.root.json: not signed by the keys that it names itself",
    ),
    "root 2 by one of two, twice": (
        second_root(by_one_of_two(lambda owner, said: [signature(owner.signer, said)] * 2)),
        "tuf/2.root.json: not signed by the keys that it names itself",
    ),
    "root 2 by one of two, as both": (
        second_root(
            by_one_of_two(
                lambda owner, said: [
                    signature(owner.signer, said),
                    signature(owner.signer, said, under=owner.stranger.id),
                ]
            )
        ),
        "tuf/2.root.json: not signed by the keys that it names itself",
    ),
    "root 2 is root 3": (
        second_root(reworded(lambda said: said.update(version=3))),
        "tuf/2.root.json: signed, but version 3",
    ),
    "root 2 is the first again": (
        second_root(lambda owner: owner.mine.keys.root or b""),
        "tuf/2.root.json: signed, but version 1",
    ),
    "root 2 wants nobody's signature": (
        second_root(reworded(lambda said: said["roles"]["timestamp"].update(threshold=0))),
        "tuf/2.root.json: signed, but does not say how many keys sign a role",
    ),
    "root 2 wants a text of signatures": (
        second_root(reworded(lambda said: said["roles"]["targets"].update(threshold="1"))),
        "tuf/2.root.json: signed, but does not say how many keys sign a role",
    ),
    "root 2 without a role": (
        second_root(reworded(lambda said: said["roles"].pop("snapshot"))),
        "tuf/2.root.json: signed, but does not say how many keys sign a role",
    ),
    "root 2 is cut short": (
        second_root(lambda owner: owner.next_root()[:-20]),
        f"tuf/2.root.json: {NOT_BY} root",
    ),
    "root 2 is a page": (
        second_root(lambda owner: b"<html>nothing here</html>"),
        f"tuf/2.root.json: {NOT_BY} root",
    ),
    "root 2 is huge": (
        second_root(lambda owner: b" " * 600_000),
        "tuf/2.root.json: has more than the 512000 bytes",
    ),
    "root 2 has two documents": (
        second_root(lambda owner: owner.next_root() + owner.next_root()),
        f"tuf/2.root.json: {NOT_BY} root",
    ),
    "a key of another scheme": (
        second_root(
            reworded(lambda said: [key.update(scheme="none") for key in said["keys"].values()])
        ),
        "tuf/2.root.json: not signed by the keys that it names itself",
    ),
    "an expired root": (past("root"), "tuf/2.root.json: expired at 2"),
    "an expired timestamp": (past("timestamp"), "tuf/timestamp.json: expired at 2"),
    "an expired snapshot": (past("snapshot"), "tuf/1.snapshot.json: expired at 2"),
    "expired targets": (past("targets"), "tuf/1.targets.json: expired at 2"),
    "no expiry": (
        lambda owner: owner.forge(timestamp=lambda said: said.pop("expires")),
        "tuf/timestamp.json: signed, but does not say when it expires",
    ),
    "an expiry far off, in another form": (
        lambda owner: owner.forge(timestamp=lambda said: said.update(expires="never, ZZ")),
        "tuf/timestamp.json: signed, but does not say when it expires",
    ),
    "no timestamp": (
        lambda owner: (owner.site / layout.TIMESTAMP).unlink(),
        "tuf/timestamp.json: cannot be had",
    ),
    "a timestamp that is cut short": (cut("timestamp"), f"timestamp.json: {NOT_BY} timestamp"),
    "a snapshot that is cut short": (cut("snapshot"), f"tuf/1.snapshot.json: {PROMISED}"),
    "targets that are cut short": (cut("targets"), f"tuf/1.targets.json: {PROMISED}"),
    "targets that were edited": (
        lambda owner: owner.change(owner.path("targets"), lambda data: data.replace(b"1", b"2")),
        f"tuf/1.targets.json: {PROMISED}",
    ),
    "a snapshot in place of a timestamp": (
        lambda owner: shutil.copy(
            owner.site / owner.path("snapshot"), owner.site / layout.TIMESTAMP
        ),
        f"tuf/timestamp.json: {NOT_BY} timestamp",
    ),
    "targets in place of a snapshot": (
        lambda owner: owner.forge(snapshot=lambda said: said.update(_type="targets")),
        "tuf/1.snapshot.json: signed, but no snapshot of a version that this program knows",
    ),
    "a timestamp by a stranger": (
        by("timestamp", lambda owner: owner.stranger),
        f"tuf/timestamp.json: {NOT_BY} timestamp",
    ),
    "a timestamp by a stranger under the right name": (
        by("timestamp", lambda owner: owner.stranger, "right"),
        f"tuf/timestamp.json: {NOT_BY} timestamp",
    ),
    "a timestamp by the artifact key": (
        by("timestamp", lambda owner: owner.artifact),
        f"tuf/timestamp.json: {NOT_BY} timestamp",
    ),
    "a snapshot by the freshness key": (
        by("snapshot", lambda owner: owner.freshness),
        f"tuf/1.snapshot.json: {NOT_BY} snapshot",
    ),
    "a snapshot by the freshness key under the right name": (
        by("snapshot", lambda owner: owner.freshness, "right"),
        f"tuf/1.snapshot.json: {NOT_BY} snapshot",
    ),
    "targets by the freshness key": (
        by("targets", lambda owner: owner.freshness),
        f"tuf/1.targets.json: {NOT_BY} targets",
    ),
    "targets by the root key": (
        by("targets", lambda owner: owner.signer),
        f"tuf/1.targets.json: {NOT_BY} targets",
    ),
    "targets by the freshness key under the right name": (
        by("targets", lambda owner: owner.freshness, "right"),
        f"tuf/1.targets.json: {NOT_BY} targets",
    ),
    "a timestamp with two documents": (
        lambda owner: owner.change(layout.TIMESTAMP, lambda data: data + b" {}"),
        f"tuf/timestamp.json: {NOT_BY} timestamp",
    ),
    "a timestamp of a version beyond all": (
        lambda owner: owner.forge(timestamp=lambda said: said.update(version=DIGITS)),
        "tuf/timestamp.json: signed, but no timestamp of a version that this program knows",
    ),
    "a timestamp whose version is a text": (
        lambda owner: owner.forge(timestamp=lambda said: said.update(version="1")),
        "tuf/timestamp.json: signed, but no timestamp of a version that this program knows",
    ),
    "another edition of the specification": (
        lambda owner: owner.forge(snapshot=lambda said: said.update(spec_version="2.0.0")),
        "tuf/1.snapshot.json: signed, but no snapshot of a version that this program knows",
    ),
    "a huge timestamp": (
        lambda owner: owner.forge(timestamp=lambda said: padded(said, 20_000)),
        "tuf/timestamp.json: has more than the 16384 bytes",
    ),
    "a huge snapshot": (
        lambda owner: owner.forge(snapshot=lambda said: padded(said, 2_000_000)),
        "tuf: its timestamp names no snapshot of at most 2000000 bytes",
    ),
    "huge targets": (
        lambda owner: owner.forge(targets=lambda said: padded(said, 5_000_000)),
        "tuf: its snapshot names no targets of at most 5000000 bytes",
    ),
    "a snapshot that is longer than it should be": (
        longer_than_said,
        "tuf/1.snapshot.json: has more than the ",
    ),
    "a snapshot of another length than was signed": (
        lambda owner: owner.forge(timestamp=lambda said: more(said["meta"]["snapshot.json"])),
        f"tuf/1.snapshot.json: {PROMISED}",
    ),
    "a snapshot without a digest": (
        lambda owner: owner.forge(
            timestamp=lambda said: said["meta"]["snapshot.json"].pop("hashes")
        ),
        "tuf: its timestamp names no snapshot of at most",
    ),
    "a snapshot that is not there": (
        lambda owner: owner.forge(
            timestamp=lambda said: said["meta"]["snapshot.json"].update(version=9)
        ),
        "tuf/9.snapshot.json: cannot be had, but the signed timestamp names it",
    ),
    "a snapshot served as another": (
        under_another_number,
        "tuf/9.snapshot.json: signed, but version 1",
    ),
    "no targets named": (
        lambda owner: owner.forge(snapshot=lambda said: said.update(meta={})),
        "tuf: its snapshot names no targets",
    ),
    "no index": (
        indexes(lambda said, path: said.pop(path)),
        "tuf/1.targets.json: signed, but does not name one index",
    ),
    "two indexes": (
        indexes(lambda said, path: said.update({layout.index_copy(2, "f" * 64): said[path]})),
        "tuf/1.targets.json: signed, but does not name one index",
    ),
    "an index whose path leads elsewhere": (
        indexes(renamed),
        "tuf/1.targets.json: signed, but does not name one index",
    ),
    "an index of a greater length": (indexes(lambda said, path: more(said[path])), PROMISED),
    "an index of a smaller length": (
        indexes(lambda said, path: more(said[path], -1)),
        ".json: has more than the ",
    ),
    "an index of another digest": (
        indexes(lambda said, path: said[path].update(hashes={"sha256": "0" * 64})),
        PROMISED,
    ),
    "an index that was changed": (swapped, PROMISED),
    "an index that is gone": (
        lambda owner: (owner.site / owner.index()).unlink(),
        ".json: cannot be had",
    ),
    "another document as the index": (
        another_document,
        "signed, but no index of a version that this program knows",
    ),
    "a snapshot of another site": (
        lambda owner: owner.forge(snapshot=lambda said: said["kubewright"].update(site="f" * 32)),
        "but the snapshot that leads to it is not",
    ),
    "a snapshot of no site": (
        lambda owner: owner.forge(snapshot=lambda said: said.update(kubewright="x")),
        "but the snapshot that leads to it is not",
    ),
}  # fmt: skip


def more(said: Said, much: int = 1) -> None:
    said["length"] += much


@pytest.mark.parametrize(("tamper", "problem"), FIRST.values(), ids=list(FIRST))
def test_who_comes_first_is_not_led_astray(
    install: Installer, owner: Owner, tmp_path: Path, tamper: Callable[[Owner], object],
    problem: str,
) -> None:  # fmt: skip
    tamper(owner)
    done = install()
    assert (done.returncode, problem in done.stderr) == (1, True), done.stderr
    assert (told(tmp_path), remembered(tmp_path)) == ("", {})
    assert not list(tmp_path.glob("tmp.*"))
    assert strange_words(done.stderr) == []


def strange_words(said: str) -> list[str]:
    """Lines that are neither the installer's nor curl's."""
    return [line for line in said.splitlines() if not re.match(r"(install\.sh|curl): ", line)]


@pytest.mark.parametrize(
    "case",
    ["root 2 by one of two, as both", "a timestamp by a stranger under the right name",
     "an expired snapshot", "an index of a greater length", "a snapshot served as another"],
)  # fmt: skip
def test_each_shell_sees_an_attack(
    install: Installer, owner: Owner, shells: Shells, case: str
) -> None:
    tamper, problem = FIRST[case]
    tamper(owner)
    for shell in shells:
        done = install(shell=shell)
        assert (done.returncode, problem in done.stderr) == (1, True), done.stderr


def test_a_digest_that_no_root_has_is_refused(install: Installer, owner: Owner) -> None:
    owner.rotate(root=True)
    done = install("--root", "0" * 64)
    assert done.returncode == 1
    assert "tuf: none of its 2 roots has the SHA-256 of --root" in done.stderr


def test_roots_without_an_end_are_not_followed(install: Installer, owner: Owner) -> None:
    for number in range(2, 70):
        owner.put(f"tuf/{number}.root.json", b"x")
    done = install("--root", "0" * 64)
    assert (done.returncode, "none of its 64 roots has" in done.stderr) == (1, True), done.stderr


# ── Texts that a shell, jq or a terminal could take for more than texts ──────────────────────


Leaf = tuple[str | int, ...]


def leaves(value: object, path: Leaf = ()) -> list[Leaf]:
    """Where the texts in a document are."""
    if isinstance(value, str):
        return [path]
    found: list[Leaf] = []
    named = value.items() if isinstance(value, dict) else ()
    for key, part in (*named, *(enumerate(value) if isinstance(value, list) else ())):
        found += leaves(part, (*path, key))
    return found


def telling(role: str, said: Said) -> list[Leaf]:
    """Of the targets those of the index and of one other, of keys those of one; the rest are the
    same again.
    """
    kinds: dict[object, Leaf] = {}
    for leaf in leaves(said):
        kind: object = tuple("" if key in said.get("keys", ()) else key for key in leaf)
        if role == "targets":
            kind = (leaf[-1], any("ns/index/" in str(key) for key in leaf))
        kinds[kind] = leaf
    return [*kinds.values()]


def plant(value: Any, path: Leaf, text: str) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = text


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_no_text_of_metadata_is_run_or_shown(
    install: Installer, owner: Owner, tmp_path: Path, role: str
) -> None:
    nasty = f"$(touch {tmp_path}/ran)`touch {tmp_path}/ran`;'\"\\(env) \\\n* | \x1b[31m %s%n \0"
    before = {path: path.read_bytes() for path in owner.site.glob("tuf/*")}
    said = json.loads(owner.next_root())["signed"] if role == "root" else owner.said(role)
    for leaf in telling(role, said):
        change = partial(plant, path=leaf, text=nasty)
        if role == "root":
            owner.put("tuf/2.root.json", reworded(change)(owner))
        else:
            owner.forge(**{role: change})
        done = install("--dry-run")
        assert done.returncode in (0, 1), (leaf, done.stderr)
        assert not (tmp_path / "ran").exists(), leaf
        assert "\x1b" not in done.stdout + done.stderr, leaf
        assert strange_words(done.stderr) == [], leaf
        for path, data in before.items():
            path.write_bytes(data)


@pytest.mark.parametrize("field", ["keyid", "sig"])
def test_no_text_of_a_signature_is_run_or_shown(
    install: Installer, owner: Owner, tmp_path: Path, field: str
) -> None:
    for text in (f"$(touch {tmp_path}/ran)\x1b", "*", "", "0", "zz", "00" * 10_000, "\\0101"):
        found = json.loads((owner.site / "tuf/1.root.json").read_text())
        found["signatures"][0][field] = text
        owner.put("tuf/2.root.json", json.dumps(found).encode())
        done = install("--dry-run")
        assert (done.returncode, f"{NOT_BY} root" in done.stderr) == (1, True), done.stderr
        assert strange_words(done.stderr) == []
        assert not (tmp_path / "ran").exists()


# ── Attacks on who has been there before ─────────────────────────────────────────────────────


def put_back(owner: Owner, older: Path) -> None:
    shutil.rmtree(owner.site)
    shutil.copytree(older, owner.site)


def older(owner: Owner, old: Path) -> None:
    put_back(owner, old)


def fork(*names: str) -> Callable[[Owner, Path], None]:
    """The site was put back, and its owner has published other things since."""

    def tamper(owner: Owner, old: Path) -> None:
        put_back(owner, old)
        for name in names:
            owner.publish(name)

    return tamper


def root_withheld(owner: Owner, _old: Path) -> None:
    (owner.site / "tuf/2.root.json").unlink()


def another_second_root(owner: Owner, _old: Path) -> None:
    first = formats.parse(Root, owner.mine.keys.root or b"", "root")
    later = owner.home.now + 5
    owner.put("tuf/2.root.json", roots.new({}, [owner.signer], now=later, before=first).data)


def to_older_snapshot(owner: Owner, old: Path) -> None:
    """The freshness key alone, with a new timestamp."""
    pointer = json.loads((old / layout.TIMESTAMP).read_text())["signed"]
    owner.put(layout.TIMESTAMP, signed({**pointer, "version": 50}, owner.freshness))


def other_snapshot(owner: Owner, _old: Path) -> None:
    """Of the same version."""
    owner.forge(
        snapshot=lambda said: said.update(further=1), timestamp=lambda said: said.update(version=50)
    )


def later_snapshot_of_older_targets(owner: Owner, _old: Path) -> None:
    whole, pointer = owner.said("snapshot"), owner.said("timestamp")
    data = (owner.site / "tuf/1.targets.json").read_bytes()
    whole["version"] = pointer["meta"]["snapshot.json"]["version"] = 50
    whole["meta"]["targets.json"]["version"] = 1
    owner.name(whole, "targets", data)
    owner.name(pointer, "snapshot", signed(whole, owner.artifact))
    owner.put(layout.TIMESTAMP, signed({**pointer, "version": 50}, owner.freshness))


def another_site(owner: Owner, _old: Path) -> None:
    """With the same root, begun with another repository key; it has published more often."""
    shutil.rmtree(owner.site)
    shutil.rmtree(owner.home.dist)
    owner.keys = replace(owner.keys, repo=owner.other.keys.repo)
    owner.home = owner.home.model_copy(update={"now": owner.home.now + 60})
    release.release("v1.36.4", owner.home, shipped(), owner.keys)
    for name in ("a", "b", "c", "d"):
        owner.publish(name)


OLD = "was seen: somebody put an old one back"
FORKED = "the one that was seen: the site is forked"

AGAIN: dict[str, tuple[Callable[[Owner, Path], object], str]] = {
    "an older site": (older, f"its timestamp has version 1, but version 2 {OLD}"),
    "an older timestamp": (
        lambda owner, old: shutil.copy(old / layout.TIMESTAMP, owner.site / layout.TIMESTAMP),
        f"its timestamp has version 1, but version 2 {OLD}",
    ),
    "a newer timestamp of an older snapshot": (
        to_older_snapshot, f"its snapshot has version 1, but version 2 {OLD}",
    ),
    "a newer snapshot of older targets": (
        later_snapshot_of_older_targets, f"its targets has version 1, but version 2 {OLD}",
    ),
    "a newer timestamp of another snapshot": (
        other_snapshot, f"its snapshot of version 2 is not {FORKED}",
    ),
    "another timestamp of the same version": (
        lambda owner, _old: owner.forge(timestamp=lambda said: said.update(further=1)),
        f"its timestamp of version 2 is not {FORKED}",
    ),
    "a root that is withheld": (root_withheld, f"its root has version 1, but version 2 {OLD}"),
    "another root": (another_second_root, f"its root of version 2 is not {FORKED}"),
    "a fork": (fork("other"), f"its timestamp of version 2 is not {FORKED}"),
    "a fork ahead": (fork("other", "others"), "its number 2 is not the one that was seen"),
    "another site": (another_site, "was here before"),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "problem"), AGAIN.values(), ids=list(AGAIN))
def test_who_comes_again_is_not_led_back(
    install: Installer, owner: Owner, tmp_path: Path, tamper: Callable[[Owner, Path], object],
    problem: str,
) -> None:  # fmt: skip
    if tamper in (root_withheld, another_second_root):
        owner.rotate()
    shutil.copytree(owner.site, tmp_path / "old")
    owner.publish("one")
    assert install().returncode == 0
    noted = remembered(tmp_path)
    (tmp_path / "told").unlink()
    tamper(owner, tmp_path / "old")
    done = install()
    assert (done.returncode, problem in done.stderr) == (1, True), done.stderr
    assert (told(tmp_path), remembered(tmp_path)) == ("", noted)
    for _ in noted:  # whoever knows why removes what is named, and only this is forgotten
        if done.returncode == 0:
            break
        Path(done.stderr.rstrip().rpartition("remove ")[2]).unlink()
        done = install()
    assert done.returncode == 0, done.stderr


def test_each_shell_remembers(
    install: Installer, owner: Owner, shells: Shells, tmp_path: Path
) -> None:
    shutil.copytree(owner.site, tmp_path / "old")
    owner.publish("one")
    for shell in shells:
        assert install(shell=shell).returncode == 0
    older(owner, tmp_path / "old")
    for shell in shells:
        done = install("--dry-run", shell=shell)
        assert (done.returncode, f"but version 2 {OLD}" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.replace("root", "boot"),
        lambda text: text + "root 1 x\n",
        lambda text: "\n".join(reversed(text.splitlines())),
        lambda text: text.replace("timestamp 1", "timestamp -1"),
        lambda text: text.replace("timestamp 1", f"timestamp {DIGITS}"),
        lambda text: text.replace("snapshot 1 ", "snapshot 1 $(id)"),
    ],
    ids=["empty", "role", "more", "order", "negative", "digits", "command"],
)
def test_a_damaged_memory_is_named(
    install: Installer, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    assert install().returncode == 0
    (memory,) = (tmp_path / "state").glob("*.tuf")
    memory.write_text(damage(memory.read_text()))
    done = install()
    assert (done.returncode, f"{memory}: damaged; remove it" in done.stderr) == (1, True)
    memory.unlink()
    assert install().returncode == 0


# ── A stolen key ─────────────────────────────────────────────────────────────────────────────

HIGHEST = 999_999_999


def test_a_stolen_freshness_key_can_only_keep_a_site_where_it_is_until_it_is_replaced(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    owner.publish("one")
    stolen = owner.freshness
    owner.forge(timestamp=lambda said: said.update(version=HIGHEST))
    assert install().returncode == 0
    assert versions(tmp_path)["timestamp"] == HIGHEST
    shutil.copy(owner.site / layout.FINISHED, owner.site / layout.TIMESTAMP)
    assert f"but version {HIGHEST} {OLD}" in install().stderr
    owner.rotate(freshness=True)
    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(tmp_path)["timestamp"] < HIGHEST
    owner.put(layout.TIMESTAMP, signed({**owner.said("timestamp"), "version": HIGHEST}, stolen))
    assert "not signed by the keys that root 2 names for the role timestamp" in install().stderr


def test_a_machine_that_the_thief_never_met_keeps_its_memory_when_keys_change(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    """The freshness key is replaced, and with the new one an older snapshot is no better."""
    shutil.copytree(owner.site, tmp_path / "old")
    owner.publish("one")
    assert install().returncode == 0
    owner.rotate(freshness=True)
    pointer = json.loads((tmp_path / "old" / layout.TIMESTAMP).read_text())["signed"]
    owner.put(layout.TIMESTAMP, signed(pointer, owner.freshness))
    done = install()
    assert f"its snapshot has version 1, but version 2 {OLD}" in done.stderr


def test_a_key_that_was_away_meanwhile_begins_anew(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    """The machine slept while another key was there: it sees the same key before and after."""
    for name in ("one", "two"):
        owner.publish(name)
    assert install().returncode == 0
    first = owner.mine.keys
    owner.rotate(freshness=True)
    before = formats.parse(Root, owner.keys.root or b"", "root")
    back = {"timestamp": [first.roles.freshness.key]}
    data = roots.new(back, [owner.signer], now=owner.home.now, before=before).data
    owner.keys = replace(owner.keys, root=data, earlier=owner.keys.roots, freshness=first.freshness)
    owner.refresh()
    assert owner.said("timestamp")["version"] == 1
    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert (versions(tmp_path)["root"], versions(tmp_path)["timestamp"]) == (3, 1)


def test_a_stolen_artifact_key_leaves_no_version_that_a_new_one_cannot_follow(
    install: Installer, owner: Owner, tmp_path: Path
) -> None:
    shutil.copytree(owner.site, tmp_path / "whole")
    whole, pointer = owner.said("snapshot"), owner.said("timestamp")
    names = {**owner.said("targets"), "version": HIGHEST}
    whole["version"] = pointer["meta"]["snapshot.json"]["version"] = HIGHEST
    whole["meta"]["targets.json"]["version"] = HIGHEST
    owner.name(whole, "targets", signed(names, owner.artifact))
    owner.name(pointer, "snapshot", signed(whole, owner.artifact))
    owner.put(layout.TIMESTAMP, signed(pointer, owner.freshness))
    assert install().returncode == 0
    assert versions(tmp_path)["snapshot"] == versions(tmp_path)["targets"] == HIGHEST
    put_back(owner, tmp_path / "whole")
    owner.rotate(artifact=True)
    done = install()
    assert (done.returncode, done.stderr) == (0, "")
    assert versions(tmp_path)["snapshot"] < HIGHEST


# ── A server, a machine, and what people type ────────────────────────────────────────────────


class Moody(SimpleHTTPRequestHandler):
    """Answers some paths with a code."""

    codes: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        code = self.codes.get(self.path)
        if code is None:
            super().do_GET()
        else:
            self.send_error(code)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def moody(site: Path, codes: dict[str, int]) -> Iterator[str]:
    """The address of a server that answers some paths with a code."""
    handler = partial(type("M", (Moody,), {"codes": codes}), directory=str(site))
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "problem"),
    [(403, ""), (404, ""), (500, "nobody can tell"), (503, "nobody can tell"), (401, "nobody can")],
)
def test_a_root_is_not_there_only_where_the_server_says_so(
    install: Installer, owner: Owner, code: int, problem: str
) -> None:
    with moody(owner.site, {"/tuf/2.root.json": code}) as address:
        done = install("--dry-run", "--site", address)
    assert (done.returncode, problem in done.stderr) == (bool(problem), True), done.stderr


def test_a_copy_of_a_site_is_taken_where_the_site_itself_is_named(
    install: Installer, owner: Owner, url: str
) -> None:
    move.move(
        owner.home.model_copy(update={"url": "http://127.0.0.1:1", "now": owner.home.now + 60}),
        shipped(), owner.keys,
    )  # fmt: skip
    assert "is of the site at http://127.0.0.1:1, not at " in install("--dry-run").stderr
    assert install("--dry-run", "--url", "http://127.0.0.1:1").returncode == 0
    assert install("--dry-run", "--site", f"file://{owner.site}").returncode == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["--not-before", "2"], "is number 1 of 2"), (["--not-before", "2999-01-01"], "before 2999"),
     (["--not-before", "1"], ""), (["--max-age", "1"], "")],
)  # fmt: skip
def test_an_index_may_be_too_old(install: Installer, words: list[str], problem: str) -> None:
    done = install("--dry-run", *words)
    assert (done.returncode, problem in done.stderr) == (bool(problem), True), done.stderr


def test_whoever_went_by_the_fingerprint_goes_on_by_the_root(
    install: Installer, owner: Owner, machine: Path, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    (machine / "gpgv").symlink_to(tool("gpgv"))
    shutil.copytree(owner.site, tmp_path / "old")
    owner.publish("one")
    fingerprint = ["--root", "", "--fingerprint", owner.keys.repo.fingerprint]
    text = (tmp_path / "install.sh").read_text()
    assert install(*fingerprint).returncode == 2  # an empty value is no value
    without = [word for word in fingerprint if word and word != "--root"]
    argv = ["sh", str(tmp_path / "install.sh"), "--site", f"file://{owner.site}", *without]
    done = subprocess.run(
        [*argv, "--channel", CHANNEL, "--state", str(tmp_path / "state")],
        env={"PATH": str(machine), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    older(owner, tmp_path / "old")
    done = install()
    assert (done.returncode, "but number 2 was seen" in done.stderr) == (1, True), done.stderr
    assert text == (tmp_path / "install.sh").read_text()


def test_a_missing_openssl_is_named_with_its_package(install: Installer, machine: Path) -> None:
    (machine / "openssl").unlink()
    done = install()
    assert done.returncode == 1
    assert "openssl is missing: apt-get install curl jq openssl" in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "--root or --fingerprint is needed"),
        (["--root", "0" * 64, "--fingerprint", "0" * 40], "give one of them"),
        (["--root", "0" * 63], "--root has 63 digits of 64: give the whole of it"),
        (["--root", "0" * 40], "--root has 40 digits of 64"),
        (
            ["--root", "tuf/1.root.json"],
            "is not hexadecimal: it is the SHA-256 of tuf/1.root.json",
        ),
        (["--root"], "the value of --root is missing"),
    ],
)
def test_bad_usage_is_explained(
    machine: Path, shells: Shells, tmp_path: Path, words: list[str], problem: str
) -> None:
    for shell in shells:
        done = subprocess.run(
            [*shell, tmp_path / "install.sh", "--site", "x", "--channel", "x", *words],
            env={"PATH": str(machine)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_the_digest_may_be_written_as_people_write_it(install: Installer, owner: Owner) -> None:
    spaced = " ".join(re.findall("....", owner.root.upper()))
    assert install("--dry-run", "--root", spaced).returncode == 0


# ── What the arithmetic rests on ─────────────────────────────────────────────────────────────


def taken(name: str) -> str:
    """A text in single quotes, or a function, of the installer."""
    text = INSTALLER.read_text()
    found = re.search(rf"^{name}='(.*?)'$|^({name}\(\) {{.*?^}})$", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[1] or found[2]


def anything(chance: random.Random, depth: int) -> Any:
    """Some JSON; texts have what is hard to write."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 5:
        return {text(chance): anything(chance, depth - 1) for _ in range(chance.randrange(4))}
    if kind == 4:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 3:
        return chance.choice((True, False, None))
    return text(chance) if kind else chance.randrange(-(2**53), 2**53)


def text(chance: random.Random) -> str:
    letters = "\"\\\n\t\r\0\x1f\x7f/aZé€\uffff𝄞$`' "
    return "".join(chance.choice(letters) for _ in range(chance.randrange(6)))


def test_the_canonical_text_is_the_one_that_is_signed(tool: Callable[[str], Path]) -> None:
    chance, program = (
        random.Random(12),
        f'{taken("canonical")} [inputs][] | canonical, "\\u0000\\n"',
    )
    documents = [anything(chance, 4) for _ in range(300)]
    done = subprocess.run(
        [tool("jq"), "-jn", program],
        input="\n".join(json.dumps(one) for one in documents).encode(),
        capture_output=True, check=True,
    )  # fmt: skip
    wanted = "".join(f"{canonical(one)}\0\n" for one in documents)
    assert done.stdout.decode() == wanted


def test_each_shell_makes_bytes_of_digits(shells: Shells, machine: Path) -> None:
    every = bytes(range(256)) + b"\0"
    for shell in shells:
        done = subprocess.run(
            [*shell, "-c", f"{taken('bytes')}\nbytes {every.hex()}"],
            env={"PATH": str(machine)}, capture_output=True, check=True,
        )  # fmt: skip
        assert done.stdout == every
