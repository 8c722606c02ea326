"""Clients of The Update Framework that others have written check a site: python-tuf's and go-tuf's.

docs/tuf.md has the table of what each says; these tests measure it.
"""

import logging
import re
import shutil
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import pytest
from copied_sites import Watch
from go_programs import go_program
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import Updater, UpdaterConfig

from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.errors import KubewrightError, ToolFailed
from kubewright.metadata import formats
from kubewright.metadata.formats import RoleKey
from kubewright.models.base import DAY
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing import roots
from kubewright.signing.keys import freshness_key, initialise, root_key
from kubewright.signing.roles import ArtifactKey, Keys
from kubewright.site import layout
from kubewright.stages import channels, publish, release
from kubewright.stages.verify import verify
from kubewright.workspace import Workspace

MODULE = "github.com/theupdateframework/go-tuf/v2"
VERSION = "v2.4.2"
GO = "1.25"
"""go-tuf's client, by the Go module proxy, and the oldest Go that compiles it."""

SECOND = {
    "targets": "2.targets.json", "snapshot": "2.snapshot.json", "timestamp": "timestamp.json",
}  # fmt: skip
"""The files of the second publication, in the order in which they name each other."""

INDEX = layout.INDEX
NAME = "v1.36.4-1"
START = int(time.time()) - 20 * DAY
"""When the site is first published. Clients have no other clock than the machine's."""

TABLE = Path(__file__).parent.parent / "docs" / "tuf.md"


class Refused(Exception):
    """What a client said, and when: at `refresh` or at `download`."""

    def __init__(self, when: str, said: object) -> None:
        super().__init__(f"{when}: {said}")
        self.when = when


class Client(Protocol):
    """A client with a metadata folder of its own, which it keeps."""

    def get(self, target: str) -> bytes:
        """Ask for what is new, then download a target. Raises Refused."""
        ...


@dataclass
class Python:
    """python-tuf's ngclient."""

    folder: Path
    root: bytes
    url: str

    def get(self, target: str) -> bytes:
        downloads = self.folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        client = Updater(
            metadata_dir=str(self.folder / "metadata"),
            metadata_base_url=f"{self.url}/tuf/",
            target_dir=str(downloads),
            target_base_url=f"{self.url}/",
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=self.root,
        )
        try:
            client.refresh()
        except (RepositoryError, DownloadError) as error:
            raise Refused("refresh", error) from error
        found = client.get_targetinfo(target)
        assert found is not None, target
        try:
            return Path(client.download_target(found)).read_bytes()
        except (RepositoryError, DownloadError) as error:
            raise Refused("download", error) from error


@dataclass
class Go:
    """go-tuf's own command line."""

    folder: Path
    root: bytes
    url: str
    program: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "root.json").write_bytes(self.root)
        self._run("init", "-f", "root.json", "-u", f"{self.url}/tuf/")

    def get(self, target: str) -> bytes:
        downloads = self.folder / "tuf_download"
        shutil.rmtree(downloads)
        downloads.mkdir()
        words = ("-u", f"{self.url}/tuf/", "-t", f"{self.url}/", "--nonprefixed")
        try:
            self._run("get", *words, target)
        except ToolFailed as error:
            said = re.search(r"Error: failed to (refresh|download) .*", str(error))
            if said is None:
                raise
            raise Refused(said[1], said[0]) from error
        (file,) = downloads.iterdir()
        return file.read_bytes()

    def _run(self, *words: str) -> None:
        run([self.program, *words], cwd=self.folder)


@pytest.fixture(scope="session")
def go_tuf() -> Path:
    """go-tuf's client."""
    return go_program(MODULE, VERSION, "examples/cli/tuf-client", go=GO)


Make = Callable[[Path, bytes, str], Client]
"""A client with a folder, the root that it trusts, and the site's address."""


@pytest.fixture
def clients(go_tuf: Path) -> dict[str, Make]:
    return {"python-tuf": Python, "go-tuf": partial(Go, program=go_tuf)}


class Case(NamedTuple):
    """A site in several states, each a folder, and the keys that sign it."""

    sites: Mapping[str, Path]
    keys: Keys
    owners: tuple[RoleKey, RoleKey]
    """Both sign roots."""
    stranger: ArtifactKey
    """Whom the first root does not name."""
    settings: Settings

    @property
    def root(self) -> bytes:
        assert self.keys.root is not None
        return self.keys.root

    @property
    def trusted(self) -> list[bytes]:
        """What our own verification is given."""
        return [self.keys.repo.certificate, self.keys.artifact.public_pem, self.root]

    def signers(self) -> dict[str, RoleKey]:
        artifact, freshness = self.keys.roles.artifact, self.keys.roles.freshness
        return {"targets": artifact, "snapshot": artifact, "timestamp": freshness}


class Owner:
    """Publishes the states of a site, each from an earlier one."""

    def __init__(self, settings: Settings, keys: Keys, folder: Path) -> None:
        self.settings, self.keys, self.folder = settings, keys, folder
        self.sites: dict[str, Path] = {}

    def state(self, name: str, after: str | None, do: Callable[[Settings], object]) -> None:
        """The state after something was done to another, a minute later."""
        site = self.folder / name
        if after is not None:
            shutil.copytree(self.sites[after], site)
        now = self.settings.now + 60 * len(self.sites)
        do(self.settings.model_copy(update={"site": str(site), "now": now}))
        self.sites[name] = site

    def publish(self, channel: str, **changes: object) -> Callable[[Settings], object]:
        def do(settings: Settings) -> object:
            own = settings.model_copy(update={"channels": (channel,), **changes})
            return publish.publish(Workspace(own.dist / NAME), own, shipped(), self.keys)

        return do

    def release(self, version: str, **changes: object) -> Callable[[Settings], object]:
        def do(settings: Settings) -> object:
            own = settings.model_copy(update=changes)
            return release.release(version, own, shipped(), self.keys)

        return do


def rooted(keys: Keys, owners: Iterable[RoleKey], freshness: ArtifactKey) -> Keys:
    """The same keys under a root of two owners, which names a freshness key."""
    both = [*owners]
    holders = {
        "root": [owner.key for owner in both], "targets": [keys.artifact.key],
        "snapshot": [keys.artifact.key], "timestamp": [freshness.key],
    }  # fmt: skip
    made = roots.new(holders, both, now=START, threshold=2).data
    return replace(keys, freshness=freshness, root=made)


def successor(
    case: Case, by: Sequence[RoleKey], *, days: int = roots.YEAR, **holders: ArtifactKey
) -> bytes:
    """The second root, which gives roles to other keys, one each."""
    before = Metadata.from_bytes(case.root)
    named = {role: [key.key] for role, key in holders.items()}
    enough = 1 if "root" in holders else None
    return roots.new(named, by, now=START, days=days, threshold=enough, before=before).data


@pytest.fixture(scope="module")
def case(released: Settings, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("tuf")
    ours = initialise(folder / "ours", "Ours <o@example.org>", now=START, expires_days=None)
    theirs = initialise(folder / "theirs", "Mallory <m@example.org>", now=START, expires_days=None)
    first, second = (root_key(f"file:{made.root_secret}").role_key for made in (ours, theirs))
    own = rooted(keys, (first, second), freshness_key(f"file:{ours.freshness_secret}"))
    shutil.copytree(released.dist, folder / "dist")
    settings = released.model_copy(
        update={"dist": folder / "dist", "cache": folder / "cache", "now": START}
    )
    shutil.copytree(released.cache, folder / "cache")
    by = Owner(settings, own, folder)
    by.state("first", None, by.release("v1.36.3"))
    by.state("second", "first", by.release("v1.36.4"))
    by.state("third", "second", by.publish("more"))
    by.state("short", "second", by.publish("short", valid_for=1))
    by.state("fork", "first", by.publish("other"))
    by.state("fork ahead", "fork", by.publish("another"))
    elsewhere = {"url": "http://127.0.0.1:1", "dist": folder / "elsewhere"}
    by.state("elsewhere", None, by.release("v1.36.4", **elsewhere))
    by.state("elsewhere 2", "elsewhere", by.publish("more", **elsewhere))
    by.state("elsewhere 3", "elsewhere 2", by.publish("another", **elsewhere))
    stranger = freshness_key(f"file:{theirs.freshness_secret}")
    return Case(by.sites, own, (first, second), stranger, settings)


class Attack(NamedTuple):
    """A site that the client has seen in its second state, for somebody to change."""

    site: Path
    case: Case

    def file(self, name: str) -> Path:
        return self.site / "tuf" / name

    def put(self, state: str) -> None:
        """Files of another state over those that are there."""
        shutil.copytree(self.case.sites[state], self.site, dirs_exist_ok=True)

    def put_metadata(self, state: str, *names: str) -> None:
        for name in names:
            shutil.copyfile(self.case.sites[state] / "tuf" / name, self.file(name))

    def anew(
        self,
        by: Mapping[str, RoleKey | None] = MappingProxyType({}),
        *,
        ended: str = "",
    ) -> None:
        """The third version of all roles, signed by the keys of the root, or by others; one of them
        may have expired.
        """
        read: dict[str, Metadata[Any]] = {
            role: Metadata.from_bytes(self.file(name).read_bytes()) for role, name in SECOND.items()
        }
        for role, one in read.items():
            one.signatures.clear()
            one.signed.version = 3
            if role == ended:
                one.signed.expires = datetime.fromtimestamp(START, UTC)
        signers: dict[str, RoleKey | None] = {**self.case.signers(), **by}
        for role, one in read.items():
            signer = signers[role]
            data = formats.signed(one, *([signer] if signer else []))
            self.file(SECOND[role].replace("2", "3")).write_bytes(data)
            named = formats.described(one.signed.version, data)
            if role == "targets":
                read["snapshot"].signed.meta["targets.json"] = named
            if role == "snapshot":
                read["timestamp"].signed.snapshot_meta = named

    def timestamp(self, version: int) -> None:
        """Another version of the timestamp, by the first freshness key."""
        path = self.file("timestamp.json")
        found = Metadata.from_bytes(path.read_bytes())
        found.signatures.clear()
        found.signed.version = version
        path.write_bytes(formats.signed(found, self.case.keys.roles.freshness))

    def root(self, *by: RoleKey, days: int = roots.YEAR, **holders: ArtifactKey) -> None:
        """A second root."""
        data = successor(self.case, by, days=days, **holders)
        self.file("2.root.json").write_bytes(data)


def expired(role: str) -> Callable[[Attack], None]:
    return lambda attack: attack.anew(ended=role)


def by_a_stranger(role: str) -> Callable[[Attack], None]:
    """A role signed by a stranger, in the name of whose key it is."""

    def do(attack: Attack) -> None:
        stranger, key = attack.case.stranger.role_key, attack.case.signers()[role].key
        attack.anew({role: RoleKey(key, stranger.sign)})

    return do


def by_freshness(role: str) -> Callable[[Attack], None]:
    return lambda attack: attack.anew({role: attack.case.keys.roles.freshness})


def skipped_root(attack: Attack) -> None:
    """A third root where the second should be."""
    case = attack.case
    second = Metadata.from_bytes(successor(case, case.owners))
    made = roots.new({}, case.owners, now=START, before=second)
    attack.file("2.root.json").write_bytes(made.data)


def root_by_one_in_both_names(attack: Attack) -> None:
    first, second = attack.case.owners
    attack.root(first, RoleKey(second.key, first.sign))


def withheld_root(attack: Attack) -> None:
    attack.anew({"timestamp": attack.case.stranger.role_key})


def changed(name: str) -> Callable[[Attack], None]:
    """A document in which the digit of a number is another; its size stays."""

    def do(attack: Attack) -> None:
        path = attack.site / name
        data = path.read_bytes()
        last = max(data.rfind(b"%d" % digit) for digit in range(10))
        other = b"8" if data[last : last + 1] != b"8" else b"9"
        path.write_bytes(data[:last] + other + data[last + 1 :])

    return do


def unread(name: str) -> Callable[[Attack], None]:
    """The third state, with metadata changed that no client has read before."""

    def do(attack: Attack) -> None:
        attack.put("third")
        changed(f"tuf/{name}")(attack)

    return do


def cut(name: str) -> Callable[[Attack], None]:
    def do(attack: Attack) -> None:
        attack.put("third")
        path = attack.file(name)
        path.write_bytes(path.read_bytes()[:-9])

    return do


def without(name: str) -> Callable[[Attack], None]:
    def do(attack: Attack) -> None:
        attack.put("third")
        (attack.site / name).unlink()

    return do


def third_with(state: str, source: str, name: str) -> Callable[[Attack], None]:
    """The third state, with metadata of another in the place of a file."""

    def do(attack: Attack) -> None:
        attack.put("third")
        shutil.copyfile(attack.case.sites[state] / "tuf" / source, attack.file(name))

    return do


def oversized(attack: Attack) -> None:
    path = attack.file("timestamp.json")
    path.write_bytes(path.read_bytes() + b" " * formats.MOST["timestamp"])


def fork_with_a_newer_timestamp(attack: Attack) -> None:
    attack.put("fork")
    attack.timestamp(3)


ATTACKS: dict[str, Callable[[Attack], None]] = {
    "nothing": lambda attack: None,
    "a newer publication": lambda attack: attack.put("third"),
    "the older timestamp": lambda attack: attack.put_metadata("first", "timestamp.json"),
    "the older site, all of it": lambda attack: attack.put("first"),
    "a timestamp that has expired": lambda attack: attack.put("short"),
    "a snapshot that has expired": expired("snapshot"),
    "targets that have expired": expired("targets"),
    "a root that has expired": lambda attack: attack.root(*attack.case.owners, days=1),
    "another publication of the same number": lambda attack: attack.put("fork"),
    "the same under a newer timestamp": fork_with_a_newer_timestamp,
    "a fork ahead, another 2 and 3 upon it": lambda attack: attack.put("fork ahead"),
    "another site under the same root and keys": lambda attack: attack.put("elsewhere 3"),
    "the snapshot of another site under the same keys": third_with(
        "elsewhere 3", "3.snapshot.json", "3.snapshot.json"
    ),
    f"a changed `{INDEX}`": changed(INDEX),
    "changed targets metadata": unread("3.targets.json"),
    "a changed snapshot": unread("3.snapshot.json"),
    "changed targets metadata that it has read": changed("tuf/2.targets.json"),
    "a timestamp signed by a stranger": by_a_stranger("timestamp"),
    "a snapshot signed by a stranger": by_a_stranger("snapshot"),
    "targets signed by a stranger": by_a_stranger("targets"),
    "a snapshot signed by the freshness key": by_freshness("snapshot"),
    "targets signed by the freshness key": by_freshness("targets"),
    "targets without a signature": lambda attack: attack.anew({"targets": None}),
    "a timestamp of more than 16 KiB": oversized,
    "a timestamp that is cut off": cut("timestamp.json"),
    "no timestamp": without("tuf/timestamp.json"),
    "no snapshot": without("tuf/3.snapshot.json"),
    "no targets metadata": without("tuf/3.targets.json"),
    f"no `{INDEX}`": without(INDEX),
    "older targets under a newer snapshot": third_with(
        "second", "2.targets.json", "3.targets.json"
    ),
    "a snapshot as timestamp": third_with("third", "3.snapshot.json", "timestamp.json"),
    "a root signed by the new keys alone": lambda attack: attack.root(
        attack.case.stranger.role_key, root=attack.case.stranger
    ),
    "a root that its own keys have not signed": lambda attack: attack.root(
        *attack.case.owners, root=attack.case.stranger
    ),
    "a root signed by one of two keys": lambda attack: attack.root(attack.case.owners[0]),
    "a root signed by one of two in both names": root_by_one_in_both_names,
    "root 3 in the place of root 2": skipped_root,
    "a new freshness key, and its root withheld": withheld_root,
}
"""What is done to a site, as docs/tuf.md calls it."""


def verdict(client: Client, target: str = INDEX) -> str:
    try:
        client.get(target)
    except Refused as error:
        return error.when
    return "accepted"


def ours(attack: Attack, state: Path) -> str:
    """What our own verification says, which remembers what it has seen."""
    now = int(time.time())
    with suppress(KubewrightError):
        if not verify(str(attack.site), attack.case.trusted, now=now, state=state).findings:
            return "accepted"
    return "refused"


def documented() -> dict[str, dict[str, str]]:
    """The table of docs/tuf.md: the verdict of each client, by what is done to a site."""
    _, _, table = TABLE.read_text().partition("| done to the site ")
    head, _, *rows = table.partition("\n\n")[0].splitlines()
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        things, *verdicts = (cell.strip() for cell in row.strip("|").split("|"))
        said = dict(
            zip((cell.strip() for cell in head.strip("|").split("|")), verdicts, strict=True)
        )
        found |= dict.fromkeys(things.partition("**: ")[2].split("; "), said)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_each_client_says_what_the_table_of_the_documentation_says(
    name: str, case: Case, clients: dict[str, Make], tmp_path: Path
) -> None:
    attack = Attack(tmp_path / "site", case)
    shutil.copytree(case.sites["second"], attack.site)
    assert ours(attack, tmp_path / "state") == "accepted"
    with serve(attack.site) as url:
        known = {who: make(tmp_path / who, case.root, url) for who, make in clients.items()}
        assert {verdict(client) for client in known.values()} == {"accepted"}
        ATTACKS[name](attack)
        found = {who: verdict(client) for who, client in known.items()}
    found["kubewright"] = ours(attack, tmp_path / "state")
    assert found == documented().get(name)


def test_the_table_of_the_documentation_has_no_other_rows() -> None:
    assert {*documented()} == {*ATTACKS}


each_client = pytest.mark.parametrize("who", ["python-tuf", "go-tuf"])


def rotated(case: Case) -> Keys:
    """The keys after the second root, which gives timestamps to another freshness key."""
    data = successor(case, case.owners, timestamp=case.stranger)
    return replace(case.keys, freshness=case.stranger, root=data, earlier=case.keys.roots)


def refresh(site: Path, case: Case, keys: Keys) -> None:
    now = int(time.time())
    settings = case.settings.model_copy(update={"site": str(site), "now": now})
    channels.refresh(settings, shipped(), keys)


def named(site: Path, version: int) -> list[str]:
    """The paths of targets."""
    found: Metadata[Targets] = Metadata.from_bytes(
        (site / f"tuf/{version}.targets.json").read_bytes()
    )
    return list(found.signed.targets)


@each_client
def test_a_client_follows_a_site_from_its_first_root_through_publications_and_a_new_root(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    attack = Attack(tmp_path / "site", case)
    shutil.copytree(case.sites["first"], attack.site)
    asked: list[list[str]] = []
    with serve(attack.site) as url, caplog.at_level(logging.DEBUG, "kubewright.clients.server"):

        def check(client: Client) -> None:
            caplog.clear()
            assert client.get(INDEX) == (attack.site / INDEX).read_bytes()
            asked.append([one.split()[1] for one in caplog.messages if '"GET ' in one])

        client = clients[who](tmp_path / who, case.root, url)
        check(client)
        check(client)
        attack.put("second")
        check(client)
        refresh(attack.site, case, rotated(case))
        check(client)
        check(clients[who](tmp_path / "another", case.root, url))
    first, nothing_new, newer, new_root, from_first_root = asked
    assert "/tuf/2.snapshot.json" in newer
    for one in (new_root, from_first_root):
        assert one[:3] == ["/tuf/2.root.json", "/tuf/3.root.json", "/tuf/timestamp.json"]
    assert nothing_new == ["/tuf/2.root.json", "/tuf/timestamp.json", f"/{INDEX}"]
    assert first == [
        "/tuf/2.root.json", "/tuf/timestamp.json", "/tuf/1.snapshot.json", "/tuf/1.targets.json",
        f"/{INDEX}",
    ]  # fmt: skip


@each_client
def test_metadata_that_its_keys_sign_anew_is_accepted(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path
) -> None:
    """What is refused above is refused for what was changed, not for how these tests write it."""
    attack = Attack(tmp_path / "site", case)
    shutil.copytree(case.sites["second"], attack.site)
    with serve(attack.site) as url:
        client = clients[who](tmp_path / who, case.root, url)
        assert verdict(client) == "accepted"
        attack.anew()
        attack.root(*case.owners)
        assert verdict(client) == "accepted"


@each_client
def test_a_client_gets_every_document_that_a_site_names(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path
) -> None:
    site = case.sites["second"]
    targets = named(site, 2)
    assert {INDEX, f"releases/{NAME}/manifest.json", f"releases/{NAME}/index/apt.json.gz"} < {
        *targets
    }
    with serve(site) as url:
        client = clients[who](tmp_path / who, case.root, url)
        for target in targets:
            assert client.get(target) == (site / target).read_bytes()


@each_client
def test_while_a_site_is_published_the_copies_that_never_change_can_be_read(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path, watch: Watch
) -> None:
    site = tmp_path / "site"
    shutil.copytree(case.sites["first"], site)

    def before(number: int, operation: str) -> None:
        if operation == f"put {INDEX}":
            raise KeyboardInterrupt

    settings = case.settings.model_copy(update={"site": str(site), "now": START + 3600})
    with watch(before), pytest.raises(KeyboardInterrupt):
        publish.publish(Workspace(settings.dist / NAME), settings, shipped(), case.keys)
    with serve(site) as url:
        client = clients[who](tmp_path / who, case.root, url)
        assert verdict(client) == "download"
        (copy,) = [target for target in named(site, 2) if target.startswith("publications/index/")]
        assert NAME.encode() in client.get(copy)
        refresh(site, case, case.keys)
        assert client.get(INDEX) == client.get(copy)


@each_client
def test_who_comes_for_the_first_time_sees_expiry_and_neither_an_older_site_nor_a_fork(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path
) -> None:
    wanted = {"first": "accepted", "fork": "accepted", "short": "refresh"}
    found = {}
    for state in wanted:
        with serve(case.sites[state]) as url:
            found[state] = verdict(clients[who](tmp_path / state, case.root, url))
    assert found == wanted


@each_client
def test_a_stolen_freshness_key_holds_a_client_up_until_a_new_root_names_another(
    who: str, case: Case, clients: dict[str, Make], tmp_path: Path
) -> None:
    attack = Attack(tmp_path / "site", case)
    shutil.copytree(case.sites["second"], attack.site)
    with serve(attack.site) as url:
        client = clients[who](tmp_path / who, case.root, url)
        attack.timestamp(1000)
        assert verdict(client) == "accepted"
        attack.put("third")
        assert verdict(client) == "refresh"
        refresh(attack.site, case, rotated(case))
        assert client.get(INDEX) == (attack.site / INDEX).read_bytes()
        new = Metadata.from_bytes(attack.file("timestamp.json").read_bytes()).signed.version
        assert new < 1000
        attack.timestamp(1001)
        assert verdict(client) == "refresh"


def written(holds: str, url: str) -> str:
    """The example of the documentation that holds a text, for a site at an address."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", TABLE.read_text(), re.MULTILINE)
    (found,) = [block for block in blocks if holds in block]
    return textwrap.dedent(found).replace("https://packages.example.org", url)


def test_the_python_example_of_the_documentation_works(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.root.json").write_bytes(case.root)
    site = case.sites["second"]
    with serve(site) as url:
        exec(written("import Updater", url), {})
    assert (tmp_path / "releases%2Findex.json").read_bytes() == (site / INDEX).read_bytes()


def test_the_go_example_of_the_documentation_works_and_leaves_the_names_of_copies(
    case: Case, go_tuf: Path, tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    tool("jq")
    (tmp_path / "tuf-client").symlink_to(go_tuf)
    (tmp_path / "1.root.json").write_bytes(case.root)
    site = case.sites["second"]
    with serve(site) as url:
        words = written("tuf-client init", url)
        look = written("jq -r", url).replace("metadata/", "tuf_metadata/")
        done = run(["sh", "-euc", f"PATH=$PWD:$PATH\n{words}{look}"], cwd=tmp_path)
    copy = done.stdout.splitlines()[-1]
    (file,) = (tmp_path / "tuf_download").iterdir()
    assert file.read_bytes() == (site / INDEX).read_bytes() == (site / copy).read_bytes()
