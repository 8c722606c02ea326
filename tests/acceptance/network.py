"""Where everything of a run is: the bridge, the machines' addresses, their pods' networks and
control groups.
"""

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HOSTS = {
    "site": 4,
    "registry": 5,
    "old-site": 6,
    "cp": 10,
    "node1": 11,
    "docker1": 12,
    "rpm1": 13,
    "fresh": 14,
    "skip": 15,
    "single": 16,
    "cp2": 20,
    "node2": 21,
}
"""Every container that a run may start, by the last number of its address. Addresses, because
nobody serves names.
"""

SERVICES = ("site", "registry", "old-site", "single")
"""Those of them that are no machines with systemd."""

NUMBERS = range(213, 223)
"""The networks that runs take."""

HELD: list[IO[str]] = []
"""The locks of this process's run; they end with the process."""


@dataclass(frozen=True)
class Network:
    """One run's network, 10.NUMBER.0.0/24: two runs on one machine have different numbers."""

    number: int

    @classmethod
    def free(cls, work: Path) -> "Network":
        """The one of the last run in this work directory, else the first that no other run has.

        The same one again keeps the site's address, which the packages of an earlier run hold.
        """
        kept = work / "network"
        last = (
            [cls(int(kept.read_text()))] if kept.exists() else []
        )  # with its bridge, if that run was killed
        others = [cls(number) for number in NUMBERS]
        unused = (one for one in others if not Path("/sys/class/net", one.bridge).exists())
        for network in (*last, *unused):
            if hold(Path("/run/lock", network.group)):
                kept.write_text(f"{network.number}\n")
                return network
        raise SystemExit(
            f"bridges {cls(NUMBERS[0]).bridge} to {cls(NUMBERS[-1]).bridge} are all there: end "
            "those runs first"
        )

    @property
    def bridge(self) -> str:
        """The bridge on this machine."""
        return f"kw-acc-{self.number}"

    @property
    def group(self) -> str:
        """The control group of all machines."""
        return f"kubewright-acceptance-{self.number}"

    @property
    def subnet(self) -> str:
        """The machines' addresses."""
        return f"10.{self.number}.0.0/24"

    @property
    def rules(self) -> tuple[tuple[str, str, list[str]], ...]:
        """Table, chain and rule of each line in this machine's firewall. dockerd writes none:
        another engine stays.
        """
        comment = ["-m", "comment", "--comment", self.group]
        return (
            (
                "nat",
                "POSTROUTING",
                ["-s", self.subnet, "!", "-o", self.bridge, *comment, "-j", "MASQUERADE"],
            ),
            ("filter", "FORWARD", ["-i", self.bridge, *comment, "-j", "ACCEPT"]),
            ("filter", "FORWARD", ["-o", self.bridge, *comment, "-j", "ACCEPT"]),
        )

    def address(self, name: str) -> str:
        """The address of a container."""
        return f"10.{self.number}.0.{HOSTS[name]}"

    def pods(self, name: str) -> str:
        """The control group of a machine's pods; kubelets that share a kernel need their own."""
        return f"{self.group}/pods-{name}"

    @staticmethod
    def pod_subnet(name: str) -> str:
        """The addresses of a machine's pods."""
        return f"10.244.{HOSTS[name]}.0/24"

    def url(self, name: str) -> str:
        """The base URL of a site that a container serves."""
        return f"http://{self.address(name)}:8000"

    @property
    def site(self) -> str:
        """The site's base URL."""
        return self.url("site")

    @property
    def registry(self) -> str:
        """Where images live. An address, so that this machine, which pushes, calls it as the nodes
        do.
        """
        return f"{self.address('registry')}:5000"


def hold(path: Path) -> bool:
    """Take a lock for as long as this process lives; False if another run has it."""
    stream = path.open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return False
    HELD.append(stream)
    return True
