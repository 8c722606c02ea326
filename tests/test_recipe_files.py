"""Loading recipes: mistakes are named by file and key, with the near miss."""

from pathlib import Path

import pytest

from kubewright import recipes
from kubewright.errors import RequestError
from kubewright.models.components import Components
from kubewright.models.recipe import Recipe

GOOD = 'name = "kubelet"\nsummary = "Node agent"\ndescription = "Runs pods."\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD + 'sumary = "x"', r"kubelet.toml: sumary: unknown key; did you mean 'summary'\?"),
        (GOOD + "[relations]\ndepend = []", r"kubelet.toml: relations.depend: unknown key; did you mean 'depends'\?"),
        ('name = "kubelet"', r"kubelet.toml: summary: required, but not there"),
        (GOOD + '[[contents]]\ntarget = "usr/bin/kubelet"', r"contents\[0\].target: string should match pattern"),
        (
            GOOD + '[[contents]]\ntarget = "/usr/bin/x"\nmode = 493',
            r"contents\[0\].mode: input should be a valid string",
        ),
        (GOOD + "revision = 1.5", r"revision: input should be a valid integer"),
        ("name = ", r"kubelet.toml: not TOML: Invalid value"),
    ],
    ids=["misspelt", "misspelt below", "missing", "bad path", "number for a mode", "float", "not TOML"],
)
def test_a_bad_recipe_names_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "kubelet.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=complaint):
        recipes.load(path, Recipe)


def test_a_version_written_as_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "components.toml"
    path.write_text(
        'default_date = "2026-01-01"\n[components.etcd]\nsummary = "s"\nhome = "h"\nlicense = "l"\n'
        "[[components.etcd.known]]\nversion = 3.10\n"
    )
    with pytest.raises(RequestError, match=r"components.etcd.known\[0\].version: input should be a valid string .*3.1"):
        recipes.load(path, Components)


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kubelet.toml"
    path.write_text('nam = "kubelet"\nsummary = 1\n')
    with pytest.raises(RequestError) as caught:
        recipes.load(path, Recipe)
    assert len(str(caught.value).splitlines()) == 4  # nam, name, summary, description


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"nowhere.toml: there is no such file"):
        recipes.load(tmp_path / "nowhere.toml", Recipe)


def test_every_shipped_recipe_loads_under_its_own_name() -> None:
    assert recipes.packages().keys() >= {"kubelet", "kubeadm", "kubectl", "kubernetes-node", "etcd"}
    assert list(recipes.catalog()) == ["1.34", "1.35", "1.36", "1.37"]
    assert "debian-12" in recipes.distributions().distributions
