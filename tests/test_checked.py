"""The digest of a file is taken once in a process, and again whenever the file may have changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import checked, files

MARK = "0" * 64
"""A digest that no file has: where it comes back, nothing was read."""


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A file whose digest is known, and old enough for the clock of its file system to see a
    change.
    """
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"some bytes")
    other.touch()
    while other.stat().st_ctime_ns == path.stat().st_ctime_ns:
        other.touch()
    checked.remember(path, MARK)
    return path


def same_size(path: Path) -> None:
    path.write_bytes(b"more bytes")


def same_size_and_time(path: Path) -> None:
    before = path.stat()
    same_size(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def in_its_place(path: Path) -> None:
    path.with_name("new").write_bytes(b"more bytes")
    path.with_name("new").replace(path)


def test_an_unchanged_file_is_not_read_again(known: Path) -> None:
    assert checked.sha256_of(known) == MARK
    assert checked.is_sound(known, MARK)


@pytest.mark.parametrize("change", [same_size, same_size_and_time, in_its_place])
def test_a_changed_file_is_read_again(known: Path, change: Callable[[Path], None]) -> None:
    change(known)
    digest = files.sha256(b"more bytes")
    assert checked.sha256_of(known) == digest
    assert checked.is_sound(known, digest)
    assert not checked.is_sound(known, MARK)


def test_a_file_that_is_gone_is_not_sound(known: Path) -> None:
    known.unlink()
    assert not checked.is_sound(known, MARK)
    with pytest.raises(FileNotFoundError):
        checked.sha256_of(known)
