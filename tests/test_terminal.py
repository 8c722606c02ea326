"""What a person sees of a run: stages, times, what is left, and where the log is."""

import json
import logging
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubewright import cli, course, log
from kubewright.cli import options
from kubewright.cli.answers import Loaded
from kubewright.errors import VerificationFailed

NAMES = ("resolve", "package", "verify")


@pytest.fixture(autouse=True)
def as_before() -> object:
    """Other tests log as they did."""
    root = logging.getLogger("kubewright")
    handlers, level, propagate = root.handlers, root.level, root.propagate
    yield
    root.handlers, root.propagate = handlers, propagate
    root.setLevel(level)


def ran(capsys: pytest.CaptureFixture[str], verbosity: int, folder: Path | None = None) -> str:
    """Standard error of a run of three stages."""
    log.console.cache_clear()
    log.configure(verbosity, folder)
    own = logging.getLogger("kubewright.stages.release")
    made = course.Course(own, NAMES)
    for name in NAMES:
        with made.stage(name) as said:
            own.info("a step of %s", name)
            own.debug("GET https://dl.k8s.io/release/stable.txt")
            said.append("62 packages, 46 MB")
    for line in made.summary():
        own.info("%s", line)
    log.console.cache_clear()
    return capsys.readouterr().err


def test_each_stage_says_which_of_how_many_and_what_it_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = ran(capsys, 0).splitlines()
    assert lines[0] == "[1/3] resolve …"
    assert re.fullmatch(r"\[2/3\] package: \d+\.\d s, 62 packages, 46 MB", lines[5 - 1 + 1])
    assert lines[-1].startswith("all ")
    assert all(len(line) <= 40 for line in lines[-4:]), "the table fits 40 columns"


def test_quiet_is_one_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, -1).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "[1/3] resolve", "[2/3] package", "[3/3] verify",
    ]  # fmt: skip


def test_verbose_has_addresses_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, 1).splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert any("GET https://dl.k8s.io/release/stable.txt" in line for line in lines)


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_the_log_has_everything_whatever_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verbosity: int
) -> None:
    ran(capsys, verbosity, tmp_path)
    written = log.file()
    assert written is not None
    text = written.read_text()
    assert text.count("GET https://dl.k8s.io") == 3
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO \[1/3\] resolve", text)


def test_old_logs_go_and_a_place_that_cannot_be_written_stops_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"202501{number:02}T000000-1.log").write_text("old")
    ran(capsys, 0, tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == log.KEPT
    assert "20250129T000000-1.log" in left
    (tmp_path / "file").write_text("")
    assert "[3/3] verify" in ran(capsys, 0, tmp_path / "file" / "below")
    assert log.file() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (187, "3 min 07 s"),
     (3600, "1 h 00 min"), (7_380, "2 h 03 min")],
)  # fmt: skip
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert log.duration(seconds) == words


def test_a_tally_counts_each_once_and_says_what_is_left_only_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tally = course.Tally(100)
    with ThreadPoolExecutor(8) as pool:
        said = [*pool.map(lambda _: tally.next(), range(50))]
    assert sorted(said) == sorted(f"{number} of 100" for number in range(1, 51))
    now[0] += 102
    assert tally.next() == "51 of 100, about 1 min 38 s left"


def test_an_error_is_json_too_where_results_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = VerificationFailed("site/index.html", "is damaged", "repair it")

    def failing(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(cli.kubewright, "main", failing)
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", "--json"])
    assert ended.value.code == 5
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "header": {"type": "kubewright.error", "version": "1"},
        "error": {
            "place": "site/index.html", "problem": "is damaged", "remedy": "repair it",
            "exit_code": 5,
        },
    }  # fmt: skip
    assert "error: site/index.html: is damaged; repair it" in err
    with pytest.raises(SystemExit):
        cli.main(["history"])
    assert capsys.readouterr().out == ""


def test_a_result_that_is_shown_stays_the_only_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        options.show_json(Loaded(loaded=("one",)))
        raise VerificationFailed("site", "1 of 2 checks failed", "repair it")

    monkeypatch.setattr(cli.kubewright, "main", failing)
    for _ in range(2):
        with pytest.raises(SystemExit):
            cli.main(["verify", "site", "--json"])
        assert json.loads(capsys.readouterr().out)["loaded"] == ["one"]


def test_a_mistake_shows_no_traceback_but_the_log_has_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        log.console.cache_clear()
        log.configure(1, tmp_path)
        raise VerificationFailed("site", "is damaged", "repair it")

    monkeypatch.setattr(cli.kubewright, "main", failing)
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", "-v"])
    assert ended.value.code == 5
    err = capsys.readouterr().err
    assert "Traceback" not in err
    place = re.search(r"the log of this run: (\S+)", err)
    assert place is not None
    assert "Traceback" in Path(place[1]).read_text()
    log.console.cache_clear()


def test_ctrl_c_ends_with_130_and_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        command = (
            sys.executable, "-m", "kubewright", "verify", f"http://127.0.0.1:{deaf.getsockname()[1]}"
        )  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = deaf.accept()  # it has begun
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            connection.close()
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "stopped"
    assert "Traceback" not in err


SECRETS = (
    "--registry u:S3CRET@localhost:1",
    "http://u:S3CRET@host/x?token=S3CRET",
    "--repo-key 'hsm:x?pin-value=S3CRET&object=y'",
    "input_value='u:S3CRET@localhost:1'",
    "password=S3CRET and token=S3CRET",
)


@pytest.mark.parametrize("words", SECRETS)
def test_a_log_has_no_secret_that_was_typed_and_is_for_its_owner_alone(
    tmp_path: Path, words: str
) -> None:
    log.configure(0, tmp_path / "logs")
    logging.getLogger("kubewright").debug("error: %s", words)
    written = log.file()
    assert written is not None
    assert "S3CRET" not in written.read_text()
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o777 == 0o700


def test_a_log_goes_through_no_link_and_removes_nothing_of_others(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    for number in range(30):
        (others / f"{number}.log").write_text("not ours")
    (tmp_path / "logs").symlink_to(others)
    log.configure(0, tmp_path / "logs")
    logging.getLogger("kubewright").debug("a word")
    assert log.file() is None
    assert len([*others.iterdir()]) == 30
    log.configure(0, others)
    logging.getLogger("kubewright").debug("a word")
    assert len([*others.iterdir()]) == 31
