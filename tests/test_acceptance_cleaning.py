"""What an acceptance run removes and gives back: only what runs have made, all of it, whatever else
fails.
"""

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.usefixtures("acceptance")

IDLE = {"net/ipv4/ip_forward": "0", "fs/inotify/max_user_instances": "128", "kernel/panic": "0"}
NUMBER = 199
"""Of a network that no run on this machine can have: a test must not end somebody's machines."""

RUNS = {"net/ipv4/ip_forward": "1", "fs/inotify/max_user_instances": "1024", "kernel/panic": "10"}


@pytest.fixture
def machine(acceptance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine made of files: its kernel's settings, locks, links and processes."""
    import kernel

    for name in ("locks", "sys", "links", "processes"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(kernel, name.upper(), tmp_path / name)
    put(tmp_path, IDLE)
    return tmp_path


def put(machine: Path, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        (machine / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (machine / "sys" / name).write_text(f"{value}\n")


def values(machine: Path) -> dict[str, str]:
    return {name: (machine / "sys" / name).read_text().strip() for name in IDLE}


def test_a_run_gives_back_what_it_found(machine: Path) -> None:
    from kernel import Kernel

    run = Kernel([])
    run.begin(["/sys/fs/cgroup/docker"])
    run.raise_watchers()
    assert values(machine)["fs/inotify/max_user_instances"] == "1024"
    put(machine, RUNS)
    run.give_back()
    assert (values(machine), run.changed, run.kept) == (IDLE, [], "")
    assert not run.record.exists()


def test_the_last_of_two_runs_gives_back(machine: Path) -> None:
    from kernel import Kernel

    first, second = Kernel([]), Kernel([])
    first.begin([])
    put(machine, RUNS)
    second.begin(["/sys/fs/cgroup/kubepods of the first"])
    first.give_back()
    assert (values(machine), first.changed, first.kept) == (RUNS, [], "kept for another run")
    second.give_back()
    assert (values(machine), second.groups) == (IDLE, [])


def test_the_run_after_a_killed_one_knows_what_was_before_both(machine: Path) -> None:
    from kernel import Kernel

    killed = Kernel([])
    killed.begin([])
    put(machine, RUNS)
    assert killed.lock is not None
    killed.lock.close()  # as the kernel does
    after = Kernel(["/sys/fs/cgroup/docker"])
    after.begin(["/sys/fs/cgroup/docker"])
    assert after.groups == []
    after.give_back()
    assert values(machine) == IDLE


def test_what_somebody_else_has_set_meanwhile_stays(machine: Path) -> None:
    from kernel import Kernel

    run = Kernel([])
    run.begin([])
    put(machine, {**RUNS, "kernel/panic": "30", "fs/inotify/max_user_instances": "8192"})
    run.give_back()
    assert values(machine) == {
        **IDLE,
        "kernel/panic": "30",
        "fs/inotify/max_user_instances": "8192",
    }
    assert run.changed == []


@pytest.mark.parametrize("engine", ["docker0", "virbr0", "br-0123456789ab", "/usr/sbin/dockerd"])
def test_an_engine_that_was_started_meanwhile_keeps_ip_forward(machine: Path, engine: str) -> None:
    from kernel import Kernel

    run = Kernel([])
    run.begin([])
    put(machine, RUNS)
    (machine / "links" / "kw-acc-213").mkdir()
    if engine.startswith("/"):
        (machine / "processes" / "7").mkdir()
        (machine / "processes" / "7" / "cmdline").write_text(f"{engine}\0-H\0fd://\0")
    else:
        (machine / "links" / engine).mkdir()
    run.give_back()
    assert values(machine) == {**IDLE, "net/ipv4/ip_forward": "1"}
    assert Path(engine).name in run.kept
    assert run.changed == []


def test_a_setting_that_cannot_be_given_back_is_named_and_stays_in_the_record(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernel import Kernel

    run = Kernel([])
    run.begin([])
    put(machine, {"kernel/panic": "10"})

    def refuse(path: Path, _text: str) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    run.give_back()
    assert run.changed == ["kernel/panic is 10, was 0"]
    assert json.loads(run.record.read_text())["settings"]["kernel/panic"] == {
        "was": "0",
        "set": "10",
    }


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_run_that_could_not_read_the_record_leaves_it(machine: Path) -> None:
    from kernel import Kernel

    run = Kernel([])
    run.record.write_text("{")
    put(machine, RUNS)
    with pytest.raises(ValueError, match="Expecting"):
        run.begin([])
    run.give_back()
    assert values(machine) == RUNS
    assert [path.name for path in (machine / "locks").glob("*settings*")] == [
        "kubewright-acceptance.settings"
    ]


def test_a_run_that_never_began_gives_nothing_back(machine: Path) -> None:
    from kernel import Kernel

    put(machine, RUNS)
    Kernel([]).give_back()
    assert values(machine) == RUNS


def test_a_run_waits_while_another_one_gives_back(machine: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import kernel\n"
        + "".join(
            f"kernel.{name.upper()} = Path(sys.argv[2], {name!r})\n"
            for name in ("locks", "sys", "links", "processes")
        )
    )
    script += "print('waits', flush=True); kernel.Kernel([]).begin([]); print('began', flush=True)"
    folder = Path(__file__).parent / "acceptance"
    with (machine / "locks" / "kubewright-acceptance.runs").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        put(machine, RUNS)
        argv = [sys.executable, "-c", script, str(folder), str(machine)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "waits\n"
            put(machine, IDLE)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert other.stdout.read() == "began\n"
    record = json.loads((machine / "locks" / "kubewright-acceptance.settings").read_text())
    assert record["settings"]["net/ipv4/ip_forward"] == {"was": "0", "set": "1"}


def test_a_work_directory_is_new_or_empty_or_of_a_run(tmp_path: Path) -> None:
    from work import MARKER, claim

    for name in ("new/one", "empty"):
        work = tmp_path / name
        if name == "empty":
            work.mkdir()
        claim(work)
        (work / "engine").mkdir()
        claim(work)  # a second run
        assert sorted(path.name for path in work.iterdir()) == [MARKER, "engine"]


def test_a_directory_of_somebody_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    from engine import Failed
    from work import claim

    (tmp_path / "lock").write_text("")  # as /var has it
    with pytest.raises(
        Failed, match=rf"no run has made it.*name an empty directory.*touch {tmp_path}/\.kubewright"
    ):
        claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    with pytest.raises(Failed, match="not a directory"):
        claim(tmp_path / "lock")


@pytest.mark.parametrize("root", ["/", "//", "/tmp/..", "link"])
def test_the_root_is_never_a_work_directory(tmp_path: Path, root: str) -> None:
    from engine import Failed
    from work import claim

    (tmp_path / "link").symlink_to("/")
    with pytest.raises(Failed, match="never the root"):
        claim(tmp_path / root)


def test_a_removal_that_fails_stops_no_other() -> None:
    from traces import attempt

    done = []

    def fail() -> None:
        raise OSError(5, "Input/output error")

    wrong = attempt({"mounts": fail, "bridge": lambda: done.append("bridge"), "files": fail})
    assert done == ["bridge"]
    assert wrong == [
        "mounts: OSError: [Errno 5] Input/output error",
        "files: OSError: [Errno 5] Input/output error",
    ]


def test_mounts_of_directories_with_a_space_are_found(
    acceptance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from network import Network
    from traces import Traces

    text = (
        r"overlay /a\040b/engine/data/merged overlay rw 0 0"
        + "\n"
        + r"tmpfs /a\040b/engines tmpfs rw 0 0"
        + "\n"
    )
    monkeypatch.setattr("traces.control_groups", lambda *_: [])
    traces = Traces(Path("/a b"), Network(NUMBER))
    monkeypatch.setattr(Path, "read_text", lambda _self: text)
    assert traces.mounts() == ["/a b/engine/data/merged"]


def test_an_engine_stops_all_it_can_and_says_what_went_wrong(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import Engine
    from network import Network

    monkeypatch.setattr("traces.control_groups", lambda *_: [])
    monkeypatch.setattr("traces._run", lambda *argv: subprocess.CompletedProcess(argv, 1, "", ""))
    monkeypatch.setattr("traces.Traces._unmount", lambda _self: 1 / 0)
    work = tmp_path / "work"
    (work / "engine").mkdir(parents=True)
    engine = Engine(work, Network(NUMBER))
    engine.docker = ["false"]
    engine.daemon = subprocess.Popen(["sleep", "60"])
    engine.names = ["cp"]
    monkeypatch.setattr(engine, "log", work / "no" / "log.txt")  # as on a full disk
    found = engine.stop()
    wrong = found.pop("what went wrong meanwhile")
    assert [line.split(":")[0] for line in wrong] == ["containers", "network", "mounts"]
    assert engine.daemon.returncode == -signal.SIGTERM
    assert not (work / "engine").exists()
    assert not any(found.values())


def test_a_program_that_does_not_end_is_ended(machine: Path, tmp_path: Path) -> None:
    from engine import Engine, Failed
    from network import Network

    engine = Engine(tmp_path, Network(NUMBER))
    with pytest.raises(Failed, match="sleep 60: has not ended after 0 s"):
        engine.run(["sleep", "60"], seconds=0.1)


class Lab:
    """What `clean` needs of a lab; its engine cannot be stopped."""

    def __init__(self, report: object) -> None:
        self.report = report
        self.engine = self

    def stop(self) -> dict[str, list[str]]:
        raise OSError(28, "No space left on device")


def test_the_report_says_when_cleaning_fails() -> None:
    import run
    from report import Report

    report = Report("Run")
    assert run.clean(Lab(report)) == 1  # type: ignore[arg-type]
    [step] = report.steps
    assert (step.result, step.shown["why it failed"].splitlines()[0]) == (
        "failed",
        "[Errno 28] No space left on device",
    )


@pytest.mark.parametrize("code", [0, 1], ids=["installed", "not installed"])
def test_rpm_says_by_its_exit_code_whether_a_package_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    import rpm_node

    (tmp_path / "rpm").write_text(
        f"#!/bin/sh\necho package kubernetes-node is not installed\nexit {code}\n"
    )
    (tmp_path / "rpm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    class Here:
        def shell(self, _machine: str, script: str) -> str:
            return subprocess.run(
                ["sh", "-c", script], capture_output=True, text=True, check=True
            ).stdout

    assert rpm_node.installed(Here(), "kubernetes-node") is (code == 0)  # type: ignore[arg-type]


def noxfile() -> ModuleType:
    """The noxfile as a module."""
    spec = importlib.util.spec_from_file_location(
        "noxfile", Path(__file__).parents[1] / "noxfile.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ctrl_c_is_for_nox_again_after_the_acceptance_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, seen = noxfile(), []

    def run(_session: object, *_command: str) -> None:
        seen.append(signal.getsignal(signal.SIGINT))
        raise RuntimeError

    monkeypatch.setattr(module, "environment", lambda *_: "python")
    monkeypatch.setattr(module, "run", run)
    before = signal.getsignal(signal.SIGINT)

    class Session:
        posargs: tuple[str, ...] = ()

    with pytest.raises(RuntimeError):
        module.acceptance(Session())
    assert (seen, signal.getsignal(signal.SIGINT)) == ([signal.SIG_IGN], before)
