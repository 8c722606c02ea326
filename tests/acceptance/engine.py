"""A private Docker engine with one network: started for a run, and gone without a trace after
it.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from network import Network
from traces import MARK, Traces, attempt

SYSTEMD = [
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup",
    "--tmpfs=/run:exec",
    "--tmpfs=/run/lock",
    "--env=container=docker",
    "--volume=/var/lib/containerd",
    "--volume=/var/lib/docker",
    "--sysctl=net.ipv4.ip_forward=0",
    "--stop-signal=SIGRTMIN+3",
]
"""What a container needs to have systemd and a kubelet in it, where --privileged cannot be had.

The last two make it a machine: it forwards nothing until a package sees to that, and systemd shuts
it down in order.
"""

BOOT = "rm -f /dev/kmsg; mknod /dev/kmsg c 1 11; mount -o remount,rw /sys; mount --make-rshared /"
"""What a container lacks of a machine, once systemd is up in it."""

GROUPS = """if test -e /sys/fs/cgroup/cgroup.controllers; then # version 2
    mkdir -p "/sys/fs/cgroup/{group}"
    cd "/sys/fs/cgroup/{parent}"
    for controller in $(cat cgroup.controllers); do
        echo "+$controller" > cgroup.subtree_control
    done
    exit
fi
for controller in /sys/fs/cgroup/*; do
    test -e "$controller/cgroup.procs" || continue
    mkdir -p "$controller/{group}"
    test -e "$controller/cpuset.cpus" || continue
    for group in {parent} {group}; do
        for setting in cpuset.cpus cpuset.mems; do
            cat "$controller/$setting" > "$controller/$group/$setting"
        done
    done
done"""
"""Makes the control group of a machine's pods in every hierarchy that the machine sees; kubelet
wants them all.
"""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What programs put around words for a terminal."""


class Failed(Exception):
    """A command that did not do what a step needs; the message holds its last words."""


def interrupt(process: subprocess.Popen[str]) -> None:
    """End a program and its children as Ctrl-C does, with time to clean up: mmdebstrap has
    mounts.
    """
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
            break
    for pipe in filter(None, (process.stdin, process.stdout)):
        with suppress(OSError):  # it may hold words that nobody reads any more
            pipe.close()


class Engine:
    """The engine, its network and its containers."""

    def __init__(self, work: Path, network: Network) -> None:
        self.folder = work / "engine"
        self.temporary = work / "tmp"
        self.log = work / "log.txt"
        self.network = network
        self.traces = Traces(work, network)
        self.docker = ["docker", f"--host=unix://{self.folder}/docker.sock"]
        # Debian's client, where another program of that name comes first on PATH.
        if Path("/usr/bin/docker").exists():
            self.docker[0] = "/usr/bin/docker"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.names: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """Of every program: marked as this run's, with temporary files that go with it."""
        return {**os.environ, MARK: str(self.folder.parent), "TMPDIR": str(self.temporary)}

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: str = "",
        cwd: Path | None = None,
        check: bool = True,
        seconds: float | None = None,
    ) -> str:
        """Run a command to its end, for which it has `seconds`, and return what it said; it is kept
        in the log too.
        """
        self.temporary.mkdir(exist_ok=True)
        process = subprocess.Popen(
            argv,
            text=True,
            errors="replace",
            cwd=cwd,
            start_new_session=True,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            said = COLOURS.sub("", process.communicate(stdin, timeout=seconds)[0])
        except BaseException as error:
            interrupt(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(
                    f"{' '.join(map(str, argv))}: has not ended after {seconds:.0f} s"
                ) from error
            raise
        with self.log.open("a") as stream:
            stream.write(f"$ {' '.join(map(str, argv))}\n{said}\n")
        if check and process.returncode:
            last = "\n".join(said.splitlines()[-40:])
            raise Failed(f"{' '.join(map(str, argv))}: exit code {process.returncode}\n{last}")
        return said

    def start(self) -> None:
        """Start dockerd, its network, and this machine's rules for it."""
        if wrong := self.traces.remove():  # of a run in this work directory that was killed
            raise Failed("what an earlier run has left cannot be removed:\n" + "\n".join(wrong))
        self.folder.mkdir(parents=True)
        argv = [
            "dockerd", f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/pid", f"--host=unix://{self.folder}/docker.sock",
            f"--insecure-registry={self.network.subnet}",
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=overlay2",
        ]  # fmt: skip
        with (self.folder / "log").open("wb") as log:
            # A session of its own: Ctrl-C is for the run, which then stops the engine in order.
            self.daemon = subprocess.Popen(
                argv, stdout=log, stderr=log, start_new_session=True, env=self.environment
            )
        for _ in range(300):
            if self.daemon.poll() is not None:
                raise Failed(f"dockerd ended: {(self.folder / 'log').read_text()[-2000:]}")
            if "Server Version" in self.run([*self.docker, "info"], check=False):
                break
            time.sleep(0.1)
        self.run(
            [
                *self.docker,
                "network",
                "create",
                f"--subnet={self.network.subnet}",
                f"--opt=com.docker.network.bridge.name={self.network.bridge}",
                "nodes",
            ]
        )
        for table, chain, rule in self.network.rules:
            self.run(["iptables", "-w", "-t", table, "-I", chain, *rule])
        self.traces.kernel.raise_watchers()

    def container(
        self, name: str, image: str, options: Sequence[str], command: Sequence[str]
    ) -> None:
        """Start a container at its address of the network."""
        self.names.append(name)
        self.run(
            [
                *self.docker,
                "run",
                "--detach",
                f"--name={name}",
                f"--hostname={name}",
                "--network=nodes",
                f"--ip={self.network.address(name)}",
                f"--cgroup-parent=/{self.network.group}",
                *options,
                image,
                *command,
            ]
        )

    def machine(self, name: str, image: str, resolv: Path) -> None:
        """Start a container that is a machine: systemd is its first process, names resolve as
        `resolv` says.
        """
        self.container(
            name,
            image,
            [*SYSTEMD, f"--volume={resolv}:/etc/resolv.conf:ro"],
            ["/lib/systemd/systemd"],
        )
        self.booted(name)

    def restart(self, *names: str) -> None:
        """Shut machines down and start them again, all at once."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self._restart, names))

    def _restart(self, name: str) -> None:
        # systemd stops its units in a second or two, then waits for shells in Pods, which hear no
        # signal but KILL.
        self.run([*self.docker, "stop", "--time=10", name])
        self.traces.remove_groups(self.network.pods(name))  # no kernel keeps them over a boot
        self.run([*self.docker, "start", name])
        self.booted(name)

    def booted(self, name: str) -> None:
        """Wait for systemd and give the container what it lacks of a machine."""
        state = self.shell(
            name,
            "for i in $(seq 50); do test -S /run/systemd/private && break; sleep 0.2; done; "
            "systemctl is-system-running --wait",
            check=False,
        )
        if state.strip() not in ("running", "degraded"):
            raise Failed(f"{name}: systemd is {state.strip()!r}")
        self.shell(
            name,
            f"{BOOT}\n{GROUPS.format(group=self.network.pods(name), parent=self.network.group)}",
        )

    def shell(
        self, name: str, script: str, *, stdin: str = "", check: bool = True, user: str = "root"
    ) -> str:
        """Run a script in a container and return what it said. Ordinary users have an ordinary
        user's PATH.
        """
        environment = ["--env=DEBIAN_FRONTEND=noninteractive"]
        if user != "root":
            environment += ["--env=PATH=/usr/local/bin:/usr/bin:/bin"]
        words = ["exec", "--interactive", f"--user={user}", *environment, name, "sh", "-c", script]
        return self.run([*self.docker, *words], stdin=stdin, check=check)

    def put(self, name: str, path: str, text: str) -> None:
        """Write a file in a container."""
        self.shell(name, f"mkdir -p '{path.rpartition('/')[0]}' && cat > '{path}'", stdin=text)

    def discard(self, name: str) -> None:
        """Remove a container, if it is there."""
        self.names = [one for one in self.names if one != name]
        self.run([*self.docker, "rm", "--force", "--volumes", name], check=False)

    def stop(self) -> dict[str, list[str]]:
        """Stop and remove everything; what was looked at, and what could not be removed."""
        wrong = attempt(
            {
                "containers": self._remove_containers,
                "network": self._remove_network,
                "engine": self._end,
            }
        )
        wrong += self.traces.remove()
        wrong += attempt({"settings of the kernel": self.traces.kernel.give_back})
        return {"what went wrong meanwhile": wrong, **self.traces.found()}

    def _runs(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def _remove_containers(self) -> None:
        if self._runs() and self.names:
            self.run(
                [*self.docker, "rm", "--force", "--volumes", *self.names], check=False, seconds=180
            )

    def _remove_network(self) -> None:
        if self._runs():
            self.run([*self.docker, "network", "rm", "nodes"], check=False, seconds=30)

    def _end(self) -> None:
        if self.daemon is not None and self._runs():
            self.daemon.terminate()
            try:
                self.daemon.wait(60)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait(10)
