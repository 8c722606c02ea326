"""`kube-node-check` and `kubeadm init phase preflight`, in each situation of docs/node-check.md.

tests/acceptance/agreement.py asks the real kubeadm; here is what needs none.
"""

from pathlib import Path

import pytest
from preflight import KERNEL, SITUATIONS, Situation, check_fails, machine

PAGE = Path(__file__).parent.parent / "docs" / "node-check.md"


def row(name: str, situation: Situation) -> str:
    """A situation as the page has it."""
    shown = name.replace(f"/{KERNEL}/", "/R/").replace(f"-{KERNEL}", "-R")
    ours, other = ("fails", "passes") if situation.fails else ("passes", "fails")
    return f"| {shown} | {ours} | {other if situation.reason else ours} | {situation.reason} |"


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_check_says_what_the_page_says(tmp_path: Path, name: str) -> None:
    situation = SITUATIONS[name]
    machine(tmp_path / "root", situation)
    assert check_fails(tmp_path / "root", "1.36") is situation.fails


def test_the_page_lists_every_situation_and_each_reason() -> None:
    text = PAGE.read_text()
    table = text[text.index("| situation |") :].split("\n\n")[0].splitlines()
    assert table[2:] == [row(name, situation) for name, situation in SITUATIONS.items()]
