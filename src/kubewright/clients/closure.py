"""Packages of Debian and its kin that a bare machine needs beside ours: chosen and fetched by apt
itself, with the distribution's own signed lists, so that another apt can check them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from debian.deb822 import Deb822, Release

from kubewright import files
from kubewright.clients.apt import sources as source_files
from kubewright.errors import RequestError, ToolFailed, UpstreamUnreachable, VerificationFailed
from kubewright.run import find, run

HELPER = "/usr/lib/apt/apt-helper"
"""Fetches a file of a known digest by apt's own means."""

KINDS = ("", "-updates", "-security")
"""The suites of a release, by what follows its codename."""

KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
"""The keys of a distribution as each machine of it has them."""

_ONE_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+main\b", re.M)
_URI = re.compile(
    r"^'(?P<uri>[^']+)' (?P<name>\S+)\.deb (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$"
)


class Archive(NamedTuple):
    """A mirror of a distribution, and the suites of it that are read."""

    uri: str
    suites: tuple[str, ...]
    folder: str
    """What its copy is called: the last part of its address, and a number where two have that."""


class Fetched(NamedTuple):
    """Copies of archives: files by path below the folder of all of them."""

    archives: tuple[Archive, ...]
    files: dict[str, Path]


def archives(family: str, codename: str, known: Sequence[str], machine: Path) -> list[Archive]:
    """The mirrors of a release, from the machine's own sources of any release of the same family;
    `known` are the codenames of that. Raises RequestError where it has none.
    """
    found: dict[str, set[str]] = {}
    for uri, suite in _entries(machine):
        base, kind = suite.removesuffix("/updates"), ""
        for one in KINDS[1:]:
            if suite.endswith(one):
                base, kind = suite.removesuffix(one), one
        if base in known and not uri.startswith(("cdrom:", "file:", "copy:")):
            found.setdefault(uri.rstrip("/"), set()).add(f"{codename}{kind}")
    if not found:
        raise RequestError(
            "--with-os",
            f"apt of this machine has no source of {family.capitalize()}, from which packages could"
            " be fetched",
            f"make the bundle on a machine of {family.capitalize()}, of any release, or add such a"
            " source to its apt",
        )
    named: dict[str, Archive] = {}
    for uri, suites in sorted(found.items()):
        last = re.sub("[^A-Za-z0-9-]", "-", uri.rpartition("/")[2]).lstrip("-") or family
        folder = last if last not in named else f"{last}-{len(named) + 1}"
        named[folder] = Archive(uri, tuple(sorted(suites)), folder)
    return [*named.values()]


def _entries(machine: Path) -> Iterator[tuple[str, str]]:
    for path in source_files(machine):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix != ".sources":
            for line in _ONE_LINE.finditer(text):
                yield line["uri"], line["suite"]
            continue
        for entry in Deb822.iter_paragraphs(text, use_apt_pkg=False):
            if "main" in entry.get("Components", "").split() and entry.get("Enabled") != "no":
                for uri in entry.get("URIs", "").split():
                    for suite in entry.get("Suites", "").split():
                        yield uri, suite


class Closure:
    """apt for one architecture of a release, which knows an empty system, our suite and the
    distribution's; all that it keeps is below `root`.
    """

    def __init__(
        self, root: Path, arch: str, found: Sequence[Archive], keyring: str, own: str
    ) -> None:
        """`own` is our entry, as in a file of sources. Raises UpstreamUnreachable for lists that
        cannot be had, and ToolMissing without apt.
        """
        self._program = find("apt-get", install="--with-os needs Debian's apt; use such a machine")
        self._archives, self._root, self._arch = tuple(found), root, arch
        self._env = {"APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        for folder in ("lists/partial", "cache/archives/partial", "parts", "debs"):
            (root / folder).mkdir(parents=True)
        entries = [own]
        for one in found:
            suites = " ".join(one.suites)
            entries.append(
                f"Types: deb\nURIs: {one.uri}\nSuites: {suites}\nComponents: main\n"
                f"Signed-By: {keyring}\n"
            )
        (root / "parts" / "all.sources").write_text("\n".join(entries))
        (root / "apt.conf").write_text(_settings(root, arch))
        try:
            self._run("update", "--error-on=any")
        except ToolFailed as error:
            raise UpstreamUnreachable(
                "--with-os", "apt cannot read the lists of the distribution", str(error)
            ) from error

    def fetch(self, packages: Sequence[str]) -> Fetched:
        """Everything of the distribution that these packages, as `NAME=VERSION`, need, and what is
        recommended beside: apt installs that too unless it is told not to.
        """
        wanted: dict[str, re.Match[str]] = {}
        for recommended in ("--no-install-recommends", "--install-recommends"):
            answer = self._run("install", "--print-uris", recommended, *packages)
            for match in filter(None, map(_URI.match, answer.splitlines())):
                if not match["uri"].startswith("file:"):
                    name, version, _ = match["name"].split("_")
                    wanted[f"{name}={unquote(version)}"] = match
        found = dict(self._lists())
        if wanted:
            self._run("download", *wanted, cwd=self._root / "debs")
        for match in wanted.values():
            path = self._root / "debs" / f"{match['name']}.deb"
            if files.sha256_of(path) != match["sha256"]:
                problem = "apt fetched another file than it said"
                raise VerificationFailed(match["uri"], problem, "make the bundle again")
            found[self._placed(match["uri"])] = path
        return Fetched(self._archives, found)

    def _placed(self, uri: str) -> str:
        """The path of a package in the copy of its archive."""
        for one in self._archives:
            if uri.startswith(f"{one.uri}/"):
                return f"{one.folder}/{unquote(uri.removeprefix(f'{one.uri}/'))}"
        raise VerificationFailed(uri, "is of no archive that was asked", "make the bundle again")

    def _lists(self) -> Iterator[tuple[str, Path]]:
        """The signed lists, as they lie on a mirror: apt keeps them packed in another way."""
        for one in self._archives:
            start = re.sub("^[a-z]+://", "", one.uri).replace("/", "_")
            for number, suite in enumerate(one.suites):
                name = f"{start}_dists_{suite.replace('/', '_')}"
                signed = self._root / "lists" / f"{name}_InRelease"
                base = f"{one.folder}/dists/{suite}"
                yield f"{base}/InRelease", signed
                index = f"main/binary-{self._arch}/Packages.xz"
                packed = self._root / f"{one.folder}-{number}.xz"
                digest = _listed(signed, index)
                url = f"{one.uri}/dists/{suite}/{index}"
                run([HELPER, "download-file", url, packed, f"SHA256:{digest}"], env=self._env)
                yield f"{base}/{index}", packed

    def _run(self, *words: str, cwd: Path | None = None) -> str:
        return run([self._program, "--quiet", "--yes", *words], env=self._env, cwd=cwd).stdout


def _listed(signed: Path, index: str) -> str:
    """The SHA-256 of a list, as the signed one says it, which apt has checked."""
    release = Release(signed.read_text(encoding="utf-8"))
    for one in release.get("SHA256", ()):
        if one["name"] == index:
            return str(one["sha256"])
    raise VerificationFailed(signed.name, f"lists no {index}", "use another mirror")


def _settings(root: Path, arch: str) -> str:
    """apt with nothing of the machine."""
    return "".join(
        f'{name} "{value}";\n'
        for name, value in (
            ("Dir::Etc::sourcelist", "/dev/null"),
            ("Dir::Etc::sourceparts", root / "parts"),
            ("Dir::Etc::parts", "/dev/null"),
            ("Dir::Etc::preferencesparts", "/dev/null"),
            ("Dir::Etc::preferences", "/dev/null"),
            ("Dir::State::Lists", root / "lists"),
            ("Dir::State::Status", "/dev/null"),
            ("Dir::Cache", root / "cache"),
            ("APT::Architecture", arch),
            ("APT::Architectures", arch),
            ("APT::Sandbox::User", ""),
            ("Acquire::Languages", "none"),
            ("Acquire::ForceHash", "SHA256"),
            ("Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled", "false"),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"),
        )
    )
