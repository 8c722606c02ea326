"""One zstd frame from pieces that were compressed apart: it comes back, whoever reads it."""

import io
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kubewright.errors import VerificationFailed
from kubewright.files import Content, size_of
from kubewright.models.base import PackageCompression
from kubewright.packing import joined as joining
from kubewright.packing.contents import SMALL, Contents, compress
from kubewright.packing.joined import ROW, write_frame
from kubewright.packing.levels import LEVELS, Level, described
from kubewright.run import run

Tool = Callable[[str], Path]

REPEATING = [bytes([65, 66, 67, 68, 69, 70, 71, 72]) * 40, b"\0" * 320, b"abcd" * 80]
"""Starts that tempt a compressor to use the offsets 8, 1 and 4, which a frame has at its start."""

GLUE = bytes(range(40)) + bytes(600) + bytes(range(40))


def together(contents: Contents, pieces: list[Content]) -> bytes:
    out = io.BytesIO()
    write_frame(pieces, contents, out)
    return out.getvalue()


def unpacked(frame: bytes) -> bytes:
    """What a reader of a stream gets that stops at the end of the first frame, as dpkg does."""
    reader = zstandard.ZstdDecompressor().decompressobj()
    data = reader.decompress(frame)
    assert reader.eof
    assert reader.unused_data == b"", "there is one frame and nothing after it"
    return data


def a_file(path: Path, seed: int) -> Path:
    """A file that is compressed for itself, with one of the tempting starts."""
    words = random.Random(seed)
    body = b"".join(words.choice(REPEATING)[: words.randrange(8, 200)] for _ in range(3000))
    path.write_bytes(REPEATING[seed % 3] + body[:SMALL] + words.randbytes(SMALL // 4))
    assert path.stat().st_size >= SMALL
    return path


@pytest.mark.parametrize("level", ["fast", "small"])
def test_files_that_were_compressed_apart_come_back_from_one_frame(
    tmp_path: Path, level: PackageCompression
) -> None:
    contents = Contents(tmp_path / "contents", level)
    files = [a_file(tmp_path / str(seed), seed) for seed in range(6)]
    pieces: list[Content] = [GLUE]
    for file in files:
        pieces += [file, GLUE]
    wanted = b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in pieces)
    assert unpacked(together(contents, pieces)) == wanted
    assert unpacked(together(contents, pieces[::-1])) == b"".join(
        p if isinstance(p, bytes) else p.read_bytes() for p in pieces[::-1]
    )


def test_without_the_offsets_restored_a_frame_would_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the three tiny blocks are for: raw bytes in their place would do for any other file."""
    files = [a_file(tmp_path / str(seed), seed) for seed in range(6)]
    pieces: list[Content] = [GLUE]
    for file in files:
        pieces += [file, GLUE]
    wanted = b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in pieces)
    raw = (9 << 3).to_bytes(3, "little") + bytes(9)
    contents = Contents(tmp_path / "contents", "fast")
    assert unpacked(together(contents, pieces)) == wanted
    monkeypatch.setattr(joining, "RESTORE", raw)
    with suppress(zstandard.ZstdError):  # for bytes before the start
        assert unpacked(together(contents, pieces)) != wanted


filler = st.one_of(st.binary(max_size=3000), st.sampled_from(REPEATING), st.just(bytes(900)))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(filler, filler, st.booleans()), min_size=1, max_size=6), st.data())
def test_whatever_stands_between_files_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[bytes, bytes, bool]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    byte = data.draw(st.binary(min_size=1, max_size=1))
    pieces: list[Content] = []
    for number, (before, after, is_file) in enumerate(parts):
        pieces.append(before + byte * data.draw(st.integers(ROW, 3 * ROW)) + after)
        if is_file:
            pieces.append(a_file(folder / str(number), number))
    wanted = b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in pieces)
    assert unpacked(together(Contents(folder / "contents", "fast"), pieces)) == wanted


def test_files_with_no_row_of_equal_bytes_between_them_are_refused(tmp_path: Path) -> None:
    contents = Contents(tmp_path / "contents", "fast")
    files = [a_file(tmp_path / str(seed), seed) for seed in range(2)]
    with pytest.raises(ValueError, match="there are no 17 equal bytes in a row between two files"):
        together(contents, [files[0], bytes(range(200)), files[1]])
    with pytest.raises(ValueError, match="there is nothing between two files"):
        together(contents, [files[0], files[1]])


def test_many_small_files_are_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "_MOST_LOOSE", 10_000)
    pieces: list[Content] = [bytes(600) + os.urandom(700) for _ in range(50)]
    frame = together(Contents(tmp_path, "fast"), pieces)
    assert unpacked(frame) == b"".join(piece for piece in pieces if isinstance(piece, bytes))


def test_large_files_that_have_much_in_common_are_compressed_together(tmp_path: Path) -> None:
    shared = random.Random(7).randbytes(2 * SMALL)
    pieces: list[Content] = []
    for number in range(4):
        path = tmp_path / str(number)
        path.write_bytes(bytes([number]) * 1000 + shared)
        pieces += [b"no row of equal bytes", path]
    wanted = b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in pieces)
    frame = together(Contents(tmp_path / "small", "small"), pieces)
    assert unpacked(frame) == wanted
    assert len(frame) < len(shared) * 1.1
    one = together(Contents(tmp_path / "fast", "fast"), [pieces[1]])
    assert unpacked(one) == (tmp_path / "0").read_bytes()


def test_what_is_compressed_together_must_not_change_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [a_file(tmp_path / str(seed), seed) for seed in range(2)]
    contents = Contents(tmp_path / "contents", "small")
    really = size_of
    monkeypatch.setattr("kubewright.files.size_of", lambda content: really(content) + 1)
    with pytest.raises(VerificationFailed, match="changed while it was read"):
        together(contents, [*files])


def test_a_file_is_compressed_once_for_all_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path / "file", 0)
    contents = Contents(tmp_path / "contents", "small")
    first = together(contents, [GLUE, file, GLUE])
    monkeypatch.setattr("kubewright.packing.contents.compress", None)
    assert unpacked(together(contents, [b"x" + GLUE, file])) == b"x" + GLUE + file.read_bytes()
    assert together(contents, [GLUE, file, GLUE]) == first


def test_a_file_that_grows_or_shrinks_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path / "file", 0)
    for size in (file.stat().st_size - 1, file.stat().st_size + 1):
        monkeypatch.setattr("kubewright.files.size_of", lambda _, size=size: size)
        with pytest.raises(VerificationFailed, match="changed while it was read"):
            Contents(tmp_path / "contents", "fast").blocks(file)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 131_071, 131_072, 131_073, 400_000])
@pytest.mark.parametrize("level", list(LEVELS.values()), ids=list(LEVELS))
def test_blocks_have_no_last_one_and_no_more_window_than_they_need(size: int, level: Level) -> None:
    out = io.BytesIO()
    data = random.Random(size).randbytes(size)
    blocks = compress(io.BytesIO(data), size, level, out)
    packed = out.getvalue()[blocks.start : blocks.end]
    frame = b"\x28\xb5\x2f\xfd\0" + bytes([blocks.window - 10 << 3]) + packed + b"\x01\0\0"
    assert zstandard.ZstdDecompressor().decompressobj().decompress(frame) == data
    assert 1 << blocks.window < 2 * max(size, 1024) + 1
    assert blocks.window <= 27, "dpkg and rpm read no larger ones"


def test_what_python_writes_zstds_own_program_reads(tmp_path: Path, tool: Tool) -> None:
    zstd = tool("zstd")
    files = [a_file(tmp_path / str(seed), seed) for seed in range(3)]
    contents = Contents(tmp_path / "contents", "small")
    (tmp_path / "a.zst").write_bytes(together(contents, [files[0], GLUE, files[1], GLUE, files[2]]))
    run([zstd, "-q", "-d", tmp_path / "a.zst", "-o", tmp_path / "a"])
    wanted = GLUE.join(file.read_bytes() for file in files)
    assert (tmp_path / "a").read_bytes() == wanted
    assert str(len(wanted)) in run([zstd, "-l", "-v", tmp_path / "a.zst"]).stdout


def test_a_record_names_the_compressors_version_and_level() -> None:
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    assert described("fast") == f"{version} level 3 window 23"
    assert described("small") == f"{version} level 18 window 25, together 26"
