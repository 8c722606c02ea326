"""What surrounds a run: homes, by `~` or not there at all, and clocks that are set by hand."""

import http.server
import pwd
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from email.utils import formatdate
from pathlib import Path

import pytest

from kubewright.clients.server import serve
from kubewright.errors import RequestError
from kubewright.patience import told
from kubewright.stages.resolve import refuse_ahead

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a name and without HOME, as containers have."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "KUBEWRIGHT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


RESOLVE = ("resolve", "v1.36.4", "--offline", "--arch", "amd64")


@pytest.mark.parametrize("name", ["dist", "upstream"])
@pytest.mark.parametrize("where", ["file", "environment", "option"])
def test_a_path_may_begin_with_the_home_directory(
    run: Run, tmp_path: Path, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, where: str,
) -> None:  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "mirror").symlink_to(sample_mirror)
    value = {"dist": "~/made", "upstream": "~/mirror"}[name]
    words = ["resolve", "v1.36.4", "--arch", "amd64", "--json"]
    if name == "dist":
        words += ["--offline"]
    if where == "file":
        (tmp_path / "kubewright.toml").write_text(f'{name} = "{value}"\n')
    elif where == "environment":
        monkeypatch.setenv(f"KUBEWRIGHT_{name.upper()}", value)
    else:
        words += [f"--{name}={value}"]
    code, _, said = run(*words)
    assert (code, "~" in said) == (0, False)
    assert not (tmp_path / "~").exists()
    assert (home / "made").is_dir() == (name == "dist")


@pytest.mark.parametrize(
    ("variable", "made"),
    [
        ("KUBEWRIGHT_DATA", "own/development"),
        ("XDG_DATA_HOME", "own/kubewright/development"),
        ("XDG_CACHE_HOME", "own/kubewright/sha256"),
    ],
)
def test_so_may_a_directory_of_a_variable_that_no_option_stands_for(
    run: Run, tmp_path: Path, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch,
    variable: str, made: str,
) -> None:  # fmt: skip
    monkeypatch.delenv("KUBEWRIGHT_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, "~/own")
    if variable == "XDG_CACHE_HOME":
        assert (
            run("resolve", "v1.36.4", "--arch", "amd64", "--upstream", str(sample_mirror))[0] == 0
        )
        assert run("fetch", "--upstream", str(sample_mirror))[0] == 0
    else:
        assert run("key", "show")[0] == 0
    assert (tmp_path / "home" / made).is_dir()
    assert not (tmp_path / "~").exists()


def test_the_home_of_somebody_who_is_not_there_is_named(run: Run) -> None:
    code, _, said = run(*RESOLVE, "--dist=~nobody-of-this-name/x")
    assert code == 2
    assert said == (
        "error: ~nobody-of-this-name/x: there is no such home directory; write the whole path, or "
        "./~ for a file"
    )


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_home_can_do_what_needs_none(run: Run, tmp_path: Path) -> None:
    assert run(*RESOLVE)[0] == 0
    code, _, said = run("fetch", "v1.36.4", "--dist", "dist")
    assert code == 2
    assert "--cache: not given, HOME is not set, and the system does not know this user" in said
    code, _, said = run("fetch", "v1.36.4", "--cache", "cache", "--upstream", str(tmp_path))
    assert "HOME" not in said


@pytest.mark.usefixtures("nobody")
def test_development_keys_need_a_place(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = (
        "release",
        "v1.36.4",
        "--upstream",
        str(sample_mirror),
        "--cache",
        "cache",
        "--dry-run",
    )
    code, _, said = run(*words)
    assert (code, "error: HOME: not set, and this user is not known" in said) == (2, True)
    monkeypatch.setenv("KUBEWRIGHT_DATA", str(tmp_path / "data"))
    code, _, said = run(*words)
    assert (code, "nothing is remembered of sites; give --state" in said) == (0, True)


@pytest.mark.parametrize(
    "text", ["1767225600000", "4294967296", "-1", "1e9", "²", "1.5", " 1", "now"]
)
def test_an_epoch_that_is_no_moment_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    code, _, said = run(*RESOLVE)
    assert code == 2
    assert f"SOURCE_DATE_EPOCH={text}: not a number of seconds from 0 to 4294967295; unset" in said


def test_nobody_signs_for_a_day_to_come(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("release", "v1.36.4", "--upstream", str(sample_mirror), "--cache", "cache")
    later = str(int(time.time()) + 30 * 86400)
    code, _, said = run(*words, "--now", later)
    assert code == 2
    assert f"--now {later}: that is 20" in said
    assert "which has not come: it is 20" in said
    monkeypatch.setenv("SOURCE_DATE_EPOCH", later)
    code, _, said = run(*words)
    assert code == 2
    assert f"SOURCE_DATE_EPOCH={later}: that is 20" in said
    assert list(Path().iterdir()) == []


def test_a_clock_that_is_a_little_ahead_will_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(time.time()) + 60))
    assert run(*RESOLVE)[0] == 0


@pytest.mark.parametrize(
    ("now", "told", "ahead"),
    [(100, 0, False), (100, 100, False), (3700, 100, False), (3701, 100, True), (100, 9999, False)],
)
def test_a_clock_is_compared_with_those_of_servers(now: int, told: int, ahead: bool) -> None:
    with pytest.raises(RequestError, match="clock: is ahead") if ahead else nullcontext():
        refuse_ahead(now, told)


def test_a_machine_whose_clock_is_ahead_makes_no_release(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("resolve", "v1.36.4", "--arch", "amd64", "--dist", "dist")
    with serve(sample_mirror) as url:
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 30 * 86400)
        monkeypatch.setattr(
            http.server.BaseHTTPRequestHandler, "date_time_string", by_the_real(real)
        )
        code, _, said = run(*words, "--upstream", url)
        assert code == 2
        assert re.search(
            r"this machine's clock: is ahead: it says \S+ \S+, and the upstream ", said
        )
        assert not Path("dist").exists()
        monkeypatch.setattr(time, "time", lambda: real() - 30 * 86400)
        assert run(*words, "--upstream", url)[0] == 0


def by_the_real(clock: Callable[[], float]) -> Callable[..., str]:
    """What the server says is the time, whatever this process believes."""
    return lambda _self, _moment=None: formatdate(clock(), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Date": "Tue, 01 Dec 2026 12:00:00 GMT"}, 1_796_126_400),
        ({"Date": "Tue, 01 Dec 2026 12:00:00 GMT", "Age": "3600"}, 1_796_130_000),
        ({"Date": "Tue, 01 Dec 2026 12:00:00 GMT", "Age": "-1"}, 1_796_126_400),
        ({"Date": "noon"}, None),
        ({}, None),
    ],
)
def test_the_time_that_a_server_tells_counts_how_long_a_cache_kept_it(
    headers: dict[str, str], found: int | None
) -> None:
    assert told(headers) == found


def test_pieces_are_for_a_push(run: Run) -> None:
    code, _, said = run("image", "--pieces", "4")
    assert code == 2
    assert said == "error: --pieces: nothing is pushed; give --push too, or leave it out"
    assert run("image", "--push", "--pieces", "0")[0] == 2
