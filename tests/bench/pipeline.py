"""The pipeline around the bytes: resolving a request, and a release that is done already."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from measure import Result, Row, fastest

from kubewright import content, resolution, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Arch
from kubewright.models.lock import Component
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.stages import release
from kubewright.stages import resolve as stage
from kubewright.stages.keys import keys as keys_of
from kubewright.stages.sample import sample

NOW = 1_790_000_000
BUDGET = 0.05
"""Seconds of processor time that one request may take, its recipes read from their files."""

BUDGET_OF_ALL = 5.0
"""Seconds of processor time that all the versions which kubeadm's images are known of may take."""

REQUESTS = ("stable", "latest", "v1.30.0", "1.23", "1.6", "<1.10", ">=1.20,<1.30")
"""The slowest of them counts."""

LONG_WAYS = (("stable", "etcd=3.0.17"), ("1.36.4", "etcd=3.5.24"), ("1.36.4", "etcd=3.0.17"))
"""Requests with a wish that many minors are read for: the first ends at 1.8, the others in
refusals.
"""

IMAGES = Path(__file__).parent.parent / "golden" / "kubeadm-images.json"


def resolving() -> Iterator[Result]:
    """The slowest of some requests, and every known version in one run; processor time after
    imports.
    """
    seconds = fastest(
        {request: partial(resolve, request) for request in REQUESTS}, time.process_time
    )
    slowest = max(seconds, key=lambda request: seconds[request])
    against = "a budget of 50 ms of processor time"
    yield Row(f"resolve {slowest}, recipes read", seconds[slowest], BUDGET, against, goal=1)
    for request, wish in LONG_WAYS:
        long = fastest({"ours": partial(resolve, request, wish)}, time.process_time)["ours"]
        yield Row(f"resolve {request} --with {wish}", long, BUDGET, against, goal=1)
    known = sorted(version.removeprefix("v") for version in json.loads(IMAGES.read_bytes()))
    wanted = [version for version in known if versions.minor(version) in shipped().catalog]
    every = fastest({"ours": lambda: choose(wanted)}, time.process_time)["ours"]
    yield Row(
        f"resolve {len(wanted)} versions",
        every,
        BUDGET_OF_ALL,
        "a budget of 5 s of processor time",
        goal=1,
    )


def resolve(request: str, *wanted: str) -> resolution.Solution | None:
    """What a request gives, nothing read before; None for a refusal."""
    recipes = Recipes(content.root())
    asked = resolution.read_options(recipes.components, recipes.distributions, wanted=wanted)
    settings = Settings(cache=Path(), now=NOW, offline=True, asked=asked)
    try:
        return stage.solution(request, settings, recipes, None)
    except RequestError:
        return None


def choose(wanted: list[str]) -> list[tuple[Component, ...]]:
    """Every component of every one of these versions, nothing read before."""
    recipes = Recipes(content.root())
    catalog, components, relations = recipes.catalog, recipes.components, recipes.relations
    return [resolution.choose(version, catalog, components, relations) for version in wanted]


def second_run(work: Path) -> Iterator[Result]:
    """A release of the sample mirror when there is nothing to do, against one SHA-256 of all that
    it made.
    """
    os.environ["KUBEWRIGHT_DATA"] = str(work / "data")  # development keys of its own
    sample(work / "mirror", shipped())
    settings = Settings(
        upstream=str(work / "mirror"),
        dist=work / "dist",
        cache=work / "cache",
        site=str(work / "site"),
        now=NOW,
        architectures=(Arch.amd64,),
    )
    keys = keys_of(settings)
    release.release("v1.36.4", settings, shipped(), keys)
    made = [
        path for folder in ("dist", "site") for path in (work / folder).rglob("*") if path.is_file()
    ]
    seconds = fastest({
        "ours": lambda: release.release("v1.36.4", settings, shipped(), keys),
        "floor": lambda: [hashlib.sha256(path.read_bytes()) for path in made],
    })  # fmt: skip
    floor = (
        f"SHA-256 of the {len(made)} files "
        f"({sum(path.stat().st_size for path in made) / 1e6:.0f} MB) that it made"
    )
    yield Row("release, nothing to do", seconds["ours"], seconds["floor"], floor)
