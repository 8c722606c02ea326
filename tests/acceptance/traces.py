"""What a run leaves on the machine that carries it: how each kind of trace is looked for, and how it is removed."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from network import Network

MARK = "KUBEWRIGHT_ACCEPTANCE"
"""In the environment of every program that a run starts, and so of all that those start: its work directory."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")

INNER = ("docker", "init.scope", "kubepods", "system.slice", "user.slice")
"""Control groups that programs in a machine may make at the top, as it shares the hierarchies with this machine."""

SETTINGS = (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes", "net/ipv4/ip_forward",
    "fs/inotify/max_user_instances",
)  # fmt: skip
"""What kubelet, dockerd and the run itself set in the kernel that the machines share with this one; in /proc/sys."""


class Traces:
    """What was there before a run, and what is there because of it."""

    def __init__(self, work: Path, network: Network) -> None:
        self.mark = f"{MARK}={work}"
        self.folders = [work / "engine", work / "tmp"]
        self.network = network
        self.settings = _settings()
        self.groups = set(_groups(*INNER))

    def remove(self) -> None:
        """Remove what is there once the engine has ended, or was killed. Other runs on this machine lose nothing."""
        end = time.monotonic() + 10
        while (there := self.processes()) and time.monotonic() < end:
            for process in there:
                with suppress(ProcessLookupError):
                    os.kill(int(process.split()[0]), signal.SIGKILL)
            time.sleep(0.1)
        for mount in reversed(self.mounts()):
            _run("umount", "--lazy", mount)
        for table, chain, rule in self.network.rules:
            while _run("iptables", "-w", "-t", table, "-D", chain, *rule).returncode == 0:
                pass
        for link in self._links():
            _run("ip", "link", "delete", link)
        for group in reversed(self.control_groups()):
            with suppress(OSError):  # one that a process is in stays, and is reported
                Path(group).rmdir()
        for name, value in self.settings.items():
            if _settings()[name] != value:
                Path("/proc/sys", name).write_text(value)
        if not self.mounts():  # a mount may lead anywhere
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)

    def found(self) -> dict[str, list[str]]:
        """What is there, by kind and where it was looked for."""
        group = self.network.group
        now = _settings()
        return {
            f"processes with {self.mark} in their environment, or in its control group": self.processes(),
            f"mounts below {' and '.join(map(str, self.folders))}": self.mounts(),
            f"bridge {self.network.bridge} in /sys/class/net": self._links(),
            f"firewall rules that say {group}": self._rules(),
            f"control groups {group}, and {', '.join(INNER)} that were not there before": self.control_groups(),
            "files " + " and ".join(map(str, self.folders)): [str(one) for one in self.folders if one.exists()],
            f"settings of the kernel: {', '.join(SETTINGS)}": [
                f"{name} is {now[name]}, was {was}" for name, was in self.settings.items() if now[name] != was
            ],
        }

    def processes(self) -> list[str]:
        """Process ids with their commands."""
        mark, group = self.mark.encode(), self.network.group
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                marked = mark in (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                ours = marked or f"/{group}/" in (folder / "cgroup").read_text()
                if ours and command and int(folder.name) != os.getpid():  # one that has ended has no command
                    found.append(f"{folder.name} {command[:100]}")
        return found

    def mounts(self) -> list[str]:
        """Mount points in their order."""
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        return [one for one in points if any(one.startswith(f"{folder}/") for folder in self.folders)]

    def control_groups(self) -> list[str]:
        """Control groups, a parent before its children; inner ones only where no process is in any of that name."""
        idle = [name for name in INNER if not any(_busy(path) for path in _groups(name))]
        inner = [path for path in _groups(*idle) if path not in self.groups]
        return [str(path) for path in [*_groups(self.network.group), *inner]]

    def _links(self) -> list[str]:
        bridge = self.network.bridge
        return [bridge] if Path("/sys/class/net", bridge).exists() else []

    def _rules(self) -> list[str]:
        said = _run("iptables-save").stdout
        return [line for line in said.splitlines() if f"{self.network.group} " in f"{line} "]


def two() -> bool:
    """Whether this machine has control groups version 2, and only those."""
    return (CONTROL_GROUPS / "cgroup.controllers").exists()


def _groups(*names: str) -> list[Path]:
    """The control groups of these names at the top of each hierarchy, and all below them."""
    hierarchies = [CONTROL_GROUPS] if two() else sorted(CONTROL_GROUPS.iterdir())
    return [Path(one) for top in hierarchies for name in names for one, _, _ in os.walk(top / name)]


def _busy(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text())
    except OSError:  # it is just being removed
        return True


def _settings() -> dict[str, str]:
    return {name: Path("/proc/sys", name).read_text().strip() for name in SETTINGS if Path("/proc/sys", name).exists()}


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)
