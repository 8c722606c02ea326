"""Measures what the project claims of speed and size: `./nox -s bench`; README.md beside this file
says how.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

import pytest
from indexes import apt_index, yum_index
from large import one_more_of_many
from layers import layers
from measure import Result, Row, Skip, as_json, table
from one_container import cluster
from packages import packages
from pipeline import resolving, second_run
from publishing import AGES, publishing
from request_log import requests_of_a_publication

from kubewright.errors import ToolMissing

LONG = {"site", "large", "requests", "packages", "cluster"}
"""Benches that only run when they are named."""


def main() -> int:
    """Run every bench, or those that are named, and print their rows. 1: a goal was missed."""
    parser = argparse.ArgumentParser(prog="./nox -s bench --", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        metavar="BENCH",
        help="resolve, apt, yum, release, layers, packages, requests, site, large, cluster; without"
        " one the first five, for the others take minutes",
    )
    parser.add_argument(
        "--binary",
        type=Path,
        help="a program to make the image or the packages of, such as a real hyperkube",
    )
    parser.add_argument(
        "--archive", type=Path, help="of a release's images, for the bench of a cluster"
    )
    parser.add_argument(
        "--releases", type=int, default=AGES[-1], help="of the largest site, for the bench of one"
    )
    parser.add_argument(
        "--once", action="store_true", help="a site: each verb once and no peers, for counts alone"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    benches: dict[str, Callable[[Path], Iterator[Result]]] = {
        "resolve": lambda _: resolving(),
        "apt": apt_index,
        "yum": yum_index,
        "release": second_run,
        "layers": lambda work: layers(options.binary, work),
        "packages": lambda work: packages(options.binary, work),
        "requests": requests_of_a_publication,
        "large": one_more_of_many,
        "site": lambda work: publishing(work, options.releases, once=options.once),
        "cluster": lambda _: cluster(options.archive),
    }
    if options.releases < 2:
        parser.error("--releases: at least 2, so that there are two ages to compare")
    if unknown := set(options.only) - benches.keys():
        parser.error(f"there is no bench {', '.join(sorted(unknown))}, only {', '.join(benches)}")
    logging.disable(logging.WARNING)  # what a release says of itself is not asked for here
    results: list[Result] = []
    for name in options.only or [name for name in benches if name not in LONG]:
        print(f"measuring {name} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="kubewright-bench-") as work:
            results += measured(name, benches[name], Path(work))
    print(
        json.dumps([as_json(one) for one in results], indent=2) if options.json else table(results)
    )
    return int(any(isinstance(one, Row) and one.verdict == "MISS" for one in results))


def measured(name: str, bench: Callable[[Path], Iterator[Result]], work: Path) -> list[Result]:
    """The rows of one bench; a program that is missing skips it and says so."""
    try:
        return list(bench(work))
    except (ToolMissing, pytest.skip.Exception) as error:  # the second: Go, which compiles a store
        return [Skip(name, str(error))]


if __name__ == "__main__":
    sys.exit(main())
