"""kubewright.toml is found upwards, never where somebody else could have put it; its relative paths
begin where it lies.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from kubewright.cli import configuration as found
from kubewright.cli.configuration import NAME, VARIABLE, configuration, folders
from kubewright.cli.rebase import rebased
from kubewright.cli.verbs import commands, verbs
from kubewright.errors import RequestError

Run = Callable[..., tuple[int, str, str]]

SOMEBODY = 4321
"""A user who is neither root nor who runs the tests."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a folder in a folder, which is the working directory."""
    below = tmp_path / "home" / "work" / "deep"
    below.mkdir(parents=True)
    for folder in (below, *below.parents[:3]):
        folder.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(below)
    return tmp_path / "home"


def put(folder: Path, text: str = 'note = "a"\n') -> Path:
    path = folder / NAME
    path.write_text(text)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("where", ["work/deep", "work", "."])
def test_the_nearest_file_is_read(home: Path, where: str) -> None:
    put(home)
    put(home / where, 'note = "nearest"\n')
    read = configuration(None)
    assert read is not None
    assert (read.text, read.folder) == (
        'note = "nearest"\n', None if where == "work/deep" else home / where,
    )  # fmt: skip
    assert read.place == (NAME if where == "work/deep" else str((home / where / NAME).resolve()))


def test_nothing_above_the_home_directory_is_read(home: Path) -> None:
    put(home.parent)
    assert configuration(None) is None
    assert list(folders(Path.cwd(), home)) == [Path.cwd(), home / "work", home]


def test_a_home_that_is_reached_by_a_link_is_one_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.parent / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(home.parent / "link"))
    monkeypatch.chdir(home.parent / "link" / "work")
    put(home.parent)
    assert configuration(None) is None
    put(home)
    assert configuration(None) is not None


def test_who_is_not_below_a_home_looks_up_to_the_root(tmp_path: Path) -> None:
    one = [*folders(tmp_path, None)]
    assert one[0] == tmp_path
    assert one == [tmp_path, *tmp_path.parents][: len(one)]
    assert {folder.stat().st_dev for folder in one} == {tmp_path.stat().st_dev}


def test_it_is_not_looked_for_on_another_file_system() -> None:
    start = Path("/proc/self").resolve()
    assert list(folders(start, None)) == [start, Path("/proc")]


PLACES: dict[str, Callable[[Path], Path]] = {
    "file": lambda home: home / "work" / NAME,
    "folder": lambda home: home / "work",
}


def give_to_group(path: Path) -> None:
    os.chown(path, -1, SOMEBODY)
    path.chmod(path.stat().st_mode | 0o020)


OTHERS: dict[str, Callable[[Path], object]] = {
    "belongs to user 4321": lambda path: os.chown(path, SOMEBODY, -1),
    "anybody may write to": lambda path: path.chmod(path.stat().st_mode | 0o002),
    "another group may write to": give_to_group,
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("which", PLACES)
@pytest.mark.parametrize("reason", OTHERS)
def test_a_file_that_others_could_have_written_is_refused_and_may_be_named(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch, which: str, reason: str
) -> None:
    monkeypatch.chdir(home / "work" / "deep")
    path = put(home / "work", 'site = "elsewhere"\n')
    OTHERS[reason](PLACES[which](home))
    code, _, err = run("history")
    assert code == 2
    assert f"{path}: is not read, for " in err
    assert f"{reason}" in err
    assert f"{VARIABLE}={path}" in err
    (home / "work" / "elsewhere").mkdir(mode=0o755)
    assert "elsewhere: nothing is published" in run("--config", str(path), "history")[2]
    monkeypatch.setenv(VARIABLE, str(path))
    assert "elsewhere: nothing is published" in run("history")[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("reason", OTHERS)
def test_the_search_ends_where_others_may_write(home: Path, reason: str) -> None:
    put(home)
    OTHERS[reason](home / "work")
    assert configuration(None) is None


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o664, 0o444])
def test_a_file_of_ones_own_is_read_whatever_others_may_read(home: Path, mode: int) -> None:
    put(home / "work").chmod(mode)
    (home / "work").chmod(0o775)
    assert configuration(None) is not None


def test_a_user_without_a_home_has_one_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_home", lambda: None)
    put(home)
    assert configuration(None) is not None


def test_it_is_said_which_file_was_found(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home / "work" / "deep")
    path = put(home / "work", 'site = "."\n')
    said = f"{path}: defaults of options are read from it"
    assert said in run("history")[2]
    assert said not in run("history", "-q")[2]
    monkeypatch.chdir(home / "work")
    assert said not in run("history")[2]
    assert said in run("history", "-v")[2]


def test_relative_paths_begin_where_the_file_lies(
    home: Path, run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "mirror").symlink_to(sample_mirror)
    put(home, 'upstream = "mirror"\ndist = "made"\narch = "amd64"\n')
    for folder in ("work/deep", "work", "."):
        monkeypatch.chdir(home / folder)
        code, out, err = run("resolve", "v1.36.4", "--json")
        assert code == 0, err
        assert json.loads(out)["name"] == "v1.36.4-1"
    assert (home / "made").is_dir()
    monkeypatch.chdir(home / "work")
    assert run("resolve", "v1.36.4", "--dist", "here")[0] == 0
    assert (home / "work" / "here").is_dir(), "what is typed begins in the working directory"


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("site", "site", "/f/site"),
        ("site", "/srv/site", "/srv/site"),
        ("site", "~/site", "~/site"),
        ("site", "s3://bucket/site", "s3://bucket/site"),
        ("upstream", "../mirror", "/f/../mirror"),
        ("upstream", "https://mirror.example.org", "https://mirror.example.org"),
        ("upstream-for", "dl.k8s.io=mirror", "dl.k8s.io=/f/mirror"),
        ("upstream-for", "dl.k8s.io=https://x/y", "dl.k8s.io=https://x/y"),
        ("upstream-for", "dl.k8s.io", "dl.k8s.io"),
        ("repo-key", "file:keys/a.asc", "file:/f/keys/a.asc"),
        ("repo-key", "file:/keys/a.asc", "file:/keys/a.asc"),
        ("repo-key", "file:///keys/a.asc", "file:/keys/a.asc"),
        ("repo-key", "file:~/a.asc", "file:~/a.asc"),
        ("repo-key", "gnupg:0123", "gnupg:0123"),
        ("repo-key", "hsm:t/l?certificate=a.asc", "hsm:t/l?certificate=/f/a.asc"),
        ("repo-key", "hsm:t/l?certificate=/a.asc", "hsm:t/l?certificate=/a.asc"),
        ("root", "root.json", "/f/root.json"),
        ("url", "packages", "packages"),
        ("note", "why", "why"),
        ("jobs", 2, 2),
    ],
)
def test_what_a_value_of_a_file_elsewhere_means(name: str, given: object, meant: object) -> None:
    known: dict[str, click.Parameter] = {}
    for _, command in commands():
        known |= {one.opts[0].removeprefix("--"): one for one in command.params}
    option = known[name]
    assert isinstance(option, click.Option)
    assert rebased(name, option, given, Path("/f")) == meant
    assert rebased(name, option, given, None) == given


def test_every_option_that_shows_a_path_has_one() -> None:
    """`DIR`, `FILE` and `URI` stand in the help of nothing else."""
    for words, command in commands():
        if not verbs()[words.split()[0]].configured:
            continue
        for one in command.params:
            if isinstance(one, click.Option) and not one.is_flag:
                name = one.opts[0].removeprefix("--")
                text = f"file:{name}" if one.metavar == "URI" else name
                shown = one.make_metavar(click.Context(command))
                path = any(word in shown for word in ("DIR", "FILE", "URI", "PATH"))
                given = f"x={text}" if name == "upstream-for" else text
                changed = rebased(name, one, given, Path("/f")) != given
                assert changed == path, f"{words} --{name}"


def test_a_verb_that_reads_none_takes_none(home: Path, run: Run) -> None:
    path = put(home)
    code, _, err = run("--config", str(path), "verify", "site")
    assert (code, "--config: `verify` reads no configuration" in err) == (2, True)


def test_a_file_that_is_named_has_to_be_there(home: Path, run: Run) -> None:
    code, _, err = run("--config", "nowhere.toml", "history")
    assert (code, "nowhere.toml: No such file or directory" in err) == (2, True)
    with pytest.raises(RequestError, match="Is a directory"):
        configuration(home)
