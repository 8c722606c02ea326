"""Loading recipes: mistakes are named by file and key, with the near miss."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import recipes
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.components import Components
from kubewright.models.lock import Release
from kubewright.models.node import NodeSpecs
from kubewright.models.recipe import Recipe
from kubewright.models.relations import Relations
from kubewright.models.skew import Skew
from kubewright.recipes import Recipes

RELEASE = Release(
    name="v1.36.4-1",
    kubernetes="1.36.4",
    revision=1,
    source_date_epoch=0,
    architectures=(),
    components=(),
)
GOOD = 'name = "kubelet"\nsummary = "Node agent"\ndescription = "Runs pods."\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD + 'sumary = "x"', r"kubelet.toml: sumary: unknown key; did you mean 'summary'\?"),
        (
            GOOD + "[relations]\ndepend = []",
            r"kubelet.toml: relations.depend: unknown key; did you mean 'depends'\?",
        ),
        ('name = "kubelet"', r"kubelet.toml: summary: required, but not there"),
        (
            GOOD + '[[contents]]\ntarget = "usr/bin/kubelet"',
            r"contents\[0\].target: does not match",
        ),
        (
            GOOD + '[[contents]]\ntarget = "/usr/bin/x"\nmode = 493',
            r"contents\[0\].mode: must be text",
        ),
        (GOOD + "revision = 1.5", r"revision: must be a whole number"),
        ("name = ", r"kubelet.toml: not TOML: Invalid value"),
    ],
    ids=[
        "misspelt",
        "misspelt below",
        "missing",
        "bad path",
        "number for a mode",
        "float",
        "not TOML",
    ],
)
def test_a_bad_recipe_names_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "kubelet.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=complaint):
        recipes.load(path, Recipe)


def test_a_version_written_as_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "components.toml"
    path.write_text(
        'default_date = "2026-01-01"\n[components.etcd]\nhome = "h"\nlicense = "l"\n'
        "[[components.etcd.known]]\nversion = 3.10\n"
    )
    with pytest.raises(
        RequestError,
        match=r"components.etcd.known\[0\].version: must be text .*3.1",
    ):
        recipes.load(path, Components)


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kubelet.toml"
    path.write_text('nam = "kubelet"\nsummary = 1\n')
    with pytest.raises(RequestError) as caught:
        recipes.load(path, Recipe)
    assert len(str(caught.value).splitlines()) == 4  # nam, name, summary, description


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '"2023-07-28"',
            '"2023-09-31"',
            r"1.24.toml: end_of_life: '2023-09-31' is not a date \(day is .*write it like",
        ),
        (
            '"2023-07-28"',
            '"28 July"',
            r"1.24.toml: end_of_life: '28 July' is not a date .*; write it like 2026-09-30",
        ),
        (
            'until = "1.24.5", source = "KKF24"',
            'until = "1.24.0", source = "KKF24"',
            r"1.24.toml: components.cni-plugins.exact\[0\].until: 1.24.0 is not after 1.24.0, "
            r"where it begins",
        ),
        (
            'until = "1.24.5", source = "KR"',
            'since = "1.24.5", until = "1.24.1", source = "KR"',
            r"1.24.toml: components.cni-plugins.bounds\[0\].until: 1.24.1 is not after 1.24.5, "
            r"where it begins",
        ),
        (
            "[components.docker]\n",
            '[components.docker]\npatterns = [{ match = "1[", verdict = "error", source = "CT" '
            "}]\n",
            r"1.24.toml: components.docker.patterns\[0\].match: '1\[' is not a regular "
            r"expression: ",
        ),
    ],
    ids=["no such day", "no day", "until of a value", "until of a bound", "expression"],
)
def test_a_mistake_in_a_minors_file_is_named(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = (shipped().folder / "catalog" / "1.24.toml").read_text()
    assert old in text
    (tmp_path / "1.24.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(RequestError, match=complaint):
        recipes.minor_facts(tmp_path / "1.24.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere.toml: no such file; make it"):
        recipes.load(tmp_path / "nowhere.toml", Recipe)


def test_recipes_are_read_when_they_are_asked_for_and_once(tmp_path: Path) -> None:
    own = Recipes(tmp_path)
    with pytest.raises(RequestError, match=r"^recipes/skew.toml: no such file; make it"):
        _ = own.skew
    shutil.copytree(shipped().folder, tmp_path / "recipes")
    (tmp_path / "recipes" / "relations.toml").write_text("relation = []\n")
    (tmp_path / "recipes" / "catalog" / "1.6.toml").write_text("nonsense\n")
    assert own.skew == shipped().skew
    assert own.catalog["1.36"] is own.catalog["1.36"]
    assert own.packaged == shipped().packaged, "for that no file of the catalog is read"
    with pytest.raises(RequestError, match=r"^recipes/relations.toml: relations: required"):
        _ = own.relations
    with pytest.raises(RequestError, match=r"^recipes/catalog/1.6.toml: not TOML: "):
        _ = own.catalog["1.6"]
    shutil.rmtree(tmp_path / "recipes")
    assert own.skew is own.skew
    assert own.catalog["1.36"] == shipped().catalog["1.36"]


def test_every_shipped_recipe_loads_under_its_own_name() -> None:
    assert shipped().packages.keys() >= {"kubelet", "kubeadm", "kubectl", "kubernetes-node", "etcd"}
    assert {"1.6", "1.37"} <= shipped().catalog.keys()
    assert shipped().relations.relations
    assert "debian-12" in shipped().distributions.distributions


# ── the catalog ──────────────────────────────────────────────────────────────────────────────

MINOR = """\
minor = "1.36"
released = "2026-04-22"
source = "ED"
dockershim = false
dockershim_source = "ED"
patches = [
  { version = "1.36.0", source = "ED" },
  { version = "1.36.1", skipped = true, source = "ED" },
  { version = "1.36.2", source = "ED" },
]
[components.etcd]
exact = [{ value = "3.6.8", source = "MK" }]
bounds = [{ range = ">=3.5.0", source = "MK" }]
[sources]
ED = "a page"
MK = "a file"
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"3.6.8"', "3.6", r"components.etcd.exact\[0\].value: must be text \(got 3.6\); quote it"),
        ('"2026-04-22"', "2026-04-22", r"released: must be text .*; quote it"),
        (
            "value =",
            "vaule =",
            r"components.etcd.exact\[0\].vaule: unknown key; did you mean 'value'\?",
        ),
        (
            ', source = "MK" }]\nbounds',
            " }]\nbounds",
            r"components.etcd.exact\[0\].source: required, but not there",
        ),
        (
            '">=3.5.0"',
            '"3.5.0+"',
            r"components.etcd.bounds\[0\].range: '3.5.0\+' is not a range; write it like",
        ),
        (
            '"3.6.8", source = "MK"',
            '"3.6.8", source = "KM"',
            r"components.etcd.exact\[0\].source: 'KM' is not",
        ),
        (
            'MK = "a file"',
            'MK = "a file"\nOLD = "a page"',
            r"sources.OLD: nothing uses it; remove it",
        ),
        (
            '"3.6.8"',
            '"3.6.8", since = "1.35.2"',
            r"etcd.exact\[0\].since: 1.35.2 is not a version of 1.36; name one",
        ),
        (
            '"3.6.8"',
            '"3.6.8", since = "1.36.1"',
            r"etcd.exact\[0\].since: 1.36.1 was never released; name the patch",
        ),
        (
            '"3.6.8"',
            '"3.6.8", since = "1.36.9"',
            r"etcd.exact\[0\].since: 1.36.9 is not in patches; add it there",
        ),
        (
            '">=3.5.0"',
            '">=3.5.0", until = "1.37.0"',
            r"etcd.bounds\[0\].until: 1.37.0 is not a version of 1.36",
        ),
        (
            '{ value = "3.6.8", source = "MK" }',
            '{ value = "3.6.7", source = "MK" }, { value = "3.6.8", source = "MK" }',
            r"etcd.exact\[1\]: stated twice \(since the first\); keep one",
        ),
        (
            '{ value = "3.6.8", source = "MK" }',
            '{ value = "3.6.8", since = "1.36.2", source = "MK" }, { value = "3.6.7", source = '
            '"MK" }',
            r"etcd.exact\[1\]: 0 comes after 1.36.2; list them oldest first",
        ),
        (
            '{ range = ">=3.5.0", source = "MK" }',
            '{ range = ">=3.5.0", source = "MK" }, { range = ">=3.5.0", source = "ED" }',
            r"etcd.bounds\[0\]: stated twice \(>=3.5.0, since the first\); keep one",
        ),
        ('"1.36.2"', '"1.36.0"', r"patches\[2\]: stated twice \(1.36.0\); keep one"),
        (
            '"1.36.2"',
            '"1.35.2"',
            r"patches\[2\].version: 1.35.2 is not a patch of 1.36; list it in its own file",
        ),
        ('minor = "1.36"', 'minor = "1.35"', r"minor: is '1.35'; it must match the file's name"),
    ],
    ids=[
        "float",
        "bare date",
        "unknown key",
        "no source",
        "no range",
        "unexplained source",
        "unused source",
        "since of another minor",
        "since of a skipped patch",
        "since of no patch",
        "until of another minor",
        "two for all",
        "out of order",
        "the same bound",
        "the same patch",
        "patch of another minor",
        "other name",
    ],
)
def test_a_catalog_file_with_a_mistake_is_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "1.36.toml"
    assert old in MINOR
    path.write_text(MINOR.replace(old, new, 1))
    with pytest.raises(RequestError, match=rf"1\.36\.toml: (.*\n)*.*{complaint}"):
        recipes.minor_facts(path)


def test_a_catalog_file_may_begin_a_statement_at_a_pre_release(tmp_path: Path) -> None:
    path = tmp_path / "1.36.toml"
    path.write_text(MINOR.replace('"3.6.8"', '"3.6.8", since = "1.36.0-rc.0"'))
    etcd = recipes.minor_facts(path).components["etcd"]
    assert {etcd.in_force(version) for version in ("1.36.0-alpha.1", "1.36.0-rc.1", "1.36.2")} == {
        etcd.exact[0]
    }


@pytest.mark.parametrize(
    ("relation", "complaint"),
    [
        (
            {"source": "OTHER"},
            "relations[0].source: 'OTHER' is not explained; say under [sources] what it stands for",
        ),
        ({}, "relations[1]: stated twice; keep one"),
    ],
    ids=["unexplained", "twice"],
)
def test_a_relation_needs_evidence_and_is_there_once(
    relation: dict[str, str], complaint: str
) -> None:
    stated = shipped().relations
    first = stated.relations[0]
    changed = Relations(
        relations=(first.model_copy(update=relation), first), sources=stated.sources
    )
    assert complaint in [f"{key}: {problem}" for key, problem in changed.mistakes()]


EVIDENCED: dict[str, Callable[[Path], object]] = {
    "node-spec.toml": lambda path: recipes.evidenced(path, NodeSpecs),
    "skew.toml": lambda path: recipes.evidenced(path, Skew),
}


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        (
            "node-spec.toml",
            'sysctls = { source = "KK" }',
            'sysctls = { source = "KX" }',
            "specs[0].evidence.sysctls.source: 'KX' is not explained; say under [sources] what it "
            "stands for",
        ),
        (
            "node-spec.toml",
            'containerd_minimum = { source = "CRI" }',
            'containerd_minimum = { source = "CX" }',
            "specs[5].evidence.containerd_minimum.source: 'CX' is not explained",
        ),
        (
            "node-spec.toml",
            'sysctls = { source = "KK" }\n',
            "",
            "specs[0].evidence.sysctls: required, but not there",
        ),
        (
            "node-spec.toml",
            'containerd_minimum = { source = "CRI" }',
            'containerd = { source = "CRI" }',
            "specs[5].evidence.containerd: not a part of a specification; known: cgroups, "
            "containerd_lines, containerd_minimum, docker",
        ),
        (
            "node-spec.toml",
            "[sources]\n",
            '[sources]\nDOC = "a page"\n',
            "sources.DOC: nothing uses it; remove it",
        ),
        (
            "skew.toml",
            'older = 1, source = "KADM"',
            'older = 1, source = "KUBEADM"',
            "distances[11].source: 'KUBEADM' is not explained; say under [sources] what it stands "
            "for",
        ),
        (
            "skew.toml",
            'minors = 1\nsource = "VSP"',
            'minors = 1\nsource = "V"',
            "upgrade.source: 'V' is not explained",
        ),
        (
            "skew.toml",
            'months = 9\nsource = "VSP"',
            'months = 9\nsource = "V"',
            "support[0].source: 'V' is not",
        ),
    ],
    ids=[
        "first spec",
        "later spec",
        "no evidence",
        "of no part",
        "unused",
        "distance",
        "upgrade",
        "support",
    ],
)
def test_a_value_without_evidence_is_refused_by_file_and_key(
    tmp_path: Path, name: str, old: str, new: str, complaint: str
) -> None:
    text = (shipped().folder / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(RequestError) as refused:
        EVIDENCED[name](tmp_path / name)
    assert f"{name}: {complaint}" in str(refused.value)


def test_a_node_specification_says_what_its_evidence_stands_for() -> None:
    evidence = shipped().node_spec(RELEASE).evidence
    assert evidence["kernel"].cited == "kubernetes/system-validators at the tag named"
    assert all(one.cited for one in evidence.values())


def test_new_evidence_keeps_no_note_of_the_old() -> None:
    stated = shipped().node_spec(RELEASE).evidence["containerd_minimum"]
    assert (stated.source, stated.note) == ("CRI", "")
