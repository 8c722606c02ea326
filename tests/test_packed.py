"""Indexes of several gzip members: what one publication packed the next one takes over."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
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
from kubewright.repos.packed import Entry, Index, Packed
from kubewright.repos.yum import Repository
from kubewright.run import run

Tool = Callable[[str], Path]

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


def make_entry(name: str, group: str, order: str, text: str) -> Entry:
    """An entry of an index that has a line of JSON for each."""
    return Entry(name, digest(name), group, order, json.dumps([name, group, order, text]) + "\n")


def parse(text: bytes) -> Iterator[Entry]:
    for line in text.splitlines():
        yield make_entry(*json.loads(line))


def group_of(text: bytes) -> str | None:
    return next(parse(text)).group if text.startswith(b"[") else None


entries = st.lists(
    st.builds(make_entry, st.text("abc", min_size=1, max_size=3), versions, package_names, texts),
    unique_by=lambda entry: entry.name,
    max_size=10,
)
cuts = st.integers(0, 10)
ends = st.sampled_from([("", ""), ("<head>\n", "</head>\n"), ("<head>\n", ""), ("", "</head>\n")])


def packing(listed: Sequence[Entry], ends: tuple[str, str]) -> Packed:
    """An index of these entries, all packed at once."""
    return packed.join(packed.add(Index(), listed, parse), *ends)


def packing_more(data: bytes, listed: Sequence[Entry], ends: tuple[str, str]) -> Packed:
    """A packed index with more entries."""
    there = packed.read(data, "index", group_of)
    return packed.join(packed.add(there, listed, parse), *ends)


def in_order(listed: Sequence[Entry]) -> list[Entry]:
    return sorted(listed, key=lambda entry: (entry.group, entry.order, entry.name))


# Packing


@settings(deadline=None)
@given(entries, ends)
def test_unpacking_inverts_packing(listed: list[Entry], ends: tuple[str, str]) -> None:
    index = packing(listed, ends)
    members = [*packed.unpack(index.data, "index")]
    assert b"".join(member.text for member in members) == index.text
    assert b"".join(member.data for member in members) == index.data
    assert all(gzip.decompress(member.data) == member.text for member in members)
    merged = "".join(entry.text for entry in in_order(listed))
    assert index.text.decode() == f"{ends[0]}{merged}{ends[1]}"


@settings(deadline=None)
@given(entries, ends)
def test_reading_inverts_joining(listed: list[Entry], ends: tuple[str, str]) -> None:
    index = packed.add(Index(), listed, parse)
    read = packed.read(packed.join(index, *ends).data, "index", group_of)
    assert read.groups == index.groups
    assert packed.join(read, *ends) == packed.join(index, *ends)
    assert in_order([*packed.listed(read, read.groups, parse)]) == in_order(listed)


@settings(deadline=None)
@given(entries, cuts, cuts, ends)
def test_adding_to_an_index_gives_the_same_as_packing_all_at_once(
    listed: list[Entry], cut: int, overlap: int, ends: tuple[str, str]
) -> None:
    before = packing(listed[:cut], ends).data
    more = listed[max(0, cut - overlap) :]
    assert packing_more(before, more, ends) == packing(listed, ends)


@settings(deadline=None)
@given(entries, cuts, ends)
def test_members_that_are_known_are_taken_over_byte_for_byte(
    listed: list[Entry], cut: int, ends: tuple[str, str]
) -> None:
    before = [*packed.unpack(packing(listed[:cut], ends).data, "index")]
    # Packed by an engine that packs in another way: nobody can make these bytes again.
    known = {text: zlib.compress(text, level=0, wbits=31) for text, _ in before}
    index = packing_more(b"".join(known.values()), listed[cut:], ends)
    members = dict(packed.unpack(index.data, "index"))
    assert index.text == packing(listed, ends).text
    for text, data in members.items():
        assert data == known.get(text, archives.gzipped(text))
    changed = {entry.group for entry in listed[cut:]}
    for group in {entry.group for entry in listed[:cut]} - changed:
        own = "".join(entry.text for entry in in_order(listed) if entry.group == group)
        assert members[own.encode()] == known[own.encode()], "of a group that nothing joined"


@settings(deadline=None)
@given(entries, entries)
def test_only_the_groups_of_new_entries_are_read(listed: list[Entry], new: list[Entry]) -> None:
    """Of all others the first entry alone, which tells the group."""
    changed = {entry.group for entry in new}
    there = packed.read(packing(listed, ("", "")).data, "index", group_of)

    def strict(text: bytes) -> Iterator[Entry]:
        assert group_of(text) in changed
        yield from parse(text)

    after = packed.add(there, new, strict)
    for group in there.groups.keys() - changed:
        assert after.groups[group] is there.groups[group]


@settings(deadline=None)
@given(entries, st.randoms())
def test_an_index_does_not_depend_on_the_order_of_its_entries_or_on_repetitions(
    listed: list[Entry], random: Random
) -> None:
    shuffled = [*listed, *listed]
    random.shuffle(shuffled)
    assert packing(shuffled, ("", "")) == packing(listed, ("", ""))


@given(entries.filter(bool))
def test_one_name_of_two_files_is_a_conflict(listed: list[Entry]) -> None:
    other = listed[0]._replace(sha256="f" * 64)
    with pytest.raises(PublicationConflict, match=f"^{listed[0].name}: stands for two files"):
        packing([*listed, other], ("", ""))
    with pytest.raises(PublicationConflict, match=f"^{listed[0].name}: stands for two files"):
        packing_more(packing(listed, ("", "")).data, [other], ("", ""))


def test_packages_of_one_version_stand_together_in_one_member() -> None:
    listed = [
        Entry(name, digest(name), group, name, name)
        for name, group in (("d", "2"), ("a", "2"), ("c", "1"), ("b", "3"))
    ]
    members = [*packed.unpack(packing(listed, ("head", "tail")).data, "index")]
    assert [text for text, _ in members] == [b"head", b"c", b"ad", b"b", b"tail"]


def test_two_members_of_one_version_are_another_engines_form() -> None:
    data = packing([make_entry("a", "1", "a", "")], ("", "")).data
    with pytest.raises(ValueError, match="index: two members of 1"):
        packed.read(data + data, "index", group_of)


def test_an_empty_index_is_an_empty_gzip_file() -> None:
    index = packing([], ("", ""))
    assert (index.text, gzip.decompress(index.data)) == (b"", b"")
    assert [*packed.unpack(index.data, "index")] == [(b"", index.data)]


def test_an_index_knows_its_digests() -> None:
    index = packing([make_entry("a", "1", "a", "")], ("", ""))
    assert index.text.sha256 == index.text_sha256 == files.sha256(index.text)
    assert index.text_size == len(index.text)
    assert index.data.sha256 == files.sha256(index.data)


# Damage


@pytest.fixture(scope="module")
def index() -> Packed:
    """Of three members."""
    listed = [
        Entry(name, digest(name), name[0], name, f"text of {name}\n" * 3)
        for name in ("a1", "a2", "b1", "c1")
    ]
    return packing(listed, ("", ""))


def unpacked(data: bytes) -> bytes | None:
    """The text; None for what is refused."""
    try:
        return b"".join(text for text, _ in packed.unpack(data, "Packages.gz"))
    except VerificationFailed:
        return None


@pytest.mark.parametrize(
    "data", [b"x", gzip.compress(b"x", mtime=0)[:-1], gzip.compress(b"x", mtime=0) + b"x"]
)
def test_what_is_damaged_is_named(data: bytes) -> None:
    with pytest.raises(VerificationFailed, match=r"^Packages\.gz: .*; run `kubewright repair`"):
        list(packed.unpack(data, "Packages.gz"))


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
    members = [*packed.unpack(index.data, "index")]
    wholes, size, text = {0: b""}, 0, b""
    for plain, data in members:
        size, text = size + len(data), text + plain
        wholes[size] = text
    assert len(wholes) == 4
    for length in range(len(index.data)):
        assert unpacked(index.data[:length]) == wholes.get(length)


@pytest.mark.parametrize(
    "more", [b"\0", b"x", bytes(512), b"\x1f\x8b", gzip.compress(b"x", mtime=0)[:-1]]
)
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


@settings(deadline=None)
@given(debs)
def test_what_apt_indexes_say_can_be_read_again(given_debs: list[DebEntry]) -> None:
    index = apt.add(Index(), given_debs, "amd64")
    read = apt.read(packed.join(index).data, "Packages.gz")
    assert read.groups == index.groups
    own = [deb for deb in given_debs if deb.architecture in ("amd64", "all")]
    assert sorted(packed.listed(read, read.groups, apt.parsed)) == sorted(
        Entry(deb.filename, deb.sha256, deb.version, deb.package, f"{deb.stanza}\n") for deb in own
    )


@settings(deadline=None)
@given(debs, cuts, cuts)
def test_an_apt_index_and_one_release_more_is_the_index_of_all(
    given_debs: list[DebEntry], cut: int, overlap: int
) -> None:
    """A release may bring packages that an earlier one brought."""
    before = packed.join(apt.add(Index(), given_debs[:cut], "amd64"))
    there = apt.read(before.data, "Packages.gz")
    after = apt.add(there, given_debs[max(0, cut - overlap) :], "amd64")
    assert packed.join(after) == packed.join(apt.add(Index(), given_debs, "amd64"))


@pytest.mark.parametrize("text", [b"Package: a\n\n", b"Versions: 1\n\n", b"\n"])
def test_an_apt_index_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="has no version"):
        apt.read(gzip.compress(text), "Packages.gz")


# Indexes of yum


def reread(repository: Repository) -> Repository:
    """A repository as the next publication reads it."""
    forms = yum.documents(repository)
    return Repository(
        snapshot=yum.read(forms["snapshot"]["primary"].data, "snapshot"),
        plain=yum.read(forms["plain"]["primary"].data, "plain"),
        filelists=yum.read(forms["plain"]["filelists"].data, "filelists"),
        other=yum.read(forms["snapshot"]["other"].data, "other"),
    )


@settings(deadline=None)
@given(rpms)
def test_what_yum_documents_say_can_be_read_again(given_rpms: list[rpm.RpmEntry]) -> None:
    repository = yum.add(Repository(), given_rpms)
    read = reread(repository)
    assert [index.groups for index in read] == [index.groups for index in repository]
    found = list(packed.listed(read.plain, read.plain.groups, yum.parsed))
    assert sorted(entry[:4] for entry in found) == sorted(
        (one.basename, one.sha256, yum.group_of(one), f"{one.name} {one.arch}")
        for one in given_rpms
    )
    assert [yum.package_size(entry) for entry in found] == [7] * len(given_rpms)


@settings(deadline=None)
@given(rpms, cuts, cuts)
def test_yum_documents_and_one_release_more_are_the_documents_of_all(
    given_rpms: list[rpm.RpmEntry], cut: int, overlap: int
) -> None:
    """In both forms."""
    there = reread(yum.add(Repository(), given_rpms[:cut]))
    after = yum.documents(yum.add(there, given_rpms[max(0, cut - overlap) :]))
    assert after == yum.documents(yum.add(Repository(), given_rpms))
    assert after.keys() == {"snapshot", "plain"}


@settings(deadline=None)
@given(rpms)
def test_the_forms_of_a_repository_differ_in_hrefs_alone(given_rpms: list[rpm.RpmEntry]) -> None:
    forms = yum.documents(yum.add(Repository(), given_rpms))
    assert forms["snapshot"].keys() == forms["plain"].keys() == set(yum.KINDS)
    for kind in ("filelists", "other"):
        assert forms["snapshot"][kind] == forms["plain"][kind]
    count = f' packages="{len(given_rpms)}">\n'.encode()
    assert all(one.text.count(count) == 1 for form in forms.values() for one in form.values())
    plain = forms["plain"]["primary"].text.decode()
    for one in given_rpms:
        old, new = (
            f"\n  <location{rpmxml.attribute_text(href=start + one.basename)}/>\n"
            for start in ("Packages/", "../../../../pool/")
        )
        assert plain.count(old) == 1
        plain = plain.replace(old, new)
    assert plain == forms["snapshot"]["primary"].text.decode()


@pytest.mark.parametrize("basename", ["a&b-1.rpm", "a+b~1^2.rpm", "ä-1.rpm", "it's-1.rpm"])
def test_a_file_name_is_read_as_it_was_written(basename: str) -> None:
    rpms = [make_rpm("a", "1", "1", "noarch", ["", "", "", ""], basename)]
    read = reread(yum.add(Repository(), rpms))
    (entry,) = packed.listed(read.plain, ["1-1"], yum.parsed)
    assert entry.name == basename
    assert yum.documents(yum.add(read, rpms)) == yum.documents(yum.add(Repository(), rpms))


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml?>\n<metadata packages="1">\n<package type="rpm">\n</package>\n',
        b'<package type="rpm">\n  <name>a</name>\n</package>\n',
    ],
)
def test_yum_documents_of_another_form_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="of an index has"):
        yum.read(gzip.compress(text), "primary")


# Other readers

HOSTILE = "".join(SNIPPETS).replace("\r", "").strip()


def grown(versions: Sequence[str]) -> tuple[Packed, dict[str, Packed]]:
    """An apt index and yum documents to which one release after the other was added."""
    deb_index, documents = packed.join(Index()), yum.documents(Repository())
    lines = [line or "." for line in HOSTILE.replace("\x85", "").replace("\u2028", "").split("\n")]
    for version in versions:
        deb = make_deb(
            "kubelet", version, "1", "amd64", "hostile", [line.strip() for line in lines]
        )
        debs = apt.read(deb_index.data, "Packages.gz")
        deb_index = packed.join(apt.add(debs, [deb], "amd64"))
        added = [make_rpm("kubelet", version, "1", "x86_64", [HOSTILE] * 3 + ["x"])]
        there = Repository(
            yum.read(documents["snapshot"]["primary"].data, "snapshot"),
            *(yum.read(document.data, kind) for kind, document in documents["plain"].items()),
        )
        documents = yum.documents(yum.add(there, added))
    return deb_index, documents["plain"]


GROWN = ["1.36.4", "1.36.10", "1.9.0", "1.37.0~rc.1"]


def test_gzip_reads_all_members_as_one_text(tool: Tool, tmp_path: Path) -> None:
    index, documents = grown(GROWN)
    for number, document in enumerate((index, *documents.values())):
        assert len([*packed.unpack(document.data, "index")]) >= len(GROWN)
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
