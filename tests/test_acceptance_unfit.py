"""What an acceptance run provokes of a cluster's checks: all that it can."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubewright.cli.shipped import shipped

pytestmark = pytest.mark.usefixtures("acceptance")

CHECKS = re.compile(r'^\t\{"([a-z-]+)", func', re.MULTILINE)


def test_each_check_is_provoked_or_is_of_the_machine(tmp_path: Path) -> None:
    from unfit import ELSEWHERE, cases

    source = shipped().images / "hyperkube" / "cluster" / "checks.go"
    known = CHECKS.findall(source.read_text())
    inspected = json.dumps([{"GraphDriver": {"Data": {"MergedDir": "/merged"}}}])
    engine = SimpleNamespace(temporary=tmp_path, docker=["docker"], run=lambda _: inspected)
    lab = SimpleNamespace(engine=engine, network=SimpleNamespace(subnet="10.213.0.0/24"))
    made = list(cases(lab, "single", ["--cap-add=ALL"]))  # type: ignore[arg-type]
    provoked = {check for case in made for check in case.checks}
    assert len(known) > 10
    assert provoked | {*ELSEWHERE} == {*known}
    assert not provoked & {*ELSEWHERE}


def test_each_check_has_a_line_in_the_page() -> None:
    page = (Path(__file__).parent.parent / "docs" / "cluster.md").read_text()
    table = page.partition("## When it refuses")[2].partition("\n\nThe command")[0]
    source = shipped().images / "hyperkube" / "cluster" / "checks.go"
    for check in CHECKS.findall(source.read_text()):
        assert f"`{check}`" in table, check
