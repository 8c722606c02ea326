"""Tests that a distribution's own checks find nothing in packages but what is meant to be so."""

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.run import run
from kubewright.settings import Settings

Tool = Callable[[str], Path]
LINT = Path(__file__).parent / "lint"

SUPPRESSED = (
    # Debian's archive takes no zstd, dpkg does: docs/packages.md.
    "malformed-deb-archive",
    # Nodes run systemd; lintian 2.117 no longer asks for scripts of other init systems.
    "package-supports-alternative-init-but-no-init.d-script",
)


def packages(released: Settings, form: str) -> list[Path]:
    found = sorted((released.dist / "v1.36.4-1" / "packages" / form).glob(f"*.{form}"))
    assert len(found) > 15
    return found


@pytest.fixture
def lintian(tool: Tool) -> Callable[..., list[str]]:
    """What lintian says of debs, a finding a line, hints about unused overrides included."""
    program = tool("lintian")

    def look(*words: str | Path) -> list[str]:
        options = ["--allow-root", "--no-cfg", "--tag-display-limit=0", "-EvIL", "+pedantic"]
        options.append(f"--suppress-tags={','.join(SUPPRESSED)}")
        done = run([program, *options, *words], codes=(0, 2))
        return [line for line in done.stdout.splitlines() if not line.startswith("N:")]

    return look


def test_lintian_finds_nothing_in_debs(
    released: Settings, lintian: Callable[..., list[str]]
) -> None:
    assert lintian(*packages(released, "deb")) == []


def test_every_override_stands_for_something_that_lintian_finds(
    released: Settings, lintian: Callable[..., list[str]], tmp_path: Path
) -> None:
    [deb] = [path for path in packages(released, "deb") if path.name.startswith("kubelet_")]
    run(["dpkg-deb", "--extract", deb, tmp_path])
    lines = (tmp_path / "usr/share/lintian/overrides/kubelet").read_text().splitlines()
    reasons, overrides = lines[::2], lines[1::2]
    assert all(reason.startswith("# ") and reason.endswith(".") for reason in reasons)
    found = {line.split()[2] for line in lintian("--no-override", deb)}
    assert found == {override.split()[0] for override in overrides}


def findings(rpms: list[Path], program: Path, rules: Path) -> tuple[list[str], str]:
    """What rpmlint says of rpms, a finding a line, and its last line."""
    done = run(
        [program, "--config", LINT / "rpmlint.toml", "--rpmlintrc", rules, *rpms],
        codes=(0, 64, 66),
    )
    lines = done.stdout.strip().splitlines()
    return [line for line in lines if re.search(r": [EWI]: ", line)], lines[-1]


def test_rpmlint_finds_nothing_in_rpms(released: Settings, tool: Tool) -> None:
    rpms = packages(released, "rpm")
    found, end = findings(rpms, tool("rpmlint"), LINT / "rpmlintrc")
    assert found == []
    assert f"{len(rpms)} packages and 0 specfiles checked; 0 errors, 0 warnings" in end


def test_every_rule_for_rpmlint_has_a_reason_and_is_needed(
    released: Settings, tool: Tool, tmp_path: Path
) -> None:
    lines = (LINT / "rpmlintrc").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        assert not line.startswith("addFilter") or before.startswith(("# ", "addFilter"))
    rules = [re.compile(line[11:-2]) for line in lines if line.startswith("addFilter")]
    (tmp_path / "none").write_text("")
    found, _ = findings(packages(released, "rpm"), tool("rpmlint"), tmp_path / "none")
    for rule in rules:
        assert any(rule.search(line) for line in found), f"nothing needs {rule.pattern}"


def test_the_manual_page_is_whole_and_names_every_option(
    released: Settings, tool: Tool, tmp_path: Path
) -> None:
    [deb] = [path for path in packages(released, "deb") if path.name.startswith("kubernetes-node_")]
    run(["dpkg-deb", "--extract", deb, tmp_path])
    page = tmp_path / "usr/share/man/man8/kube-node-check.8.gz"
    text = run([tool("zcat"), page]).stdout.replace("\\-", "-")
    usage = run(["sh", tmp_path / "usr/bin/kube-node-check", "--help"]).stdout
    options = set(re.findall(r"--[a-z]+", usage))
    assert len(options) > 5
    assert options <= set(re.findall(r"--[a-z]+", text))
    if shutil.which("man"):  # lintian has asked it already, where there is one
        shown = run(["man", "--warnings", "--local-file", page], env={"MANPAGER": "cat"})
        assert "kube-node-check" in shown.stdout
        assert shown.stderr == ""
