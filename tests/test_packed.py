"""Indexes of several gzip members: what one publication packed the next one takes over."""

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from debian.deb822 import Deb822
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubewright import archives, files
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.repos import apt, packed, rpm, rpmxml, yum
from kubewright.repos.deb import DebEntry
from kubewright.repos.packed import Entry, Packed
from kubewright.run import run

Tool = Callable[[str], Path]

LOCATIONS = ("../../../../pool/", "Packages/")

# What may stand in an index

SNIPPETS = [
    "</package>\n", "</package>", '<package type="rpm">', '<location href="@LOCATION@"/>',
    "@LOCATION@", '<location href="Packages/x.rpm"/>', "<name>x</name><arch>y</arch>", "&", "&amp;",
    '"', "'", "]]>", "<!--", '<version epoch="0" ver="9" rel="9"/>', "\n", "\r\n", "\t", "\x85",
    "\u2028", "Package: other", "Version: 9", "SHA256: 0", "Filename: x", "ü", "🙂", " ", ".",
]  # fmt: skip
"""Texts that look like parts of an index."""

characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
texts = st.lists(
    st.one_of(st.sampled_from(SNIPPETS), st.text(characters, max_size=4)), max_size=5
).map("".join)
lines = texts.map(lambda text: text.replace("\n", ""))
package_names = st.sampled_from(["kubelet", "kubeadm", "kubernetes-cni", "a", "z+x", "lib.b_c"])
versions = st.sampled_from(["1.36.4", "1.36.10", "1.9.0", "1.37.0~rc.1", "3.6.9+x"])
revisions = st.sampled_from(["1", "2"])


def digest(*parts: object) -> str:
    return files.sha256(json.dumps(parts).encode())


def make_deb(
    package: str, version: str, revision: str, arch: str, synopsis: str, more: list[str]
) -> DebEntry:
    """An entry as deb.entry makes it."""
    full = f"1:{version}-{revision}"
    filename = f"pool/main/{package}/{package}_{version}-{revision}_{arch}.deb"
    sha256 = digest(package, version, revision, arch)
    description = "".join(f" {line}\n" for line in more)
    return DebEntry.model_validate(
        {
            "package": package, "version": full, "architecture": arch, "filename": filename,
            "size": 7, "sha256": sha256,
            "stanza": f"Package: {package}\nVersion: {full}\nArchitecture: {arch}\n"
            f"Description: {synopsis}\n{description}Filename: {filename}\nSize: 7\n"
            f"SHA256: {sha256}\n",
        }
    )  # fmt: skip


debs = st.lists(
    st.builds(
        make_deb, package_names, versions, revisions, st.sampled_from(["amd64", "all", "arm64"]),
        lines, st.lists(lines, max_size=3),
    ),
    unique_by=lambda deb: deb.filename,
    max_size=8,
)  # fmt: skip


def make_rpm(
    name: str, version: str, release: str, arch: str, said: Sequence[str], basename: str = ""
) -> rpm.RpmEntry:
    """An entry as rpm.entry makes it, with these texts wherever a package may have any."""
    summary, description, other, path = said
    sha256 = digest(name, version, release, arch)
    package = rpmxml.Package(
        name=name, epoch=1, version=version, release=release, arch=arch, sha256=sha256,
        summary=summary, description=description, packager=other, url=other, built=1, size=7,
        installed=7, archive=7, license=other, vendor=other, group=other, buildhost=other,
        sourcerpm=other, header=(1, 2),
        relations={"provides": [rpmxml.Relation(other), rpmxml.Relation(name, "EQ", "1", version)]},
        files=[rpmxml.Listed(f"/etc/{path}"), rpmxml.Listed(f"/usr/share/{path}", "dir")],
        changes=[rpmxml.Change(other, 1, description)],
    )  # fmt: skip
    return rpm.RpmEntry(
        name=name, epoch=1, version=version, release=release, arch=arch,
        basename=basename or f"{name}-{version}-{release}.{arch}.rpm", size=7, sha256=sha256,
        primary=rpmxml.primary(package, rpm.LOCATION), filelists=rpmxml.filelists(package),
        other=rpmxml.other(package),
    )  # fmt: skip


rpms = st.lists(
    st.builds(
        make_rpm, package_names, versions, revisions, st.sampled_from(["x86_64", "noarch"]),
        st.tuples(texts, texts, texts, texts),
    ),
    unique_by=lambda package: package.basename,
    max_size=6,
)  # fmt: skip

entries = st.lists(
    st.builds(
        lambda name, group, order, text: Entry(
            name, digest(name), group, order, f"{name}: {text}\n"
        ),
        st.text("abc", min_size=1, max_size=3),
        versions,
        package_names,
        texts,
    ),
    unique_by=lambda entry: entry.name,
    max_size=10,
)
cuts = st.integers(0, 10)
ends = st.sampled_from([("", ""), ("<head>\n", "</head>\n"), ("<head>\n", ""), ("", "</head>\n")])


def packing(listed: Sequence[Entry], known: packed.Known, ends: tuple[str, str]) -> Packed:
    return packed.pack(packed.merged(listed), known, *ends)


# Packing


@settings(deadline=None)
@given(entries, ends)
def test_unpacking_inverts_packing(listed: list[Entry], ends: tuple[str, str]) -> None:
    index = packing(listed, {}, ends)
    members = packed.unpack(index.data, "index")
    assert b"".join(members) == index.text
    assert b"".join(members.values()) == index.data
    assert all(gzip.decompress(data) == text for text, data in members.items())
    merged = "".join(entry.text for entry in packed.merged(listed))
    assert index.text.decode() == f"{ends[0]}{merged}{ends[1]}"


@settings(deadline=None)
@given(entries, cuts, ends)
def test_adding_to_an_index_gives_the_same_as_packing_all_at_once(
    listed: list[Entry], cut: int, ends: tuple[str, str]
) -> None:
    known = packed.unpack(packing(listed[:cut], {}, ends).data, "index")
    assert packing(listed, known, ends) == packing(listed, {}, ends)


@settings(deadline=None)
@given(entries, cuts, ends)
def test_members_that_are_known_are_taken_over_byte_for_byte(
    listed: list[Entry], cut: int, ends: tuple[str, str]
) -> None:
    before = packed.unpack(packing(listed[:cut], {}, ends).data, "index")
    # Packed by an engine that packs in another way: nobody can make these bytes again.
    known = {text: zlib.compress(text, level=0, wbits=31) for text in before}
    index = packing(listed, known, ends)
    members = packed.unpack(index.data, "index")
    assert index.text == packing(listed, {}, ends).text
    for text, data in members.items():
        assert data == known.get(text, archives.gzipped(text))
    changed = {entry.group for entry in listed[cut:]}
    for group in {entry.group for entry in listed[:cut]} - changed:
        own = "".join(entry.text for entry in packed.merged(listed) if entry.group == group)
        assert members[own.encode()] == known[own.encode()], "of a group that nothing joined"


@settings(deadline=None)
@given(entries, st.randoms())
def test_an_index_does_not_depend_on_the_order_of_its_entries_or_on_repetitions(
    listed: list[Entry], random: Random
) -> None:
    shuffled = [*listed, *listed]
    random.shuffle(shuffled)
    assert packed.merged(shuffled) == packed.merged(listed)


@given(entries.filter(bool))
def test_one_name_of_two_files_is_a_conflict(listed: list[Entry]) -> None:
    with pytest.raises(PublicationConflict, match=f"^{listed[0].name}: stands for two files"):
        packed.merged([*listed, listed[0]._replace(sha256="f" * 64)])


def test_packages_of_one_version_stand_together_in_one_member() -> None:
    listed = [
        Entry(name, digest(name), group, name, name)
        for name, group in (("d", "2"), ("a", "2"), ("c", "1"), ("b", "3"))
    ]
    assert list(packed.unpack(packing(listed, {}, ("head", "tail")).data, "index")) == [
        b"head", b"c", b"ad", b"b", b"tail",
    ]  # fmt: skip


def test_an_empty_index_is_an_empty_gzip_file() -> None:
    index = packing([], {}, ("", ""))
    assert (index.text, gzip.decompress(index.data)) == (b"", b"")
    assert packed.unpack(index.data, "index") == {b"": index.data}


# Damage


@pytest.fixture(scope="module")
def index() -> Packed:
    """Of three members."""
    listed = [
        Entry(name, digest(name), name[0], name, f"text of {name}\n" * 3)
        for name in ("a1", "a2", "b1", "c1")
    ]
    return packing(listed, {}, ("", ""))


def unpacked(data: bytes) -> bytes | None:
    """The text; None for what is refused."""
    try:
        return b"".join(packed.unpack(data, "Packages.gz"))
    except VerificationFailed:
        return None


@pytest.mark.parametrize("data", [b"x", gzip.compress(b"x")[:-1], gzip.compress(b"x") + b"x"])
def test_what_is_damaged_is_named(data: bytes) -> None:
    with pytest.raises(VerificationFailed, match=r"^Packages\.gz: .*; run `kubewright repair`"):
        packed.unpack(data, "Packages.gz")


def test_a_changed_bit_is_noticed_or_changes_no_text(index: Packed) -> None:
    noticed = 0
    for place in range(len(index.data)):
        for bit in range(8):
            damaged = bytearray(index.data)
            damaged[place] ^= 1 << bit
            text = unpacked(bytes(damaged))
            assert text in (None, index.text), (place, bit)
            noticed += text is None
    assert noticed > 4 * len(index.data), "free are times in headers, and bits that fill a byte"


def test_a_cut_is_noticed_unless_it_leaves_whole_members(index: Packed) -> None:
    """Which the digest of the index notices: no index is read without."""
    members = packed.unpack(index.data, "index")
    wholes, size, text = {0: b""}, 0, b""
    for plain, data in members.items():
        size, text = size + len(data), text + plain
        wholes[size] = text
    assert len(wholes) == 4
    for length in range(len(index.data)):
        assert unpacked(index.data[:length]) == wholes.get(length)


@pytest.mark.parametrize("more", [b"\0", b"x", bytes(512), b"\x1f\x8b", gzip.compress(b"x")[:-1]])
def test_what_follows_the_last_member_is_refused(index: Packed, more: bytes) -> None:
    assert unpacked(index.data + more) is None


@given(st.binary(max_size=40))
@example(zlib.compress(b"text"))
@example(b"not gzip")
def test_what_is_not_gzip_is_refused(data: bytes) -> None:
    assert unpacked(data) in (None, b"")


@pytest.mark.parametrize(
    "sizes", [(100,), (50, 50), (100, 0), (101,), (99, 2), (100, 1), (100, 0, 50), (50, 50, 1)]
)
def test_an_index_that_unpacks_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]
) -> None:
    monkeypatch.setattr(packed, "LARGEST", 100)
    texts = [bytes([number]) * size for number, size in enumerate(sizes)]
    data = b"".join(map(gzip.compress, texts))
    assert unpacked(data) == (b"".join(texts) if sum(sizes) <= 100 else None)
    monkeypatch.setattr(packed, "LARGEST", 200)
    assert unpacked(data) == b"".join(texts)


# Indexes of apt


def apt_index(listed: Sequence[Entry], known: packed.Known | None = None) -> Packed:
    return apt.packages(listed, known or {})


@settings(deadline=None)
@given(debs)
def test_what_apt_indexes_say_can_be_read_again(given_debs: list[DebEntry]) -> None:
    listed = apt.entries(given_debs, "amd64")
    members = packed.unpack(apt_index(listed).data, "Packages.gz")
    assert list(apt.parsed(members)) == packed.merged(listed)


@settings(deadline=None)
@given(debs, cuts, cuts)
def test_an_apt_index_and_one_release_more_is_the_index_of_all(
    given_debs: list[DebEntry], cut: int, overlap: int
) -> None:
    """A release may bring packages that an earlier one brought."""
    before = apt_index(apt.entries(given_debs[:cut], "amd64"))
    known = packed.unpack(before.data, "Packages.gz")
    release = apt.entries(given_debs[max(0, cut - overlap) :], "amd64")
    after = apt_index([*apt.parsed(known), *release], known)
    assert after == apt_index(apt.entries(given_debs, "amd64"))


# Indexes of yum


def yum_documents(
    listed: yum.Listed, prefix: str, known: dict[str, packed.Known] | None = None
) -> dict[str, Packed]:
    return yum.documents(listed, href_prefix=prefix, known=known or {})


def members_of(documents: dict[str, Packed]) -> dict[str, packed.Known]:
    return {kind: packed.unpack(document.data, kind) for kind, document in documents.items()}


@settings(deadline=None)
@given(rpms, st.sampled_from(LOCATIONS))
def test_what_yum_documents_say_can_be_read_again(
    given_rpms: list[rpm.RpmEntry], prefix: str
) -> None:
    listed = yum.listed(given_rpms)
    found = yum.parsed(**members_of(yum_documents(listed, prefix)))
    assert found == yum.Listed(*map(packed.merged, listed))
    sizes = [yum.package_size(entry) for entry in found.primary]
    assert sizes == [7] * len(given_rpms)


@settings(deadline=None)
@given(rpms, cuts, cuts)
def test_yum_documents_and_one_release_more_are_the_documents_of_all(
    given_rpms: list[rpm.RpmEntry], cut: int, overlap: int
) -> None:
    """In both forms, whichever of them is read."""
    before = {
        prefix: members_of(yum_documents(yum.listed(given_rpms[:cut]), prefix))
        for prefix in LOCATIONS
    }
    release = yum.listed(given_rpms[max(0, cut - overlap) :])
    for read in LOCATIONS:
        there = yum.parsed(**before[read])
        both = yum.Listed(*([*old, *new] for old, new in zip(there, release, strict=True)))
        for prefix in LOCATIONS:
            after = yum_documents(both, prefix, before[prefix])
            assert after == yum_documents(yum.listed(given_rpms), prefix)


@pytest.mark.parametrize("basename", ["a&b-1.rpm", "a+b~1^2.rpm", "ä-1.rpm", "it's-1.rpm"])
@pytest.mark.parametrize("prefix", LOCATIONS)
def test_a_file_name_is_read_as_it_was_written(basename: str, prefix: str) -> None:
    listed = yum.listed([make_rpm("a", "1", "1", "noarch", ["", "", "", ""], basename)])
    found = yum.parsed(**members_of(yum_documents(listed, prefix)))
    assert [entry.name for entry in found.primary] == [basename]
    assert found == listed


# Other readers

HOSTILE = "".join(SNIPPETS).replace("\r", "").strip()


def grown(versions: Sequence[str]) -> tuple[Packed, dict[str, Packed]]:
    """An apt index and yum documents to which one release after the other was added."""
    deb_index, documents = apt_index([]), yum_documents(yum.listed([]), "Packages/")
    lines = [line or "." for line in HOSTILE.replace("\x85", "").replace("\u2028", "").split("\n")]
    for version in versions:
        known = packed.unpack(deb_index.data, "Packages.gz")
        deb = make_deb(
            "kubelet", version, "1", "amd64", "hostile", [line.strip() for line in lines]
        )
        deb_index = apt_index([*apt.parsed(known), *apt.entries([deb], "amd64")], known)
        members = members_of(documents)
        added = yum.listed([make_rpm("kubelet", version, "1", "x86_64", [HOSTILE] * 3 + ["x"])])
        there = yum.parsed(**members)
        both = yum.Listed(*([*old, *new] for old, new in zip(there, added, strict=True)))
        documents = yum_documents(both, "Packages/", members)
    return deb_index, documents


GROWN = ["1.36.4", "1.36.10", "1.9.0", "1.37.0~rc.1"]


def test_gzip_reads_all_members_as_one_text(tool: Tool, tmp_path: Path) -> None:
    index, documents = grown(GROWN)
    for number, document in enumerate((index, *documents.values())):
        assert len(packed.unpack(document.data, "index")) >= len(GROWN)
        path = tmp_path / f"{number}.gz"
        path.write_bytes(document.data)
        run([tool("gzip"), "--test", path])
        run([tool("gzip"), "--decompress", path])
        assert path.with_suffix("").read_bytes() == document.text
        assert gzip.decompress(document.data) == document.text


def test_debian_tools_read_every_stanza() -> None:
    index, _ = grown(GROWN)
    stanzas = list(Deb822.iter_paragraphs(gzip.decompress(index.data).decode(), use_apt_pkg=False))
    assert sorted(stanza["Version"] for stanza in stanzas) == sorted(f"1:{v}-1" for v in GROWN)
    assert {stanza["Package"] for stanza in stanzas} == {"kubelet"}


def test_createrepo_c_reads_every_package(tmp_path: Path) -> None:
    createrepo_c: ModuleType = pytest.importorskip("createrepo_c", exc_type=ImportError)
    _, documents = grown(GROWN)
    (tmp_path / "repodata").mkdir()
    for name, data in yum.repodata(documents, issued=1).items():
        (tmp_path / name).write_bytes(data)
    reader = createrepo_c.RepositoryReader.from_path(str(tmp_path))
    found = {package.version: package for package in reader.iter_packages()}
    assert found.keys() == set(GROWN)
    for version, package in found.items():
        assert package.location_href == f"Packages/kubelet-{version}-1.x86_64.rpm"
        assert package.description == HOSTILE
        assert [author for author, _, _ in package.changelogs] == [HOSTILE]
        assert len(package.files) == 2
