"""Every kind of file of a site, damaged in every way: `verify` names it, and `repair` heals it."""

import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from copied_sites import tree
from exhaustive import HEALED, WRONG, Outcomes, came_of, how_many, sampled

from kubewright.cli.shipped import shipped
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import channels, verify
from kubewright.stages.repair import repair_site

NOW = 1_790_000_000
URL = "http://127.0.0.1:8080"
PARTS = 16
"""Of the table, of which every second is gone through unless a run is for all of it."""

Change = Callable[[bytes], bytes | None]


@pytest.fixture(scope="session")
def past(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> Settings:
    """Two releases, a rollback and the first again: old and new of everything."""
    home = tmp_path_factory.mktemp("damage")
    more: dict[str, object] = {"url": URL, "allow_development": True, "valid_for": 10}
    build(home, "v1.36.3", now=NOW, **more)
    settings = build(home, "v1.36.4", now=NOW + 60, **more)
    channels.rollback(
        "stable", settings.model_copy(update={"now": NOW + 120}), shipped(), keys, None
    )
    return settings.model_copy(update={"now": NOW + 180, "valid_for": None})


def kind(path: str) -> str:
    """What a path stands for: digests, numbers, versions and names of packages left out."""
    text = re.sub(r"[0-9a-f]{64}|[0-9A-F]{40}|\b[0-9a-f]{16}\b", "HASH", path)
    text = re.sub(r"\b(amd64|arm64|x86_64|aarch64)\b", "ARCH", text)
    text = re.sub(r"\b(stable|latest)(-[0-9.]+)?\b", "CHANNEL", text)
    text = re.sub(r"(apt/pool/main|yum/pool|Packages)/[^ ]*\.(deb|rpm)$", r"\1/*.\2", text)
    text = re.sub(r"images/[a-z-]+@", "images/*@", text)
    return re.sub(r"[0-9]+(\.[0-9]+)*", "N", text)


def age(path: str, newest: dict[str, str]) -> str:
    """Whether it is the newest of its kind or an older one, which nothing current may name."""
    return "" if newest[kind(path)] == path else " (older)"


def samples(site: Path) -> dict[str, str]:
    """One path of each kind, and of kinds with several the first and the last of the list."""
    paths = sorted(
        path.relative_to(site).as_posix()
        for path in site.rglob("*")
        if path.is_file() and ".kubewright" not in path.parts
    )
    newest = {kind(path): path for path in paths}
    return {f"{kind(path)}{age(path, newest)}": path for path in reversed(paths)}


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    return data[:-1]


def deleted(data: bytes) -> None:
    return None


DAMAGES: dict[str, Change] = {"flipped": flipped, "cut": cut, "deleted": deleted}


def damage(path: Path, change: Change) -> None:
    """Damage one name of a file; its other names keep what they have."""
    data = change(path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def named(site: str) -> list[str]:
    """The places that are named as wrong."""
    report = verify.verify(site, [], now=NOW + 1 * DAY)
    return [f"{finding.place}: {finding.problem}" for finding in report.findings]


def test_a_site_that_was_renewed_is_repaired_to_what_it_was(
    past: Settings, keys: Keys, tmp_path: Path
) -> None:
    later = past.model_copy(update={"site": str(tmp_path / "site"), "now": NOW + 8 * DAY})
    shutil.copytree(past.site, later.site)
    assert channels.refresh(later, shipped(), keys).renewed
    sound = tree(Path(later.site))
    suites = [name for name in sound if re.fullmatch("apt/dists/[^/]+/(InRelease|Release.*)", name)]
    assert len(suites) == 9
    for lost in ([], suites[:1], suites):
        for name in lost:
            (Path(later.site) / name).unlink()
        report, changes = repair_site(later, shipped(), keys)
        assert report.findings == ()
        assert tree(Path(later.site)) == sound
        assert sorted(one.path for one in changes) == sorted(lost)


@pytest.mark.parametrize("part", sampled(range(PARTS), every=16))
def test_every_damage_is_named_and_healed(
    past: Settings,
    keys: Keys,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    part: int,
) -> None:
    chosen = samples(Path(past.site))
    assert len(chosen) > 70, sorted(chosen)
    ways = f"{len(chosen)} kinds of file, each {', '.join(DAMAGES)}"
    record_property("covered", f"damage: {ways}, {how_many('one in 16')} of them")
    sound = tree(Path(past.site))
    missed: list[str] = []
    hurt: list[str] = []
    found = Outcomes()
    cases = list(itertools.product(sorted(chosen.values()), DAMAGES))
    for path, how in cases[part::PARTS]:
        site = tmp_path / "site"
        shutil.copytree(past.site, site, copy_function=os.link)
        damage(site / path, DAMAGES[how])
        before = len(missed) + len(hurt)
        if not any(path in line for line in named(str(site))):
            missed.append(f"{how} {path}")
        report, _ = repair_site(past.model_copy(update={"site": str(site)}), shipped(), keys)
        if report.findings or tree(site) != sound:
            differ = [name for name, data in tree(site).items() if sound.get(name) != data]
            lines = [f"{finding.place}: {finding.problem}" for finding in report.findings]
            hurt.append(f"{how} {path}: {lines[:3]} {differ[:3]}")
        found[how, HEALED if len(missed) + len(hurt) == before else WRONG] += 1
        shutil.rmtree(site)
    came_of(record_property, "directory: damage", "verify, repair", found)
    assert (missed, hurt) == ([], [])
