"""`files.locked`: one process and one thread at a time, nothing left behind, a word on waiting."""

import logging
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubewright import files
from kubewright.errors import DiskError

HOLD = """
import sys, time
from pathlib import Path
from kubewright import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""

COUNT = """
import sys
from pathlib import Path
from kubewright import files
total = Path(sys.argv[2])
for _ in range(20):
    with files.locked(Path(sys.argv[1])):
        total.write_text(str(int(total.read_text()) + 1))
"""


def holder(lock: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the lock by now."""
    words = [sys.executable, "-c", HOLD, str(lock), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_several_processes_take_turns_and_leave_nothing(tmp_path: Path) -> None:
    total = tmp_path / "total"
    total.write_text("0")
    words = [sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(total)]
    processes = [subprocess.Popen(words) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert total.read_text() == "80"
    assert [path.name for path in tmp_path.iterdir()] == ["total"]


def test_threads_take_turns_too(tmp_path: Path) -> None:
    inside: list[int] = []

    def enter(number: int) -> int:
        with files.locked(tmp_path / "lock"):
            inside.append(number)
            alone = len(inside)
            time.sleep(0.01)
            inside.remove(number)
        return alone

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(enter, range(16))) == [1] * 16


def test_whoever_waits_for_longer_than_a_second_says_for_what(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "lock"
    with caplog.at_level(logging.INFO), holder(lock, 1.4), files.locked(lock):
        pass
    assert caplog.messages == [f"{lock}: another process holds this lock; waiting for it"]


def test_a_short_wait_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = tmp_path / "lock"
    with caplog.at_level(logging.INFO), holder(lock, 0.2), files.locked(lock):
        pass
    assert not caplog.messages


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock, 600) as process:
        with pytest.raises(BlockingIOError), files.locked(lock, wait=False):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.exists(), "nobody was left to remove it"
        with files.locked(lock, wait=False):
            pass
    assert not lock.exists()


def test_a_lock_file_that_is_another_by_now_is_left_to_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with files.locked(lock):
        lock.unlink()
        second = holder(lock, 600)
    try:
        assert lock.exists()
        with pytest.raises(BlockingIOError), files.locked(lock, wait=False):
            pass
    finally:
        second.terminate()
        second.communicate()


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), files.locked(tmp_path / "lock"):
        raise ValueError("inside")
    with files.locked(tmp_path / "lock", wait=False):
        pass


def test_a_lock_that_cannot_be_made_names_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with (
        pytest.raises(DiskError, match=str(tmp_path / "file")),
        files.locked(tmp_path / "file/lock"),
    ):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
