"""Releases to publish: real small packages, made by the real stages and kept for later runs."""

import fcntl
import logging
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from kubewright import content, files
from kubewright.cli.directories import cache_directory
from kubewright.cli.shipped import shipped
from kubewright.log import console
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.directory import DirectoryStore
from kubewright.stages import fetch, image, package, resolve, sign
from kubewright.stages.carried import reading
from kubewright.stages.keys import keys as keys_of
from kubewright.stages.sample import sample
from kubewright.stages.site_keys import site_keyring
from kubewright.workspace import Workspace, fingerprint, folder_digests

VERSIONS = ("v1.36.4", "v1.33.9", "v1.34.6", "v1.35.9")
"""Of Kubernetes, each of a minor of its own that is live; the highest first."""
NOW = 1_790_000_000
MINUTE = 60

ONLY_PUBLISHES = (
    "cli/*", "models/site.py", "repos/apt.py", "repos/packed.py", "repos/yum.py", "site/*",
    "site/pages/*", "stages/channels.py", "stages/history.py", "stages/promote.py",
    "stages/prune.py", "stages/publish.py", "stages/quickstart.py", "stages/release.py",
    "stages/repair.py", "stages/site.py", "stages/site_keys.py", "stages/sources.py",
    "stages/store.py", "stages/verify.py", "stages/withdraw.py", "verification/*",
)  # fmt: skip
"""Modules that no byte of a release depends on: what this bench is about may change without new
releases.
"""
STILL = ("site/contents.py", "site/layout.py")
"""But for these of them."""


@dataclass(frozen=True)
class Releases:
    """Signed releases, 1 to `count`, of all versions in turn; only read."""

    home: Path
    count: int
    seconds: float
    """What making those took that were not there."""

    def settings(self, number: int, site: Path, channels: tuple[str, ...] = ()) -> Settings:
        """What publishes the release with a number on a site: in its minor's channel, and that of
        the highest in `stable`, too; or in other channels.
        """
        version = version_of(number)
        minor = f"stable-{version.removeprefix('v').rpartition('.')[0]}"
        own = (minor, "stable") if version == VERSIONS[0] else (minor,)
        return _settings(self.home, number).model_copy(
            update={
                "site": str(site), "channels": channels or own, "now": NOW + number * MINUTE,
            }
        )  # fmt: skip

    def workspace(self, number: int) -> Workspace:
        """Where a release is."""
        return Workspace(self.home / "dist" / name_of(number))

    def next(self, number: int) -> int:
        """The first release of the highest minor after the one with a number."""
        return next(
            one for one in range(number + 1, self.count + 1) if version_of(one) == VERSIONS[0]
        )

    def packages(self, number: int) -> list[Path]:
        """The debs and rpms of a release, signed."""
        record = self.workspace(number).record("sign")
        assert record is not None
        return [self.workspace(number).root / one.path for one in record.packages]

    def own(self, number: int, published: Collection[str] = ()) -> list[Path]:
        """Those of them whose names are not among the published ones: first of all companions, then
        Kubernetes' own alone.
        """
        return [path for path in self.packages(number) if path.name not in published]

    @property
    def keys(self) -> Keys:
        """The development keys that signed them."""
        return _keys()


@contextmanager
def releases(count: int) -> Iterator[Releases]:
    """Releases 1 to `count`; those that are not in the cache directory are made, on all cores."""
    top = cache_directory() / "bench"
    home = top / f"releases-{_digest()[:16]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs that start together make them once
        _remove_others(home)
        os.environ["KUBEWRIGHT_DATA"] = str(home / "data")  # development keys of their own
        start = time.monotonic()
        missing = [number for number in range(1, count + 1) if not _made(home, number)]
        if missing:
            print(f"making {len(missing)} releases in {home} …", file=sys.stderr)
            _make_all(home, missing)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield Releases(home, count, time.monotonic() - start)


def _digest() -> str:
    """Everything that decides the bytes of a release."""
    engine = Path(files.__file__).parent
    sources = folder_digests(engine, ("**/*.py",))
    kept = {
        name: digest
        for name, digest in sources.items()
        if name in STILL or not any(Path(name).match(pattern) for pattern in ONLY_PUBLISHES)
    }
    folders = (name for name in content.FOLDERS if name != "docs")  # a site has pages, no release
    return fingerprint(kept, [folder_digests(shipped().root / name) for name in folders])


def _remove_others(home: Path) -> None:
    """Remove the releases of earlier engines that nobody uses now."""
    for other in home.parent.glob("releases-*"):
        if other == home:
            continue
        with (other / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(other, ignore_errors=True)


def version_of(number: int) -> str:
    """Of which Kubernetes a release is."""
    return VERSIONS[(number - 1) % len(VERSIONS)]


def name_of(number: int) -> str:
    """The name of a release; each version has its own revisions."""
    return f"{version_of(number)}-{_revision(number)}"


def _revision(number: int) -> int:
    return (number - 1) // len(VERSIONS) + 1


def _made(home: Path, number: int) -> bool:
    return (home / "dist" / name_of(number) / "sign.json").is_file()


def _make_all(home: Path, missing: list[int]) -> None:
    if not (home / "mirror" / "done").exists():
        shutil.rmtree(home / "mirror", ignore_errors=True)
        sample(home / "mirror", shipped(), VERSIONS)
        (home / "mirror" / "done").touch()
    first = [number for number in missing if number <= len(VERSIONS)]
    for number in first:  # they fill the cache of inputs, and have all that others can take over
        _make(home, number)
    rest = missing[len(first) :]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(partial(_make, home), rest))


def _make(home: Path, number: int) -> None:
    """Every stage up to `sign`, on no site: so a release is the same wherever it is published."""
    logging.disable(logging.WARNING)
    console().quiet = True  # progress
    settings, keys, recipes = _settings(home, number), _keys(), shipped()
    nowhere = reading(DirectoryStore(home / "nowhere"))
    workspace, _ = resolve.resolve(version_of(number), settings, recipes)
    _take_over(home, number, workspace)
    fetch.fetch(workspace, settings, recipes)
    known = site_keyring(keys.certificates, None)
    package.package(workspace, settings, recipes, keys.repo, known)
    image.image(workspace, settings, recipes)
    sign.sign(workspace, settings, recipes, keys, nowhere)


def _take_over(home: Path, number: int, workspace: Workspace) -> None:
    """Give a release the packages and images of the first of its version, which are not built again
    where they would be the same: companions and images are, Kubernetes' packages are not.
    """
    first = home / "dist" / name_of((number - 1) % len(VERSIONS) + 1)
    if first == workspace.root:
        return
    for folder in ("packages", "images"):
        shutil.rmtree(workspace.root / folder, ignore_errors=True)
        shutil.copytree(first / folder, workspace.root / folder, copy_function=os.link)


def _settings(home: Path, number: int) -> Settings:
    return Settings(
        upstream=str(home / "mirror"), dist=home / "dist", cache=home / "cache",
        site=str(home / "nowhere"), url="http://packages.example.org", now=NOW,
        revision=_revision(number), jobs=1,
    )  # fmt: skip


def _keys() -> Keys:
    return keys_of(Settings(cache=Path("cache"), now=NOW))
