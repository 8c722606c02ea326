"""The pipeline around the bytes: resolving a request, and a release that is done already."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Result, Row, fastest

from kubewright import mirror, recipes, resolution
from kubewright.models.base import Arch
from kubewright.models.lock import Component
from kubewright.settings import Settings
from kubewright.signing.keys import artifact_key, repo_key
from kubewright.stages import release
from kubewright.stages.sign import Keys

NOW = 1_790_000_000
BUDGET = 0.05
"""Seconds of processor time that one request may take."""


def resolving() -> Iterator[Result]:
    """One request, the whole catalog read from its files, in processor time after imports."""
    seconds = fastest({"ours": choose}, time.process_time)
    yield Row("resolve, catalog read", seconds["ours"], BUDGET, "a budget of 50 ms of processor time", goal=1)


def choose() -> tuple[Component, ...]:
    """Every component of the newest stable release."""
    recipes.catalog.cache_clear()
    recipes.components.cache_clear()
    version, _ = resolution.resolve_request("stable", recipes.catalog(), None)
    return resolution.choose(version, recipes.catalog(), recipes.components())


def second_run(work: Path) -> Iterator[Result]:
    """A release of the sample mirror when there is nothing to do, against one SHA-256 of all that it made."""
    os.environ["KUBEWRIGHT_DATA"] = str(work / "data")  # development keys of its own
    mirror.sample(work / "mirror", recipes.components(), mirror.KUBERNETES, epoch=mirror.EPOCH)
    settings = Settings(
        upstream=str(work / "mirror"), dist=work / "dist", cache=work / "cache", site=str(work / "site"), now=NOW,
        architectures=(Arch.amd64,),
    )  # fmt: skip
    keys = Keys(repo=repo_key(None, now=NOW), artifact=artifact_key(None))
    release.release("v1.36.4", settings, keys)
    made = [path for folder in ("dist", "site") for path in (work / folder).rglob("*") if path.is_file()]
    seconds = fastest({
        "ours": lambda: release.release("v1.36.4", settings, keys),
        "floor": lambda: [hashlib.sha256(path.read_bytes()) for path in made],
    })  # fmt: skip
    floor = f"SHA-256 of the {len(made)} files ({sum(path.stat().st_size for path in made) / 1e6:.0f} MB) that it made"
    yield Row("release, nothing to do", seconds["ours"], seconds["floor"], floor)
