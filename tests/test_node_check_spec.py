"""A machine is asked what it lacks for another release, by the node spec that a site has of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from node_machines import HEALTHY, SHELLS, build, run, spec

from kubewright.cli.shipped import shipped

PARTS = shipped().packaging / "kubernetes-node" / "check"
MINORS = [one.minor for one in shipped()._node_specs.specs]


def as_json(minor: str) -> dict[str, Any]:
    """The node-spec.json of a release of a minor."""
    found: dict[str, Any] = json.loads(shipped()._node_specs.find(minor).to_bytes())
    return found


def variables(shell: str, path: Path) -> dict[str, str]:
    """What kube-node-check takes from a node spec, each as its words in order."""
    text = "".join((PARTS / f"{part}.sh").read_text() for part in ("head", "look", "json", "spec"))
    words = [shell, *(["sh"] if shell == "busybox" else []), "-c"]
    script = f"json='' fix='' root=''\n{text}\nspec={path}\nread_spec\nset"
    done = subprocess.run([*words, script], capture_output=True, text=True, check=True)
    pairs = [line.partition("=") for line in done.stdout.splitlines() if line.startswith("SPEC_")]
    return {name: " ".join(sorted(value.strip("'\"").split())) for name, _, value in pairs}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("minor", MINORS)
def test_both_forms_ask_the_same(minor: str, shell: str, tmp_path: Path) -> None:
    (tmp_path / "spec.sh").write_text(spec(minor))
    (tmp_path / "spec.json").write_text(json.dumps(as_json(minor), indent=2))
    ours, other = (variables(shell, tmp_path / name) for name in ("spec.sh", "spec.json"))
    named = {"SPEC_KUBERNETES": minor, "SPEC_SANDBOX_IMAGE": ""}
    assert other == ours | named
    assert len(other) > 25


@pytest.mark.parametrize(
    ("minor", "changes", "check"),
    [
        ("1.35", {"etc/kubernetes/kubelet.conf": ""}, None),
        ("1.35", {"usr/bin/mount": None}, "executable-mount"),
        ("1.33", {"proc/sys/net/ipv4/ip_forward": "0\n"}, "net.ipv4.ip_forward"),
    ],
)
def test_a_machine_is_told_what_it_lacks_for_another_release(
    minor: str, changes: dict[str, str | None], check: str | None, tmp_path: Path
) -> None:
    build(tmp_path / "root", {**HEALTHY, **changes})
    (tmp_path / "next.json").write_text(json.dumps(as_json(minor)))
    done = run("sh", "--json", "--root", tmp_path / "root", "--spec", tmp_path / "next.json")
    said = json.loads(done.stdout)
    wrong = [one["id"] for one in said["checks"] if one["result"] == "fail"]
    assert (said["spec"], wrong) == (minor, [check] if check else [])
    assert done.returncode == (1 if check else 0)


def broken() -> dict[str, str]:
    """Node specs that are none, by what is wrong."""
    sound = as_json("1.36")
    text = json.dumps(sound)
    found = {
        "cut short": text[: len(text) // 2],
        "not an object": "[]",
        "another document": '{"release": "v1.36.4-1"}',
        "a command": text.replace('"minor": "1.36"', '"minor": "$(touch made)"'),
        "a command in a word": text.replace('"overlay"', '"overlay; touch made"'),
        "a level that is none": text.replace('"v1": "error"', '"v1": "fatal"'),
        "a port that is none": text.replace("10250", '"kubelet"'),
    }
    for key in sorted(sound.keys() - {"evidence"}):
        found[f"without {key}"] = json.dumps({one: sound[one] for one in sound if one != key})
    return found


@pytest.mark.parametrize(("what", "text"), broken().items())
def test_another_document_is_refused_and_nothing_of_it_is_run(
    what: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert text != json.dumps(as_json("1.36")), what
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(text)
    for shell in SHELLS:
        done = run(shell, "--spec", "spec.json")
        assert (done.returncode, done.stdout) == (2, "")
        assert "spec.json: " in done.stderr
        assert not Path("made").exists()
