"""catalog check: statements that contradict each other are found and named by file and key."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kubewright.cli import kubewright
from kubewright.cli.shipped import shipped
from kubewright.errors import VerificationFailed
from kubewright.models.catalog import MinorFacts
from kubewright.models.relations import Relations
from kubewright.recipes import Recipes
from kubewright.resolution.lint import contradictions

CATALOG = shipped().catalog


def changed(minor: str, change: Mapping[str, Any]) -> dict[str, MinorFacts]:
    """The shipped catalog with dotted keys of one minor set to other values."""
    table = CATALOG[minor].model_dump(mode="json")
    for key, value in change.items():
        *path, last = key.split(".")
        place: Any = table
        for part in path:
            place = place[int(part) if part.isdigit() else part]
        place[int(last) if last.isdigit() else last] = value
    return {**CATALOG, minor: MinorFacts.model_validate(table)}


def said(catalog: Mapping[str, MinorFacts]) -> list[str]:
    return list(
        map(str, contradictions(catalog, shipped().components, shipped().relations, shipped().skew))
    )


def line(text: str) -> dict[str, str]:
    return {"range": text, "source": "CDR"}


@pytest.mark.parametrize(
    ("minor", "change", "complaint"),
    [
        (
            "1.34",
            {"components.etcd.external.0.range": ">=3.6.5"},
            "components.etcd.external[0]: >=3.6.5 leaves out 3.6.0, which Kubernetes "
            "1.34.0-alpha.1 itself deploys",
        ),
        (
            "1.34",
            {"components.cni-plugins.bounds.0.range": ">=1.8.0"},
            "components.cni-plugins.bounds[0]: >=1.8.0 leaves out 1.7.1, which Kubernetes 1.34.0 "
            "itself deploys",
        ),
        (
            "1.34",
            {"end_of_life": "2025-08-01"},
            "end_of_life: 2025-08-01 is not after the release (2025-08-27)",
        ),
        (
            "1.34",
            {"released": "2025-01-01"},
            "released: 2025-01-01 is not after 1.33 (2025-04-23); correct one",
        ),
        (
            "1.34",
            {"patches.0.date": "2025-08-26"},
            "patches[0].date: 1.34.0 is older than 1.34 (2025-08-27); correct",
        ),
        (
            "1.34",
            {"patches.3.date": "2025-09-01"},
            "patches[3].date: 1.34.3 is older than the patch before it",
        ),
        (
            "1.34",
            {"patches.3.skipped": True},
            "patches[3].date: 1.34.3 was skipped, so it has no date; remove one",
        ),
        (
            "1.34",
            {"patches": [{"version": "1.34.0", "skipped": True, "source": "TAG"}]},
            "patches: every patch is to be avoided, so no upgrade leads through 1.34; add a patch",
        ),
        (
            "1.34",
            {"components.containerd.lines.0": line(">=2.1.99,<2.2.0")},
            "components.containerd.lines[0]: no known version is in >=2.1.99,<2.2.0; add one to "
            "recipes/",
        ),
        (
            "1.34",
            {"components.containerd.lines.1": line(">=2.0.6,<2.1.4")},
            "components.containerd.lines[1]: >=2.0.6,<2.1.4 overlaps lines[0] (>=2.1.3,<2.2.0); "
            "correct one of them",
        ),
        (
            "1.34",
            {"components.containerd.lines.0": line(">=2.1.3")},
            "components.containerd.lines[0]: >=2.1.3 is open; name both ends, like >=2.2.0,<2.3.0",
        ),
        (
            "1.34",
            {"components.containerd.bounds": [line(">=2.0.0")]},
            "components.containerd.lines[2]: nothing in >=1.7.28,<1.8.0 is in the bound >=2.0.0; "
            "correct one of them",
        ),
        (
            "1.34",
            {"components.pause.exact.1.value": "3.11"},
            "components.pause.exact[1]: 3.11 is not known; add it to components.pause.known in "
            "recipes/components.toml",
        ),
        (
            "1.34",
            {"patches.3.version": "1.34.99"},
            "patches: 1.34.3 is missing; list it, with `skipped` if upstream",
        ),
        (
            "1.34",
            {"patches.3.skipped": True, "patches.3.date": None, "patches.3.avoid": "it loses data"},
            "patches[3].avoid: 1.34.3 was skipped, so nobody can ask for it; remove one of them",
        ),
        (
            "1.34",
            {"components.etcd.external": [line(">=3.6.0"), line("<3.5.30")]},
            "components.etcd.external[1]: <3.5.30 and external[0] (>=3.6.0) both hold at "
            "1.34.0-alpha.1, and no known",
        ),
        (
            "1.24",
            {"patches.17.note": ""},
            "patches[17].date: 1.24.17 (2023-08-23) came after the end of life (2023-07",
        ),
        (
            "1.34",
            {"end_of_life": "2026-05-01"},
            "end_of_life: 2026-05-01 is less than 14 months after the release",
        ),
        (
            "1.34",
            {"components.etcd.exact": [{"value": "3.5.16", "source": "MK"}]},
            "components.etcd.exact: 1.34.0 deploys 3.5.16, but 1.33.0 3.5.21 already; correct one "
            "of them",
        ),
        (
            "1.34",
            {"components.pause.bounds": [line(">=3.99")], "components.pause.exact": []},
            "patches[0]: v1.34.0: no solution: these constraints conflict: "
            "recipes/catalog/1.34.toml",
        ),
        (
            "1.34",
            {"components.coredsn": {}},
            "components.coredsn: recipes/components.toml has no such component; add",
        ),
        (
            "1.34",
            {"dockershim": True},
            "dockershim: is back, but 1.33 says that it is gone; correct one of them",
        ),
        (
            "1.23",
            {"dockershim": False},
            "components.docker.lines: validated without dockershim; state bounds",
        ),
        (
            "1.23",
            {"components.docker.patterns.4.verdict": "warning"},
            "components.docker.lines[0]: 20.10.24 is in it, but the patterns say warning; correct "
            "the line or",
        ),
    ],
    ids=[
        "least external above the default",
        "bound above the default",
        "end before the release",
        "minors out of order",
        "patch before its minor",
        "patches out of order",
        "a skipped patch with a day",
        "no edge but to a skipped patch",
        "line without a version",
        "overlap",
        "open line",
        "line outside a bound",
        "unknown value",
        "a patch left out",
        "skipped and to avoid",
        "bounds that exclude each other",
        "a patch after the end",
        "an end before the policy's",
        "etcd goes back",
        "a patch without a choice",
        "unknown component",
        "dockershim back",
        "docker's list without dockershim",
        "line against pattern",
    ],
)
def test_a_contradiction_is_named_by_file_and_key(
    minor: str, change: dict[str, Any], complaint: str
) -> None:
    found = said(changed(minor, change))
    assert any(one.startswith(f"recipes/catalog/{minor}.toml: {complaint}") for one in found), found


def test_a_gap_between_minors_is_found() -> None:
    without = {minor: facts for minor, facts in CATALOG.items() if minor != "1.20"}
    gap = (
        "recipes/catalog/1.21.toml: minor: 1.21 follows 1.19; state 1.20 too, in a file of its own"
    )
    assert said(without) == [gap]


@pytest.mark.parametrize("written", [">=2.1.3, <2.2.0", "<2.2.0,>=2.1.3", "=2.1"])
def test_a_line_has_two_ends_however_they_are_written(written: str) -> None:
    assert said(changed("1.34", {"components.containerd.lines.0.range": written})) == []


def test_lines_that_follow_each_other_in_time_do_not_overlap() -> None:
    early, late = (
        {**line(">=2.1.3,<2.2.0"), "until": "1.34.3"},
        {**line(">=2.1.5,<2.2.0"), "since": "1.34.3"},
    )
    assert said(changed("1.34", {"components.containerd.lines": [early, late]})) == []
    late["since"] = "1.34.2"
    assert "overlaps" in said(changed("1.34", {"components.containerd.lines": [early, late]}))[0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"component": "dokcer"},
            "relations[0].when: recipes/components.toml has no 'dokcer'; add it there",
        ),
        (
            {"component": "kubernetes", "range": ">=99"},
            "relations[0].when: no minor of the catalog is in >=99; correct",
        ),
        (
            {"range": ">=99"},
            "relations[0].when: no known docker is in >=99; add one to recipes/components.toml",
        ),
    ],
)
def test_a_relation_that_names_what_is_not_known_is_found(
    change: dict[str, str], complaint: str
) -> None:
    stated = shipped().relations
    first = stated.relations[0]
    wrong = first.model_copy(update={"when": first.when.model_copy(update=change)})
    relations = Relations(relations=(wrong,), sources=stated.sources)
    found = [
        str(one) for one in contradictions(CATALOG, shipped().components, relations, shipped().skew)
    ]
    assert len(found) == 1
    assert found[0].startswith(f"recipes/relations.toml: {complaint}")


def test_check_says_in_one_line_what_it_has_checked() -> None:
    result = CliRunner().invoke(kubewright, ["catalog", "check"])
    assert result.exit_code == 0
    minors = len(list((shipped().folder / "catalog").glob("*.toml")))
    assert minors >= 32
    assert result.stdout.startswith(f"no contradictions in {minors} minors, ")
    assert len(result.stdout.splitlines()) == 1


def test_check_fails_with_every_contradiction(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(shipped().folder, tmp_path / "recipes")
    path = tmp_path / "recipes" / "catalog" / "1.34.toml"
    wrong = path.read_text()
    for key, before, after in (
        ("end_of_life", '"2026-10-27"', '"2025-08-01"'),
        ("dockershim", "false", "true"),
    ):
        assert f"{key} = {before}\n" in wrong
        wrong = wrong.replace(f"{key} = {before}\n", f"{key} = {after}\n")
    path.write_text(wrong)
    monkeypatch.setattr("kubewright.cli.shipped.shipped", lambda: Recipes(tmp_path))
    told = CliRunner().invoke(kubewright, ["catalog", "check"])
    assert isinstance(told.exception, VerificationFailed)
    assert "2 contradictions" in str(told.exception)
    assert len(told.stdout.splitlines()) == 2
    as_json = CliRunner().invoke(kubewright, ["catalog", "check", "--json"])
    assert [one["key"] for one in json.loads(as_json.stdout)["contradictions"]] == [
        "dockershim",
        "end_of_life",
    ]
