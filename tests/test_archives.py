"""Reproducible archives: the same bytes as the standard library writes, from the same entries."""

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubewright import archives
from kubewright.archives import DirectoryEntry, FileEntry, LinkEntry
from kubewright.errors import DiskError
from kubewright.files import Content

EPOCH = 1_755_000_000

names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.[a-z]{1,3}", fullmatch=True)


def upstream_tar(members: dict[str, bytes]) -> bytes:
    """What tarfile itself makes of programs and their folders."""
    out = io.BytesIO()
    folders = {str(folder) for name in members for folder in Path(name).parents} - {"."}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in (*sorted(folders), *sorted(members)):
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = EPOCH, 0o755
            info.type = tarfile.DIRTYPE if name in folders else tarfile.REGTYPE
            info.size = 0 if name in folders else len(members[name])
            tar.addfile(info, None if name in folders else io.BytesIO(members[name]))
    return out.getvalue()


@given(st.dictionaries(names, st.binary(max_size=2000), min_size=1, max_size=5))
def test_an_upstreams_archive_is_what_tarfile_and_gzip_write(members: dict[str, bytes]) -> None:
    entries = [FileEntry.of(name, data, 0o755) for name, data in members.items()]
    out = io.BytesIO()
    archives.write_tar_gz(entries, out, epoch=EPOCH)
    assert gzip.decompress(out.getvalue()) == upstream_tar(members)


@given(st.lists(st.binary(max_size=5000), max_size=5))
def test_gzip_states_nothing_of_the_machine_and_comes_back(pieces: list[bytes]) -> None:
    packer = archives.Gzip()
    packed = b"".join(map(packer.compress, pieces)) + packer.flush()
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert gzip.decompress(packed) == b"".join(pieces)


def test_an_index_is_packed_without_name_and_time() -> None:
    packed = archives.gzipped(b"Package: kubelet\n" * 100)
    assert packed[3:8] == bytes(5), "no flags, no time"
    assert zlib.decompress(packed, wbits=31) == b"Package: kubelet\n" * 100


@pytest.mark.parametrize("style", [archives.LAYER_STYLE, archives.UPSTREAM_STYLE])
def test_the_order_in_which_entries_come_does_not_matter(style: archives.TarStyle) -> None:
    entries: list[archives.Entry] = [
        LinkEntry("a/again", "b/file", hard=True),
        FileEntry.of("b/file", b"data"),
        LinkEntry("link", "b/file"),
        DirectoryEntry("tmp", 0o1777),
    ]
    tars = []
    for ordered in (entries, entries[::-1]):
        out = io.BytesIO()
        archives.write_tar(ordered, out.write, epoch=EPOCH, style=style)
        assert len(out.getvalue()) % style.record == 0
        tars.append(out.getvalue())
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as tar:
        assert tar.getnames()[-1] == "a/again", "a hard link follows its file"


def test_files_and_bytes_are_the_same_to_an_archive(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"program")
    tars = []
    contents: tuple[Content, ...] = (tmp_path / "program", b"program")
    for content in contents:
        out = io.BytesIO()
        archives.write_tar([FileEntry.of("bin/it", content)], out.write, epoch=EPOCH)
        tars.append(out.getvalue())
    assert tars[0] == tars[1]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=str(tmp_path / "gone")):
        FileEntry.of("gone", tmp_path / "gone")
