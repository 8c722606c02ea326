"""What machines share with this one's kernel: how it was before any run, and which settings the
last run gives back.
"""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

LOCKS, SYS, LINKS, PROCESSES = (
    Path("/run/lock"),
    Path("/proc/sys"),
    Path("/sys/class/net"),
    Path("/proc"),
)

WATCHERS, FORWARD = "fs/inotify/max_user_instances", "net/ipv4/ip_forward"

SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
    FORWARD: "1",
    WATCHERS: "1024",
}
"""What kubelet, dockerd and the run itself set in /proc/sys, and to what."""

BRIDGES = ("br-", "cni", "docker", "flannel", "incusbr", "lxcbr", "lxdbr", "podman", "virbr")
"""How the names of bridges begin whose engines need ip_forward."""

ENGINES = ("dockerd", "kubelet")
"""Programs that need it too."""


class Kernel:
    """This machine's kernel, which a run borrows from `begin` to `give_back`, beside other runs."""

    def __init__(self, groups: list[str]) -> None:
        self.groups = groups
        """The control groups that were there before any run."""
        self.changed: list[str] = []
        """Settings that runs have changed and that could not be given back, once this one has
        tried.
        """
        self.kept = ""
        """Why a setting may be another than before."""
        self.before: dict[str, dict[str, str]] = {}
        self.lock: IO[str] | None = None
        self.record = LOCKS / "kubewright-acceptance.settings"

    def begin(self, groups: list[str]) -> None:
        """Learn how it was before any run: from the record, where a run is there or was killed,
        else as it is now.
        """
        if self.lock is not None:
            return
        lock = (LOCKS / "kubewright-acceptance.runs").open("w")
        fcntl.flock(lock, fcntl.LOCK_SH)  # held by every run; waits while a last one gives back
        now = {
            name: {"was": _value(name), "set": value}
            for name, value in SETTINGS.items()
            if (SYS / name).exists()
        }
        new = self.record.with_name(f"{self.record.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps({"settings": now, "groups": groups}, indent=2) + "\n")
            with suppress(FileExistsError):  # of runs that begin together, one writes it
                os.link(new, self.record)
        finally:
            new.unlink(missing_ok=True)
        found = json.loads(self.record.read_text())
        self.before, self.groups = found["settings"], found["groups"]
        self.lock = lock  # only now: what was not learned is not given back either

    def raise_watchers(self) -> None:
        """Let there be enough: each machine has a systemd, a kubelet and Pods; the usual 128 do for
        two or three.
        """
        if int(_value(WATCHERS)) < int(SETTINGS[WATCHERS]):
            (SYS / WATCHERS).write_text(SETTINGS[WATCHERS])

    def give_back(self) -> None:
        """Put back what runs have set, unless another run is there, or somebody else has set it or
        needs it.
        """
        lock, self.lock = self.lock, None
        if lock is None:
            return
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.kept = "kept for another run"
                return
            names = self._borrowed()
            if FORWARD in names and (needed := engines()):
                self.kept = f"{FORWARD} is kept for {', '.join(needed)}"
                names.remove(FORWARD)
            for name in names:
                with suppress(OSError):
                    (SYS / name).write_text(self.before[name]["was"])
            changed = [name for name in self._borrowed() if name in names]
            self.changed = [
                f"{name} is {_value(name)}, was {self.before[name]['was']}" for name in changed
            ]
            if not changed:  # else the next run tries
                self.record.unlink(missing_ok=True)

    def _borrowed(self) -> list[str]:
        """Settings that still have a run's value and had another one."""
        return [
            name for name, one in self.before.items() if _value(name) == one["set"] != one["was"]
        ]


def engines() -> list[str]:
    """What needs ip_forward and is no run's; a developer may have started it since."""
    found = [
        f"bridge {link.name}" for link in sorted(LINKS.iterdir()) if link.name.startswith(BRIDGES)
    ]
    for folder in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            program = Path((folder / "cmdline").read_text(errors="replace").partition("\0")[0]).name
            found += [f"{program}, process {folder.name}"] if program in ENGINES else []
    return found


def _value(name: str) -> str:
    return (SYS / name).read_text().strip()
