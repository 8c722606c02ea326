"""A cache that somebody else writes to: what is used is what the digest says, whenever it is
changed, and nothing leads out of the cache.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from kubewright import files
from kubewright.cache import Cache
from kubewright.cli.shipped import shipped
from kubewright.errors import DiskError, VerificationFailed
from kubewright.models.base import Arch
from kubewright.models.lock import Check, Input
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import image, package
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

NAME = "v1.36.4-1"
DATA = bytes(range(256)) * 20_000
EVIL = b"evil" + DATA[4:]
DIGEST = files.sha256(DATA)
HOST = "dl.example.org"


def entry(digest: str | None = DIGEST) -> Input:
    return Input(
        component="kubernetes", name="kubelet", version="1.36.4", arch=Arch.amd64,
        url=f"https://{HOST}/kubelet", sha256=digest, check=Check.checksum,
    )  # fmt: skip


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    (tmp_path / "mirror" / HOST).mkdir(parents=True)
    (tmp_path / "mirror" / HOST / "kubelet").write_bytes(DATA)
    return Upstream(str(tmp_path / "mirror"))


def quiet(_have: int, _total: int | None) -> None:
    pass


def rewritten(path: Path) -> None:
    """Other bytes of the same size in the same file."""
    with path.open("r+b") as stream:
        stream.write(EVIL[:4])


def replaced(path: Path) -> None:
    """Another file of the same size and date under the same name."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(EVIL)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def linked(path: Path) -> None:
    """A link to other bytes."""
    target = path.parent / "target"
    target.write_bytes(EVIL)
    path.unlink()
    path.symlink_to(target)


CHANGES: dict[str, Callable[[Path], None]] = {
    "rewritten": rewritten,
    "replaced": replaced,
    "linked": linked,
}
"""What a writer to the cache does to an entry."""

MOMENTS = ("before", "while it is copied", "after")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", CHANGES)
def test_an_entry_that_is_changed_is_refused_or_was_copied_before(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, change: str, moment: str
) -> None:
    cache, folder = Cache(tmp_path / "cache"), tmp_path / "private"
    cache.fetch(upstream, entry(), quiet)
    path, really = cache.path(DIGEST), files.copy

    def copy(source: IO[bytes], target: IO[bytes]) -> str:
        CHANGES[change](path)
        return really(source, target)

    if moment == "before":
        assert cache.sound(DIGEST)
        CHANGES[change](path)
    elif moment == "while it is copied":
        monkeypatch.setattr(files, "copy", copy)
    if moment == "before" or (moment, change) == ("while it is copied", "rewritten"):
        with pytest.raises(VerificationFailed, match=r"corrupted in the cache|a symbolic link to"):
            cache.use(entry(), folder)
        assert not list(tmp_path.glob("private/*"))
        return
    used = cache.use(entry(), folder)
    if moment == "after":
        CHANGES[change](path)
    assert used.read_bytes() == DATA
    assert cache.use(entry(), folder) == used
    assert used.read_bytes() == DATA


def built(settings: Settings, keys: Keys, name: str) -> dict[str, bytes]:
    """Packages and images of a release, made again by a cache of one job."""
    root = settings.dist / name
    for made in ("packages", "package.json", "images", "image.json", "images.json"):
        shutil.rmtree(root / made) if (root / made).is_dir() else (root / made).unlink()
    workspace = Workspace(root)
    package.package(workspace, settings, shipped(), keys.repo, keys.repo.certificate)
    image.image(workspace, settings, shipped())
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in ("packages", "images")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def test_whoever_changes_every_entry_after_its_first_use_changes_no_package_and_no_image(
    home: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = home.model_copy(update={"jobs": 1})
    honest = built(settings, keys, NAME)
    really, spoiled = Cache.copied, set()

    def copied(self: Cache, digest: str, folder: Path, owner: str) -> Path:
        """Restored just before each use, and spoiled as soon as it is over."""
        path = self.path(digest)
        data = path.read_bytes()
        if digest in spoiled:
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        taken = really(self, digest, folder, owner)
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        spoiled.add(digest)
        return taken

    monkeypatch.setattr(Cache, "copied", copied)
    assert built(settings, keys, NAME) == honest
    assert len(spoiled) > 10


def test_a_changed_entry_ends_the_build_and_leaves_nothing_private(
    home: Settings, keys: Keys
) -> None:
    release = Workspace(home.dist / NAME).completed()
    taken = release.named_inputs["kubernetes", "kubelet", Arch.amd64]
    path = Cache(home.cache).path(str(taken.sha256))
    path.write_bytes(path.read_bytes() + b"!")
    remedy = (
        r"corrupted in the cache \(kubernetes/kubelet amd64\); run `kubewright fetch` to repair"
    )
    with pytest.raises(VerificationFailed, match=remedy):
        built(home, keys, NAME)
    assert not [path for path in home.dist.rglob(".*") if path.is_dir()]


# What is not whole yet

Plant = Callable[[Path, Path], None]


def hard_link(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def symbolic_link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def dangling_link(place: Path, victim: Path) -> None:
    place.symlink_to(victim.with_name("none"))


def pipe(place: Path, _: Path) -> None:
    os.mkfifo(place)


def foreign(place: Path, _: Path) -> None:
    place.write_bytes(EVIL)
    try:
        os.chown(place, 65534, 65534)
    except PermissionError:
        pytest.skip("only root gives files away")


PLANTS: dict[str, Plant] = {
    "somebody else's file": foreign,
    "a hard link": hard_link,
    "a symbolic link": symbolic_link,
    "a link to nothing": dangling_link,
    "a pipe": pipe,
}


@pytest.mark.parametrize("known", [DIGEST, None], ids=["known", "unknown"])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_download_is_written_to_no_file_of_somebody_else(
    tmp_path: Path, upstream: Upstream, plant: str, known: str | None
) -> None:
    cache, victim = Cache(tmp_path / "cache"), tmp_path / "outside" / "victim"
    victim.parent.mkdir()
    victim.write_bytes(DATA[:1000])
    victim.chmod(0o600)
    place = cache.root / "partial" / (known or files.sha256(entry().url.encode()))
    place.parent.mkdir(parents=True)
    PLANTS[plant](place, victim)
    assert cache.fetch(upstream, entry(known), quiet) == DIGEST
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA
    assert victim.read_bytes() == DATA[:1000]
    assert victim.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in victim.parent.iterdir()] == ["victim"]
    assert not list(place.parent.iterdir())


FOLDERS = ("partial", "sha256", f"sha256/{DIGEST[:2]}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_of_a_cache_leads_out_of_it(
    tmp_path: Path, upstream: Upstream, folder: str
) -> None:
    cache, outside = Cache(tmp_path / "cache"), tmp_path / "outside"
    outside.mkdir()
    place = cache.root / folder
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    with pytest.raises(VerificationFailed, match=r"a symbolic link to .*remove it") as caught:
        cache.fetch(upstream, entry(), quiet)
    assert caught.value.place == str(place)
    (tmp_path / "made").write_bytes(DATA)
    with pytest.raises(VerificationFailed, match="a symbolic link to"):
        cache.adopt(tmp_path / "made")
    assert not list(outside.iterdir())
    place.unlink()
    assert cache.fetch(upstream, entry(), quiet) == DIGEST


@pytest.mark.parametrize("folder", ["sha256", f"sha256/{DIGEST[:2]}"])
def test_what_a_link_leads_to_is_not_used_even_where_its_bytes_are_right(
    tmp_path: Path, upstream: Upstream, folder: str
) -> None:
    cache = Cache(tmp_path / "cache")
    cache.fetch(upstream, entry(), quiet)
    (cache.root / folder).rename(tmp_path / "outside")
    (cache.root / folder).symlink_to(tmp_path / "outside")
    with pytest.raises(VerificationFailed, match=rf"{folder}: a symbolic link to"):
        cache.use(entry(), tmp_path / "private")


def test_a_lock_that_is_a_link_is_named_and_makes_no_file(
    tmp_path: Path, upstream: Upstream
) -> None:
    cache = Cache(tmp_path / "cache")
    lock = cache.root / "partial" / f"{DIGEST}.lock"
    lock.parent.mkdir(parents=True)
    lock.symlink_to(tmp_path / "victim")
    with pytest.raises(DiskError, match=rf"{lock}: a symbolic link, .*; remove it"):
        cache.fetch(upstream, entry(), quiet)
    assert not (tmp_path / "victim").exists()
    lock.unlink()
    assert cache.fetch(upstream, entry(), quiet) == DIGEST


def test_the_cache_itself_may_be_its_owners_link(tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "cache").symlink_to("big")
    cache = Cache(tmp_path / "cache")
    cache.fetch(upstream, entry(), quiet)
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA


def test_what_is_swapped_while_it_is_adopted_is_kept_by_its_own_digest(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path / "cache"), tmp_path / "made"
    made.write_bytes(DATA)
    assert cache.adopt(made) == DIGEST
    replaced(made)
    evil = cache.adopt(made)
    assert evil == files.sha256(EVIL)
    assert cache.path(evil).read_bytes() == EVIL
    assert cache.path(DIGEST).read_bytes() == DATA
