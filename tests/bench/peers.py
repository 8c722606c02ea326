"""What others publish with, over the same packages: aptly, reprepro, and createrepo_c with gpg."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from kubewright import files, run
from kubewright.models.base import Arch
from kubewright.signing.roles import Keys

DISTRIBUTION = "stable"


@dataclass(frozen=True)
class Gpg:
    """A GnuPG home with the key that our site is signed with."""

    home: Path
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes gpg, and those that call it, use it."""
        return {"GNUPGHOME": str(self.home)}

    def detach(self, path: Path) -> None:
        """An armored signature beside a file."""
        run.run(
            ["gpg", "--batch", "--yes", "--local-user", self.key, "--armor", "--detach-sign", path],
            env=self.environment,
        )


@contextmanager
def gpg(work: Path, keys: Keys) -> Iterator[Gpg]:
    """A home below `work`, which gpg wants short; its agent ends with the block."""
    program = run.find("gpg", install="apt-get install gnupg")
    home = work / "gpg"
    home.mkdir(mode=0o700)
    made = Gpg(home, keys.repo.fingerprint)
    secret = Path(os.environ["KUBEWRIGHT_DATA"])
    (found,) = [path for path in secret.rglob("*") if _is_secret_key(path)]
    try:
        run.run([program, "--batch", "--import", found], env=made.environment)
        yield made
    finally:
        run.run(["gpgconf", "--kill", "all"], env=made.environment)


def _is_secret_key(path: Path) -> bool:
    return path.is_file() and b"BEGIN PGP PRIVATE KEY" in path.read_bytes()


class Peer(Protocol):
    """A repository of somebody else's program."""

    root: Path
    suffix: str
    """Of its packages."""

    def copy(self, root: Path) -> Self:
        """The same in another place, to publish once more from where this is."""

    def add(self, packages: Sequence[Path]) -> None:
        """Publish more packages."""


class Aptly:
    """A repository of aptly's, published as one distribution: every version of a package stays.

    What our suites have not it is told to leave out too: Contents and bzip2.
    """

    suffix = ".deb"

    def __init__(self, root: Path, key: Gpg) -> None:
        self.program = run.find("aptly", install="apt-get install aptly")
        self.root, self.key, self.published = root, key, False
        root.mkdir()
        self._configure()
        self._run("repo", "create", f"-distribution={DISTRIBUTION}", "-component=main", "bench")

    def _configure(self) -> None:
        settings = {
            "rootDir": str(self.root), "architectures": [arch.value for arch in Arch.usual()],
            "skipContentsPublishing": True, "skipBz2Publishing": True,
        }  # fmt: skip
        files.write(self.root / "aptly.conf", json.dumps(settings).encode())

    def copy(self, root: Path) -> Self:
        """The same in another place, to publish once more from where this is."""
        twin = object.__new__(type(self))
        twin.program, twin.root, twin.key, twin.published = (
            self.program, root, self.key, self.published
        )  # fmt: skip
        for folder in ("db", "public/dists"):  # which it may write over
            if (self.root / folder).is_dir():
                shutil.copytree(self.root / folder, root / folder)
        for folder in ("pool", "public/pool"):
            if (self.root / folder).is_dir():
                _linked(self.root / folder, root / folder)
        twin._configure()
        return twin

    def add(self, packages: Sequence[Path]) -> None:
        """Publish more packages."""
        self._run("repo", "add", "bench", *packages)
        options = ["-batch", f"-gpg-key={self.key.key}", "-skip-contents", "-skip-bz2"]
        if self.published:
            self._run("publish", "update", *options, DISTRIBUTION)
        else:
            self._run("publish", "repo", *options, "bench")
        self.published = True

    def _run(self, *words: str | Path) -> None:
        argv = [self.program, f"-config={self.root / 'aptly.conf'}", *words]
        run.run(argv, env=self.key.environment)


class Reprepro:
    """A repository of reprepro's. Of a package it keeps the newest version alone, so it has fewer
    packages than the others.
    """

    suffix = ".deb"

    def __init__(self, root: Path, key: Gpg) -> None:
        self.program = run.find("reprepro", install="apt-get install reprepro")
        self.root, self.key = root, key
        words = " ".join(arch.deb for arch in Arch.usual())
        about = {
            "Codename": DISTRIBUTION, "Architectures": words, "Components": "main",
            "SignWith": key.key,
        }  # fmt: skip
        text = "".join(f"{name}: {value}\n" for name, value in about.items())
        files.write(root / "conf/distributions", text.encode())

    def copy(self, root: Path) -> Self:
        """The same in another place."""
        shutil.copytree(self.root, root)  # it writes its files in place
        twin = object.__new__(type(self))
        twin.program, twin.root, twin.key = self.program, root, self.key
        return twin

    def add(self, packages: Sequence[Path]) -> None:
        """Publish more packages."""
        words = ["--silent", "--section=admin", "--priority=optional", f"--basedir={self.root}"]
        argv: list[str | Path] = [self.program, *words, "includedeb", DISTRIBUTION, *packages]
        run.run(argv, env=self.key.environment)


class Createrepo:
    """A yum repository for each architecture, with createrepo_c's update and gpg's signature.

    It makes no databases either, which would take it longer.
    """

    suffix = ".rpm"

    def __init__(self, root: Path, key: Gpg) -> None:
        self.program = run.find("createrepo_c", install="apt-get install createrepo-c")
        self.root, self.key = root, key
        for arch in Arch.usual():
            (root / arch.rpm / "Packages").mkdir(parents=True)

    def copy(self, root: Path) -> Self:
        """The same in another place."""
        _linked(self.root, root)
        twin = object.__new__(type(self))
        twin.program, twin.root, twin.key = self.program, root, self.key
        return twin

    def add(self, packages: Sequence[Path]) -> None:
        """Publish more packages."""
        for arch in Arch.usual():
            base = self.root / arch.rpm
            for rpm in packages:
                if rpm.name.endswith((f".{arch.rpm}.rpm", ".noarch.rpm")):
                    target = base / "Packages" / rpm.name
                    target.unlink(missing_ok=True)
                    target.hardlink_to(rpm)
            run.run([self.program, "--quiet", "--update", "--no-database", base])
            self.key.detach(base / "repodata" / "repomd.xml")


def _linked(source: Path, target: Path) -> None:
    """A copy of a tree whose files are the same ones: whoever replaces them harms no copy."""
    shutil.copytree(source, target, copy_function=os.link, symlinks=True)
