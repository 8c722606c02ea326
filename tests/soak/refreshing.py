"""apt, dnf and zypper that follow a site: each in a root of its own, none tries anything twice."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import private_apt

from kubewright.errors import ToolFailed
from kubewright.run import find, run

PACKAGE = "kubectl"
"""What is downloaded: it requires nothing of a system."""


class Followed(NamedTuple):
    """The repositories that clients follow, and the key that signs them."""

    apt: str
    """The rest of a line of sources, from the address on."""
    yum: str
    """The line of a .repo file that says where it is."""
    key: Path
    """Binary."""


class Client(Protocol):
    """A package manager in a root of its own. Both methods raise ToolFailed."""

    def refresh(self, *, fresh: bool) -> None:
        """Read what the repository has now; `fresh`: knowing nothing of before."""

    def download(self) -> None:
        """Download the newest of a package."""

    def end(self) -> None:
        """End what it has left running."""


class Apt:
    """apt, which takes no failure for a warning."""

    def __init__(self, root: Path, followed: Followed) -> None:
        line = f"[signed-by={followed.key}] {followed.apt}"
        self.root, self.env = root, private_apt.made(root, line)
        with (root / "apt.conf").open("a") as conf:
            conf.write('Acquire::Retries "0";\n')
        self.env["no_proxy"] = "127.0.0.1"
        (root / "new").mkdir()

    def refresh(self, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(self.root / "var/lib/apt/lists")
            (self.root / "var/lib/apt/lists/partial").mkdir(parents=True)
        run(["apt-get", "--quiet", "update"], env=self.env)

    def download(self) -> None:
        run(["apt-get", "--quiet", "download", PACKAGE], env=self.env, cwd=self.root / "new")
        _require([*(self.root / "new").glob("*.deb")], "apt-get download")

    def end(self) -> None:
        pass


class Dnf:
    """dnf, which reads metadata each time and asks no server twice."""

    def __init__(self, root: Path, followed: Followed) -> None:
        self.root, self.cache = root, root / "cache"
        (root / "repos").mkdir(parents=True)
        (root / "dnf.conf").write_text("[main]\nplugins=0\nretries=1\nmetadata_expire=0\n")
        (root / "repos/t.repo").write_text(_entry(followed))
        self.words: list[str | Path] = [
            find("dnf", install="apt-get install dnf"), "--assumeyes", "--quiet",
            f"--config={root}/dnf.conf", f"--installroot={root}/root", "--releasever=9",
            "--forcearch=x86_64", f"--setopt=reposdir={root}/repos",
            f"--setopt=cachedir={self.cache}",
        ]  # fmt: skip
        self.env = {"no_proxy": "127.0.0.1", "HOME": str(root)}

    def refresh(self, *, fresh: bool) -> None:
        if fresh:
            for path in self.cache.iterdir() if self.cache.is_dir() else ():
                _forget(path)
        run([*self.words, "makecache", "--refresh"], env=self.env)

    def download(self) -> None:
        # What was read a moment ago is not read again: it may be replaced by now.
        words = ["--setopt=metadata_expire=-1", "install", "--downloadonly", PACKAGE]
        run([*self.words, *words], env=self.env)
        _require([*self.cache.glob("*/packages/*.rpm")], "dnf install --downloadonly")

    def end(self) -> None:
        for keyring in self.cache.glob("*/pubring"):  # where GnuPG leaves an agent running
            with suppress(ToolFailed):
                run(["gpgconf", "--homedir", keyring, "--kill", "all"])


def _forget(path: Path) -> None:
    """Remove a repository's cache but for its keys, which people accept once."""
    for one in path.iterdir() if path.is_dir() else ():
        if one.name != "pubring":
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    if not path.is_dir():
        path.unlink()


class Zypper:
    """zypper, which asks for the mirrorlist each time and not every ten minutes."""

    def __init__(self, root: Path, followed: Followed) -> None:
        self.root, self.cache = root, root / "root/var/cache/zypp"
        (root / "root/etc/zypp/repos.d").mkdir(parents=True)
        (root / "root/etc/zypp/repos.d/t.repo").write_text(f"{_entry(followed)}enabled=1\n")
        (root / "zypp.conf").write_text("[main]\nrepo.refresh.delay = 0\n")
        self.words: list[str | Path] = [
            find("zypper", install="apt-get install zypper"), f"--root={root}/root",
            "--non-interactive", "--gpg-auto-import-keys",
        ]  # fmt: skip
        env = {"no_proxy": "127.0.0.1", "HOME": str(root), "ZYPP_CONF": f"{root}/zypp.conf"}
        self.env = env

    def refresh(self, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(self.cache, ignore_errors=True)
        run([*self.words, "refresh"], env=self.env)

    def download(self) -> None:
        words = ["--no-refresh", "install", "--download-only", "--no-recommends", PACKAGE]
        run([*self.words, *words], env=self.env)
        # It lies beside the cache: a package's place in a snapshot is `../../pool`.
        _require([*self.root.glob("root/var/**/*.rpm")], "zypper install --download-only")

    def end(self) -> None:
        pass


def _entry(followed: Followed) -> str:
    return (
        f"[t]\nname=t\n{followed.yum}\ngpgcheck=1\nrepo_gpgcheck=1\n"
        f"gpgkey={followed.key.as_uri()}\n"
    )


def _require(found: list[Path], what: str) -> None:
    """One package has come; it is removed, so that the next comes too."""
    if len(found) != 1:
        raise ToolFailed(what, f"{len(found)} packages came: {[path.name for path in found]}")
    found[0].unlink()


KINDS: dict[str, type[Apt] | type[Dnf] | type[Zypper]] = {
    "apt": Apt, "dnf": Dnf, "zypper": Zypper,
}  # fmt: skip
