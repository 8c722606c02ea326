"""What a run leaves on the machine that carries it: how each kind of trace is looked for, and how
it is removed.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kernel import SETTINGS, Kernel
from network import Network

MARK = "KUBEWRIGHT_ACCEPTANCE"
"""In the environment of every program that a run starts, and so of all that those start: its work
directory.
"""

CONTROL_GROUPS = Path("/sys/fs/cgroup")

INNER = ("docker", "init.scope", "kubepods", "system.slice", "user.slice")
"""Control groups that programs in a machine may make at the top, as it shares the hierarchies with
this machine.
"""

PATIENCE = 60.0
"""Seconds that a program may take which removes something."""


class Traces:
    """What was there before a run, and what is there because of it."""

    def __init__(self, work: Path, network: Network) -> None:
        self.mark = f"{MARK}={work}"
        self.folders = [work / "engine", work / "tmp"]
        self.network = network
        self.kernel = Kernel(control_groups(*INNER))

    def remove(self) -> list[str]:
        """Remove what is there once the engine has ended, or was killed; what went wrong.

        Other runs on this machine lose nothing. The kernel's settings are given back afterwards:
        kernel.give_back.
        """
        return attempt({
            "what was there before any run": lambda: self.kernel.begin(control_groups(*INNER)),
            "processes": self._kill,
            "mounts": self._unmount,
            "firewall rules": self._delete_rules,
            "bridge": self._delete_links,
            "control groups": self._remove_groups,
            "files": self._remove_folders,
        })  # fmt: skip

    def _kill(self) -> None:
        end = time.monotonic() + 10
        while (there := self.processes()) and time.monotonic() < end:
            for process in there:
                with suppress(ProcessLookupError):
                    os.kill(int(process.split()[0]), signal.SIGKILL)
            time.sleep(0.1)

    def _unmount(self) -> None:
        busy = []
        for mount in reversed(self.mounts()):
            if _run("umount", mount).returncode:
                busy.append(mount)
                _run("umount", "--lazy", mount)
        if busy:
            raise OSError(f"still in use, and so only detached: {', '.join(busy)}")

    def _delete_rules(self) -> None:
        for table, chain, rule in self.network.rules:
            while _run("iptables", "-w", "-t", table, "-D", chain, *rule).returncode == 0:
                pass

    def _delete_links(self) -> None:
        for link in self._links():
            _run("ip", "link", "delete", link)

    def _remove_groups(self) -> None:
        _rmdir(self.control_groups())

    def remove_groups(self, name: str) -> None:
        """Remove a control group, which may be `A/B`, and those in it, in every hierarchy."""
        _rmdir(control_groups(name))

    def _remove_folders(self) -> None:
        if not self.mounts():  # a mount may lead anywhere
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)

    def found(self) -> dict[str, list[str]]:
        """What is there, by kind and where it was looked for."""
        group = self.network.group
        return {
            f"processes with {self.mark} in their environment, or in its control "
            "group": self.processes(),
            f"mounts below {' and '.join(map(str, self.folders))}": self.mounts(),
            f"bridge {self.network.bridge} in /sys/class/net": self._links(),
            f"firewall rules that say {group}": self._rules(),
            f"control groups {group}, and {', '.join(INNER)} that were not there "
            "before": self.control_groups(),
            "files " + " and ".join(map(str, self.folders)): [
                str(one) for one in self.folders if one.exists()
            ],
            f"settings of the kernel ({self.kernel.kept or 'given back'}): "
            f"{', '.join(SETTINGS)}": self.kernel.changed,
        }

    def processes(self) -> list[str]:
        """Process ids with their commands."""
        mark, group = self.mark.encode(), self.network.group
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                marked = mark in (folder / "environ").read_bytes().split(b"\0")
                command = (
                    (folder / "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace")
                    .strip()
                )
                ours = marked or f"/{group}/" in (folder / "cgroup").read_text()
                if (
                    ours and command and int(folder.name) != os.getpid()
                ):  # one that has ended has no command
                    found.append(f"{folder.name} {command[:100]}")
        return found

    def mounts(self) -> list[str]:
        """Mount points in their order."""
        points = [_plain(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]
        return [
            one for one in points if any(one.startswith(f"{folder}/") for folder in self.folders)
        ]

    def control_groups(self) -> list[str]:
        """Control groups, a parent before its children; inner ones only where no process is in any
        of that name.
        """
        idle = [name for name in INNER if not any(_busy(path) for path in _groups(name))]
        return [
            *control_groups(self.network.group),
            *(one for one in control_groups(*idle) if one not in self.kernel.groups),
        ]

    def _links(self) -> list[str]:
        bridge = self.network.bridge
        return [bridge] if Path("/sys/class/net", bridge).exists() else []

    def _rules(self) -> list[str]:
        said = _run("iptables-save").stdout
        return [line for line in said.splitlines() if f"{self.network.group} " in f"{line} "]


def attempt(actions: Mapping[str, Callable[[], None]]) -> list[str]:
    """Do each, whatever becomes of the others; what went wrong, by name."""
    wrong = []
    for name, action in actions.items():
        try:
            action()
        except Exception as error:  # whatever it is, the others have to be done
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    return wrong


def two() -> bool:
    """Whether this machine has control groups version 2, and only those."""
    return (CONTROL_GROUPS / "cgroup.controllers").exists()


def _groups(*names: str) -> list[Path]:
    """The control groups of these names at the top of each hierarchy, and all below them."""
    hierarchies = [CONTROL_GROUPS] if two() else sorted(CONTROL_GROUPS.iterdir())
    return [Path(one) for top in hierarchies for name in names for one, _, _ in os.walk(top / name)]


def control_groups(*names: str) -> list[str]:
    """The control groups of these names at the top of each hierarchy, and all below them."""
    return [str(path) for path in _groups(*names)]


def _rmdir(groups: list[str]) -> None:
    for group in reversed(groups):
        with suppress(OSError):  # one that a process is in stays, and is reported
            Path(group).rmdir()


def _busy(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text())
    except OSError:  # it is just being removed
        return True


def _plain(path: str) -> str:
    """A path of /proc/mounts, which has octal numbers for spaces and the like."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)
