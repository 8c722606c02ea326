"""Places that people name where nothing can be written: told before any work is done."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import files
from kubewright.settings import Settings
from kubewright.stages import store

Run = Callable[..., tuple[int, str, str]]


def a_file(home: Path) -> str:
    (home / "file").write_text("")
    return "file"


def below_a_file(home: Path) -> str:
    return f"{a_file(home)}/deep/site"


def a_dangling_link(home: Path) -> str:
    (home / "link").symlink_to("nowhere")
    return "link"


def below_a_dangling_link(home: Path) -> str:
    return f"{a_dangling_link(home)}/site"


def nothing(home: Path) -> str:
    return ""


PLACES = (a_file, below_a_file, a_dangling_link, below_a_dangling_link, nothing)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "words",
    [
        ("release", "v1.36.4", "--arch", "amd64"), ("history",), ("refresh",), ("prune",),
        ("rollback", "stable"), ("promote", "v1.36.4-1", "--to", "test"),
        ("withdraw", "v1.36.4-1", "--reason", "a test"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_site_that_cannot_be_there_is_refused_first(
    words: tuple[str, ...], place: Callable[[Path], str], run: Run, sample_mirror: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    more = ("--upstream", str(sample_mirror)) if words[0] == "release" else ()
    code, _, said = run(*words, *more, "--site", place(tmp_path))
    assert (code, "; " in said or "must have" in said) == (2 if place is nothing else 8, True)
    assert "unexpected" not in said
    assert not (tmp_path / "dist").exists()


def test_a_site_of_somebody_else_is_refused_before_anything_is_made(
    run: Run, sample_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    code, _, said = run("release", "v1.36.4", "--upstream", str(sample_mirror), "--arch", "amd64")
    assert (code, "not writable (Permission denied)" in said) == (8, True)
    assert not (tmp_path / "dist").exists()


def test_a_link_to_a_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store.refuse(Settings(now=0, cache=tmp_path, site=str(tmp_path / "link" / "new" / "site")))


def test_nothing_published_is_said(run: Run, tmp_path: Path) -> None:
    code, _, said = run("history", "--site", str(tmp_path))
    assert (code, "nothing is published; publish a release first" in said) == (2, True)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_whatever_the_disk_says_has_a_remedy(number: int) -> None:
    error = files.disk_error(OSError(number, os.strerror(number)), "place")
    assert (error.place, bool(error.problem), bool(error.remedy)) == ("place", True, True)
    assert "{}" not in error.problem
