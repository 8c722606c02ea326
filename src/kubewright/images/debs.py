"""Fetches pinned Debian packages, and pins them: with the machine's own apt, from the machine's own
sources.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from kubewright import files
from kubewright.cache import Cache
from kubewright.errors import ToolFailed, UpstreamUnreachable, VerificationFailed
from kubewright.models.base import Arch, deb_name
from kubewright.models.image import Pin
from kubewright.run import find, run

INSTALL: Final = "use a machine with Debian's apt, or one whose cache has the packages already"

PIN_ANEW: Final = "pin what there is now: python -m kubewright.images.pins"

_URI: Final = re.compile(
    r"^'[^']+/(?P<path>pool/[^']+)' (?P<name>\S+)\.deb (?P<size>\d+) "
    r"SHA256:(?P<sha256>[0-9a-f]{64})\Z"
)


class Apt:
    """apt for one architecture, with a state of its own below `root`: the machine's is neither read
    nor changed.
    """

    def __init__(self, root: Path, arch: Arch) -> None:
        self._program = find("apt-get", install=INSTALL)
        settings = {
            "Dir::State::Lists": root / "lists",
            "Dir::State::Status": "/dev/null",
            "Dir::Cache": root / "cache",
            "APT::Architecture": arch.deb,
            "APT::Architectures": arch.deb,
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::ForceHash": "SHA256",
        }
        self._options: list[str] = []
        for name, value in settings.items():
            self._options += ["-o", f"{name}={value}"]
        for folder in ("lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True)
        try:
            self.run("update", "--error-on=any")
        except ToolFailed as error:
            raise UpstreamUnreachable(
                "apt", "its sources cannot be read", f"correct them or try again:\n{error}"
            ) from error

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """What `apt-get` prints. Raises ToolFailed."""
        return run([self._program, "--quiet", "--yes", *self._options, *words], cwd=cwd).stdout


def fetch_packages(pins: Iterable[Pin], arch: Arch, cache: Cache, folder: Path) -> dict[Pin, Path]:
    """A copy of every package in a folder that nobody else can write to; what the cache lacks, apt
    fetches.

    Raises ToolMissing without apt, UpstreamUnreachable when its sources have no such version any
    more, VerificationFailed when a file is not what its pin says.
    """
    wanted = tuple(pins)
    lacking = [pin for pin in wanted if not cache.holds(pin.sha256)]
    if lacking:
        with private_apt(arch) as (apt, root):
            _download(apt, lacking, root, cache)
    return {pin: cache.copied(pin.sha256, folder, pin.package) for pin in wanted}


def closure(names: Sequence[str], arch: Arch) -> list[Pin]:
    """The packages `names` and everything that they depend on, as apt would install them on an
    empty system.
    """
    with private_apt(arch) as (apt, _):
        answer = apt.run("install", "--print-uris", *names)
    pins = [_pin(line) for line in answer.splitlines() if line.startswith("'")]
    return sorted(pins, key=lambda pin: pin.package)


@contextmanager
def private_apt(arch: Arch) -> Iterator[tuple[Apt, Path]]:
    """An apt that knows what its sources have, and a folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="kubewright-apt-") as name:
        yield Apt(Path(name), arch), Path(name)


def _download(apt: Apt, pins: Sequence[Pin], root: Path, cache: Cache) -> None:
    folder = root / "debs"
    folder.mkdir()
    try:
        apt.run("download", *(f"{pin.package}={pin.version}" for pin in pins), cwd=folder)
    except ToolFailed as error:
        raise UpstreamUnreachable(
            "apt", "its sources do not have what is pinned", f"{PIN_ANEW}\n{error}"
        ) from error
    for pin in pins:
        [package] = folder.glob(f"{pin.package}_*_{deb_name(pin.arch)}.deb")
        if (digest := files.sha256_of(package)) != pin.sha256:
            raise VerificationFailed(
                pin.path, f"its sha256 is {digest}, but {pin.sha256} is pinned", PIN_ANEW
            )
        cache.adopt(package)


def _pin(line: str) -> Pin:
    match = _URI.match(line)
    if match is None:
        raise ToolFailed(
            "apt-get",
            f"said {line!r}, which is not a package in a pool",
            "use a Debian mirror as source",
        )
    package, version, arch = match["name"].split("_")
    return Pin(
        package=package,
        version=unquote(version),
        arch=next((own for own in Arch if own.deb == arch), "all"),
        size=int(match["size"]),
        sha256=match["sha256"],
        path=match["path"],
    )
