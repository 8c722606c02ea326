"""Links that somebody puts into a site's directory lead nobody out of it, to read, write, delete,
link or lock.
"""

import os
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from kubewright import below, files, run
from kubewright.cli.shipped import shipped
from kubewright.errors import DiskError, KubewrightError, VerificationFailed
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.directory import DirectoryStore
from kubewright.site.scratch import ALIVE, OWN
from kubewright.stages import channels, release, verify
from kubewright.stages.repair import repair_site

Operation = Callable[[DirectoryStore], object]

OLD = files.sha256(b"old")

OPERATIONS: dict[str, Operation] = {
    "get": lambda store: store.get("pool/deep/a"),
    "stat": lambda store: store.stat("pool/deep/a"),
    "put": lambda store: store.put("pool/deep/a", b"new"),
    "create": lambda store: store.put("pool/deep/a", b"new", if_absent=True),
    "swap": lambda store: store.put("pool/deep/a", b"new", if_tag=OLD),
    "copy from": lambda store: store.copy("pool/deep/a", "elsewhere/a"),
    "copy to": lambda store: store.copy("there", "pool/deep/a"),
    "delete": lambda store: store.delete("pool/deep/a"),
}
"""Each way to reach an object in a folder."""

PLANTED = {
    "the folder": ("pool/deep", "outside/deep"),
    "the folder above": ("pool", "outside"),
    "the file": ("pool/deep/a", "outside/deep/a"),
    "a file that is not there": ("pool/deep/a", "outside/deep/none"),
    "a folder that is not there": ("pool/deep", "outside/none"),
}
"""What is a link, and where outside of the site it leads."""

REPLACING = ("put", "delete")
"""What may be done to a link itself, which is then gone."""


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a root, with its mode and its bytes."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode, b"" if path.is_dir() else path.read_bytes()
        )
        for path in sorted(root.rglob("*"))
    }  # fmt: skip


def made(tmp_path: Path) -> DirectoryStore:
    """A site, and beside it what is nobody's business."""
    store = DirectoryStore(tmp_path / "site")
    store.put("there", b"there")
    for folder in ("site/pool/deep", "outside/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "outside/deep/a").write_bytes(b"old")
    (tmp_path / "outside/deep/a").chmod(0o600)
    return store


def plant(tmp_path: Path, link: str, to: str, *, relative: bool) -> Path:
    place, target = tmp_path / "site" / link, tmp_path / to
    shutil.rmtree(place, ignore_errors=True)
    place.symlink_to(os.path.relpath(target, place.parent) if relative else target)
    return place


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_follows_a_link_and_the_error_names_it(
    tmp_path: Path, operation: str, planted: str, relative: bool
) -> None:
    store = made(tmp_path)
    place = plant(tmp_path, *PLANTED[planted], relative=relative)
    before = tree(tmp_path / "outside")
    if operation in REPLACING and "file" in planted:
        OPERATIONS[operation](store)
        assert not place.is_symlink()
        assert place.exists() == (operation == "put")
    else:
        with pytest.raises(VerificationFailed, match=r"a symbolic link to .* remove it") as caught:
            OPERATIONS[operation](store)
        assert caught.value.place == str(place)
    assert tree(tmp_path / "outside") == before
    assert not (tmp_path / "site/elsewhere/a").exists()


def test_a_link_is_listed_as_an_object_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    store = made(tmp_path)
    plant(tmp_path, "pool/deep", "outside/deep", relative=True)
    plant(tmp_path, "loop", "site", relative=True)
    plant(tmp_path, ".hidden", "outside", relative=True)
    assert store.list("") == ["loop", "pool/deep", "there"]
    with pytest.raises(VerificationFailed, match=r"site/pool/deep: a symbolic link"):
        store.list("pool/deep/")


OWN_LINKS: dict[str, tuple[str, str, bool]] = {
    "the own directory": (OWN, "outside/deep", False),
    "the own directory, to nothing": (OWN, "outside/none", False),
    "the lock": (f"{OWN}/lock", "outside/deep/a", False),
    "the lock, to nothing": (f"{OWN}/lock", "outside/deep/none", False),
    "a writer's directory": (f"{OWN}/new-evil", "outside/deep", True),
    "a writer's directory, to nothing": (f"{OWN}/new-evil", "outside/none", True),
    "a writer's lock": (f"{OWN}/new-dead/{ALIVE}", "outside/deep/a", True),
}
"""What is a link among a store's own files, where it leads, and whether writing goes on."""


@pytest.mark.parametrize("planted", OWN_LINKS)
def test_the_own_files_of_a_store_are_no_way_out(tmp_path: Path, planted: str) -> None:
    link, to, goes_on = OWN_LINKS[planted]
    store = made(tmp_path)
    del store
    (tmp_path / "outside/deep" / ALIVE).write_bytes(b"mine")
    (tmp_path / "site" / link).parent.mkdir(exist_ok=True)
    place = plant(tmp_path, link, to, relative=False)
    before = tree(tmp_path / "outside")
    store = DirectoryStore(tmp_path / "site")
    store.announce() if goes_on else None
    if goes_on:
        assert store.put("there", b"new", if_tag=files.sha256(b"there"))
        assert not store.has_other_writers()
        assert not place.is_symlink(), "what a dead writer has left goes"
    else:
        with pytest.raises(KubewrightError, match=r"a symbolic link.* remove it") as caught:
            store.put("there", b"new")
        assert caught.value.place == str(place)
        with pytest.raises(KubewrightError, match="a symbolic link"), store.alone():
            raise AssertionError("nobody is alone here")
        place.unlink()
        assert store.put("there", b"new"), "the remedy works"
    assert tree(tmp_path / "outside") == before


def test_whoever_swaps_folders_for_links_meanwhile_gets_nothing_outside(tmp_path: Path) -> None:
    store = made(tmp_path)
    inside = tmp_path / "site/pool/deep"
    before, over = tree(tmp_path / "outside"), threading.Event()

    def attack() -> None:
        for number in count():
            if over.is_set():
                return
            with suppress(OSError):
                inside.rename(tmp_path / f"kept-{number}")
            with suppress(OSError):
                inside.symlink_to(tmp_path / "outside")
                time.sleep(0.001)
                inside.unlink()
            time.sleep(0.001)

    attacker = threading.Thread(target=attack)
    attacker.start()
    outcomes = {"done": 0, "refused": 0}
    try:
        while min(outcomes.values()) < 20 and sum(outcomes.values()) < 5000:
            try:
                store.put("pool/deep/a", b"new")
                store.put("pool/deep/b", b"new", if_absent=True)
                store.delete("pool/deep/b")
                store.get("pool/deep/a")
                outcomes["done"] += 1
            except (VerificationFailed, DiskError):
                outcomes["refused"] += 1
    finally:
        over.set()
        attacker.join()
    assert min(outcomes.values()) >= 20, outcomes
    assert tree(tmp_path / "outside") == before


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
}
"""What never ends, or never begins, when it is read."""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("operation", ["get", "stat", "swap", "copy from"])
def test_what_is_no_file_is_not_read(tmp_path: Path, operation: str, odd: str) -> None:
    store = made(tmp_path)
    try:
        ODD[odd](tmp_path / "site/pool/deep/a")
    except PermissionError:
        pytest.skip("only root makes devices")
    with pytest.raises(VerificationFailed, match=r"deep/a: a pipe, socket or device .*; remove it"):
        OPERATIONS[operation](store)


def test_the_root_may_be_its_owners_link(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "www").symlink_to("site")
    store = DirectoryStore(tmp_path / "www")
    assert store.put("pool/deep/a", b"old", if_absent=True)
    assert store.copy("pool/deep/a", "copies/a")
    assert store.put("copies/a", b"new", if_tag=OLD)
    assert store.list("") == ["copies/a", "pool/deep/a", "there"]
    assert (tmp_path / "site/copies/a").read_bytes() == b"new"


MOUNTED = """
set -e
mount --bind "$1/big" "$1/site/pool"
"$2" -c '
import sys
from pathlib import Path
from kubewright.site.directory import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]) / "site")
assert store.put("pool/a", b"one", if_absent=True)
assert not store.put("pool/a", b"two", if_absent=True)
assert store.put("pool/a", b"two")
assert store.copy("pool/a", "listed/a")
assert store.put("pool/a", b"three", if_tag=store.get("pool/a").tag)
print(store.list(""), store.get("listed/a").data)
' "$1"
"""


@pytest.mark.elsewhere("it mounts a file system, which containers mostly may not")
def test_a_pool_may_be_mounted_from_another_disk(tmp_path: Path) -> None:
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other disk")
    for folder in ("site/pool", "big"):
        (tmp_path / folder).mkdir(parents=True)
    other = Path("/dev/shm") / f"kubewright-{os.getpid()}"
    other.mkdir()
    try:
        script = MOUNTED.replace('"$1/big"', f'"{other}"')
        words = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable]
        try:
            sources = str(Path(below.__file__).parents[1])
            done = run.run(words, env={"PYTHONPATH": sources})
        except KubewrightError as error:
            if "permitted" in str(error) or "denied" in str(error):
                pytest.skip("no mounts here")
            raise
        assert done.stdout == "['listed/a', 'pool/a'] b'two'\n"
        assert (other / "a").read_bytes() == b"three"
    finally:
        shutil.rmtree(other)


# Whole sites


def moved_out(site: Path, path: str) -> None:
    """Put a file or folder of a site beside it, and a link in its place."""
    outside = site.parent / "outside" / path
    outside.parent.mkdir(parents=True)
    (site / path).rename(outside)
    (site / path).symlink_to(outside)


OBJECTS = (
    "index.html",
    "schemas",
    "keys",
    "keys/kubewright.gpg",
    "channels/stable.json",
    "apt/pool",
    "apt/dists/stable/InRelease",
    "yum/stable/x86_64/repodata",
    "releases/index.json",
    "releases/v1.36.4-1/manifest.json",
    "releases/v1.36.4-1/images/hyperkube-v1.36.4-linux-amd64.tar",
    "publications",
)


@pytest.mark.parametrize("path", OBJECTS)
def test_verify_names_a_link_although_the_bytes_behind_it_are_right(site: Path, path: str) -> None:
    moved_out(site, path)
    try:
        found = [
            f"{one.place}: {one.problem}" for one in verify.verify(str(site), [], now=NOW).findings
        ]
    except VerificationFailed as error:
        found = [str(error)]
    assert any(f"{site}/{path}: a symbolic link to" in one for one in found), found[:3]


NOW = 1_790_000_000


def test_a_stray_link_is_found_and_repair_takes_the_link_alone(home: Settings, keys: Keys) -> None:
    root = Path(home.site)
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"mine")
    (root / "apt/dists/evil").symlink_to(outside)
    (root / "channels/evil.json").symlink_to(outside / "mine")
    strays = verify.verify(home.site, [], now=NOW).strays
    assert set(strays) == {"apt/dists/evil", "channels/evil.json"}
    report, _ = repair_site(home, shipped(), keys)
    assert report.findings == ()
    assert not (root / "apt/dists/evil").is_symlink()
    assert tree(outside) == {"mine": (stat.S_IFREG | 0o644, b"mine")}


@pytest.mark.parametrize("path", ["schemas", "apt/pool", "index.html", ".kubewright"])
def test_nothing_outside_is_written_by_a_release_and_the_remedy_heals(
    home: Settings, keys: Keys, path: str
) -> None:
    root = Path(home.site)
    (root / path).mkdir(exist_ok=True) if path == OWN else None
    moved_out(root, path)
    before = tree(root.parent / "outside")
    later = home.model_copy(update={"now": NOW + 60})

    def attempt() -> None:
        release.release("v1.36.3", later, shipped(), keys)
        channels.refresh(later, shipped(), keys)

    if path == "index.html":  # a link itself may be replaced
        attempt()
    else:
        with pytest.raises(KubewrightError) as caught:
            attempt()
        assert f"{root / path}: a symbolic link" in str(caught.value)
        (root / path).unlink()
        repair_site(later, shipped(), keys)
        attempt()
    assert not (root / path).is_symlink()
    assert tree(root.parent / "outside") == before
    assert verify.verify(home.site, [], now=NOW + 60).findings == ()
