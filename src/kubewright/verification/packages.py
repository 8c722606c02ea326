"""The packages that the releases of a site have: what a verification remembers of manifests."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kubewright.models.manifest import PackageFile
from kubewright.verification.notes import Table


class Listed(NamedTuple):
    """What a repository says of a package, as `PackageFile` has it."""

    name: str
    url: str
    size: int
    sha256: str
    format: str
    arch: str
    signing_key: str | None


class Packages:
    """The packages of each release, by its name."""

    def __init__(self) -> None:
        """Of no release yet."""
        self.releases: set[str] = set()
        """Those whose packages are known."""
        self._table = Table(
            "release TEXT, place INTEGER, name TEXT, url TEXT, size INTEGER, sha256 TEXT,"
            " format TEXT, arch TEXT, signing_key TEXT, PRIMARY KEY (release, place)"
        )

    def add(self, release: str, packages: Iterable[PackageFile]) -> None:
        """Note the packages of a release."""
        self.releases.add(release)
        for place, one in enumerate(packages):
            listed = Listed(
                one.name, one.url, one.size, one.sha256, one.format, one.arch, one.signing_key
            )
            row = (release, place, *listed)
            self._table.run("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)

    def of(self, release: str) -> Iterator[Listed]:
        """The packages of a release, in their order; none of one that is not known."""
        rows = self._table.each("SELECT * FROM rows WHERE release = ? ORDER BY place", release)
        return (Listed(*row[2:]) for row in rows)
