"""The image of the command: made of what the checkout has, and of nothing that runs left in it."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LEFT_OUT = (ROOT / ".dockerignore").read_text().splitlines()


def test_what_git_leaves_out_below_the_root_is_not_copied_into_the_image() -> None:
    ignored = re.findall(r"^/(\S+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    assert len(ignored) >= 5
    assert set(ignored) <= set(LEFT_OUT)


def test_all_that_a_wheel_is_made_of_is_copied() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], build["project"]["readme"]]
    assert len(needed) > 5
    for path in needed:
        assert path.partition("/")[0] not in LEFT_OUT, path


def test_the_python_of_its_base_is_new_enough() -> None:
    [suite] = re.findall(r"^ARG BASE=debian:(\d+)-slim$", DOCKERFILE, re.MULTILINE)
    python = {"12": (3, 11), "13": (3, 13)}[suite]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert python >= tuple(map(int, wanted.removeprefix(">=").split(".")))


def test_the_docs_build_it_as_ci_does() -> None:
    page = (ROOT / "docs" / "releasing.md").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "docker build --tag kubewright ./kubewright" in page
    assert "docker build --tag kubewright ." in workflow
    for text in (page, workflow):
        assert 'docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD' in text


def test_every_step_of_it_is_a_line_of_shell() -> None:
    for step in re.findall(r"^RUN ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE):
        done = subprocess.run(["sh", "-n"], input=step, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
