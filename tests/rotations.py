"""A site that goes from one repository key to the next, and all that it was on the way."""

import shutil
from dataclasses import replace
from enum import StrEnum
from os import utime
from pathlib import Path
from typing import NamedTuple

from kubewright.cli.shipped import shipped
from kubewright.settings import Settings
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import Keys, RepoKey
from kubewright.stages import release
from kubewright.stages.rotation import Step, rotate


class Pair(NamedTuple):
    """Two repository keys of one publisher."""

    old: RepoKey
    new: RepoKey


def made_pair(folder: Path, *, now: int) -> Pair:
    """Two keys, in a folder each."""
    keys = []
    for name in ("old", "new"):
        paths = initialise(folder / name, f"{name} <k@example.org>", now=now, expires_days=None)
        keys.append(repo_key(f"file:{paths.repo_secret}", now=now))
    return Pair(*keys)


class Site:
    """A site that its owner takes from one key to the next."""

    def __init__(self, home: Settings, pair: Pair, whole: Keys) -> None:
        self.home, self.pair, self.now, self.whole = home, pair, home.now, whole
        shutil.rmtree(home.site)

    @property
    def root(self) -> Path:
        return Path(self.home.site)

    def keys(self, step: Step | None, *, announced: bool = True) -> Keys:
        old, new = self.pair
        if step in (Step.switch, Step.retire):
            return self.signed_by(new, None, old if step is Step.switch else None)
        coming = new if announced else None
        return self.signed_by(old, coming, new if step is Step.overlap else None)

    def signed_by(self, repo: RepoKey, coming: RepoKey | None, second: RepoKey | None) -> Keys:
        return replace(self.whole, repo=repo, coming=coming, second=second)

    def release(self, version: str, keys: Keys) -> None:
        self.now += 60
        settings = self.home.model_copy(update={"now": self.now})
        release.release(version, settings, shipped(), keys)

    def rotate(self, step: Step) -> None:
        self.now += 60
        settings = self.home.model_copy(update={"now": self.now})
        rotate(step, settings, shipped(), self.keys(step))


class State(StrEnum):
    """What a site is before a rotation and after each of its steps."""

    start = "start"
    announce = "announce"
    overlap = "overlap"
    switch = "switch"
    retire = "retire"


RELEASES = {
    State.start: "v1.36.3",
    State.announce: "v1.36.4",
    State.switch: "v1.37.0-rc.1",
}
"""What is released at a step: the packages of the first two are signed by the old key."""


class Rehearsal(NamedTuple):
    """A rotation from its start to its end, on disk: the site as it was after each step."""

    folder: Path

    def site(self, state: State) -> Path:
        return self.folder / "sites" / state

    def ring(self, knows: str, form: str) -> bytes:
        """The certificates that somebody knows, as `gpg` (binary) or `asc` (text)."""
        names = ("old", "new") if knows == "both" else (knows,)
        return b"".join((self.folder / f"{name}.{form}").read_bytes() for name in names)

    def fingerprint(self, name: str) -> str:
        return (self.folder / f"{name}.fingerprint").read_text()

    def show(self, state: State, served: Path) -> None:
        """Let a folder that is served be the site of a state."""
        shutil.rmtree(served, ignore_errors=True)
        shutil.copytree(self.site(state), served)

    @classmethod
    def make(cls, folder: Path, site: Site) -> None:
        """Take a site that is still empty through all steps, and keep what it was in a folder."""
        (folder / "sites").mkdir(parents=True)
        for name, key in zip(("old", "new"), site.pair, strict=True):
            (folder / f"{name}.gpg").write_bytes(key.certificate)
            (folder / f"{name}.asc").write_text(key.armored)
            (folder / f"{name}.fingerprint").write_text(key.fingerprint)
        made, before = cls(folder), None
        for state in State:
            step = None if state is State.start else Step(state)
            if step:
                site.rotate(step)
            if state in RELEASES:
                site.release(RELEASES[state], site.keys(step, announced=step is not None))
            shutil.copytree(site.root, made.site(state))
            date(made.site(state), before, site.now)
            before = made.site(state)


def date(site: Path, before: Path | None, now: int) -> None:
    """Date each file of a site by the publication that wrote it. A server says that time, in whole
    seconds, and steps that follow each other at once could look like one to a client with a cache.
    """
    for path in (path for path in site.rglob("*") if path.is_file()):
        older = before / path.relative_to(site) if before else None
        same = older is not None and older.is_file() and older.read_bytes() == path.read_bytes()
        when = older.stat().st_mtime if older and same else now
        utime(path, (when, when))
