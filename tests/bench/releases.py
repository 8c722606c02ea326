"""Releases to publish: real small packages, made by the real stages and kept for later runs."""

import fcntl
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
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
from kubewright.models.base import Arch
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.directory import DirectoryStore
from kubewright.stages import fetch, image, package, resolve, sign
from kubewright.stages.carried import reading
from kubewright.stages.keys import keys as keys_of
from kubewright.stages.sample import sample
from kubewright.stages.site_keys import site_keyring
from kubewright.workspace import Workspace, fingerprint, folder_digests

KUBERNETES = "v1.36.4"
NOW = 1_790_000_000
MINUTE = 60

ONLY_PUBLISHES = (
    "cli/*", "models/site.py", "repos/apt.py", "repos/packed.py", "repos/yum.py", "site/*",
    "stages/channels.py", "stages/history.py", "stages/publish.py", "stages/quickstart.py",
    "stages/release.py", "stages/repair.py", "stages/site.py", "stages/site_keys.py",
    "stages/store.py", "stages/verify.py", "verification/*",
)  # fmt: skip
"""Modules that no byte of a release depends on: what this bench is about may change without new
releases.
"""
STILL = ("site/contents.py", "site/layout.py")
"""But for these of them."""


@dataclass(frozen=True)
class Releases:
    """Signed releases of one Kubernetes version, revision 1 to `count`; only read."""

    home: Path
    count: int
    seconds: float
    """What making those took that were not there."""

    def settings(self, number: int, site: Path) -> Settings:
        """What publishes the release with a number on a site, in one channel."""
        return _settings(self.home, number).model_copy(
            update={"site": str(site), "channels": ("stable",), "now": NOW + number * MINUTE}
        )

    def workspace(self, number: int) -> Workspace:
        """Where a release is."""
        return Workspace(self.home / "dist" / f"{KUBERNETES}-{number}")

    def packages(self, number: int) -> list[Path]:
        """The debs and rpms of a release, signed."""
        record = self.workspace(number).record("sign")
        assert record is not None
        return [self.workspace(number).root / one.path for one in record.packages]

    def own(self, number: int) -> list[Path]:
        """Those of them that an earlier release does not have: Kubernetes' own."""
        if number == 1:
            return self.packages(1)
        known = {path.name for path in self.packages(number - 1)}
        return [path for path in self.packages(number) if path.name not in known]

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
    return fingerprint(kept, [folder_digests(shipped().root / name) for name in content.FOLDERS])


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


def _made(home: Path, number: int) -> bool:
    return (home / "dist" / f"{KUBERNETES}-{number}" / "sign.json").is_file()


def _make_all(home: Path, missing: list[int]) -> None:
    if not (home / "mirror" / "done").exists():
        shutil.rmtree(home / "mirror", ignore_errors=True)
        sample(home / "mirror", shipped())
        (home / "mirror" / "done").touch()
    first, *rest = missing
    _make(home, first)  # fills the cache of inputs
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(partial(_make, home), rest))


def _make(home: Path, number: int) -> None:
    """Every stage up to `sign`, on no site: so a release is the same wherever it is published."""
    logging.disable(logging.WARNING)
    console().quiet = True  # progress
    settings, keys, recipes = _settings(home, number), _keys(), shipped()
    nowhere = reading(DirectoryStore(home / "nowhere"))
    workspace, _ = resolve.resolve(KUBERNETES, settings, recipes)
    fetch.fetch(workspace, settings, recipes)
    known = site_keyring(keys.certificates, None)
    package.package(workspace, settings, recipes, keys.repo, known)
    image.image(workspace, settings, recipes)
    sign.sign(workspace, settings, recipes, keys, nowhere)


def _settings(home: Path, number: int) -> Settings:
    return Settings(
        upstream=str(home / "mirror"), dist=home / "dist", cache=home / "cache",
        site=str(home / "nowhere"), url="http://packages.example.org", now=NOW, revision=number,
        architectures=tuple(Arch), jobs=1,
    )  # fmt: skip


def _keys() -> Keys:
    return keys_of(Settings(cache=Path("cache"), now=NOW))
