"""What others publish with, in place: aptly as it is by default, and createrepo_c with gpg."""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kubewright import files, run

sys.path.append(str(Path(__file__).parent.parent / "bench"))

from peers import Gpg


class Peer(Protocol):
    """A repository that is published again and again."""

    root: Path
    """What is served."""

    def turn(self) -> None:
        """Publish the other of two contents."""


class Aptly:
    """Two snapshots of aptly's, published in turn under one name."""

    def __init__(self, work: Path, key: Gpg, packages: Sequence[Sequence[Path]]) -> None:
        self.program = run.find("aptly", install="apt-get install aptly")
        self.key, self.conf, self.root = key, work / "aptly.conf", work / "aptly/public"
        settings = {"rootDir": str(work / "aptly"), "architectures": ["amd64"]}
        files.write(self.conf, json.dumps(settings).encode())
        for name, debs in zip("ab", packages, strict=True):
            self._run("repo", "create", name)
            self._run("repo", "add", name, *debs)
            self._run("snapshot", "create", name, "from", "repo", name)
        signed = ("-batch", f"-gpg-key={key.key}")
        self._run("publish", "snapshot", "-distribution=stable", *signed, "a")
        self.next = "b"

    def turn(self) -> None:
        self._run("publish", "switch", "-batch", f"-gpg-key={self.key.key}", "stable", self.next)
        self.next = "a" if self.next == "b" else "b"

    def _run(self, *words: str | Path) -> None:
        argv = [self.program, f"-config={self.conf}", *words]
        run.run(argv, env=self.key.environment)


class Createrepo:
    """createrepo_c's update in place, and gpg's signature after it."""

    def __init__(self, work: Path, key: Gpg, packages: Sequence[Sequence[Path]]) -> None:
        self.program = run.find("createrepo_c", install="apt-get install createrepo-c")
        self.key, self.root, self.packages = key, work / "createrepo", packages
        (self.root / "Packages").mkdir(parents=True)
        self.number = 0
        self.turn()

    def turn(self) -> None:
        for rpm in self.packages[self.number % 2]:
            target = self.root / "Packages" / rpm.name
            if not target.exists():
                target.hardlink_to(rpm)
        self.number += 1
        gone = {rpm.name for rpm in self.packages[self.number % 2]}
        kept = {rpm.name for rpm in self.packages[(self.number + 1) % 2]}
        # Packages of before stay in place, so that only metadata can be what fails.
        excluded = [f"--excludes={name}" for name in sorted(gone - kept)]
        run.run([self.program, "--quiet", "--update", "--no-database", *excluded, self.root])
        self.key.detach(self.root / "repodata/repomd.xml")


@contextmanager
def turning(peer: Peer) -> Iterator[list[int]]:
    """Let a peer publish without rest beside the block; how often it has."""
    end, count = threading.Event(), [0]

    def work() -> None:
        while not end.is_set():
            peer.turn()
            count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        end.set()
        thread.join()
