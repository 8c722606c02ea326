"""The parity gate: what differs between hyperkube's programs and the separate ones, and who has
accepted it.
"""

from pathlib import Path

import pytest

from kubewright.cli.shipped import shipped
from kubewright.gobuild.parity import Parity, compare, differences
from kubewright.models.parity import Accepted, Accepting

SEPARATE = "#!/bin/sh\necho usage of $0\necho flags: $*\n"


def program(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "kubelet"
    path.write_text(text)
    path.chmod(0o755)
    return path


def parity(tmp_path: Path, ours: str, *accepted: Accepted) -> Parity:
    return compare(
        "1.36.2",
        program(tmp_path / "ours", ours),
        {"kubelet": program(tmp_path / "theirs", SEPARATE)},
        Accepting(accepted=accepted),
    )


def leak(**changes: object) -> Accepted:
    plain = Accepted(program="kubelet", asked="--help", lines=("+leaked",), reason="because")
    return plain.model_copy(update=changes)


def test_the_same_answers_hold(tmp_path: Path) -> None:
    report = parity(tmp_path, SEPARATE)
    assert report.holds
    assert [(answer.asked, answer.lines, answer.same) for answer in report.answers] == [
        ("--help", 3, True), ("--version", 3, True),
    ]  # fmt: skip


def test_a_difference_that_nobody_accepted_is_refused(tmp_path: Path) -> None:
    report = parity(tmp_path, SEPARATE + "echo leaked\n")
    assert not report.holds
    assert [answer.refused for answer in report.answers] == [("+leaked",), ("+leaked",)]


def test_an_exit_code_is_part_of_the_answer(tmp_path: Path) -> None:
    report = parity(tmp_path, SEPARATE + "exit 3\n")
    assert report.answers[0].refused == ("-exit code 0", "+exit code 3")


def test_an_accepted_difference_holds_for_its_question_only(tmp_path: Path) -> None:
    leaking = SEPARATE + '[ "$1" != --help ] || echo leaked\n'
    report = parity(tmp_path, leaking, leak())
    assert report.holds
    assert report.answers[0].accepted == ("+leaked",)
    assert not parity(tmp_path, leaking, leak(asked="--version")).holds
    assert not parity(tmp_path, leaking, leak(minors=("1.35",))).holds
    assert parity(tmp_path, leaking, leak(minors=("1.36",))).holds


def test_an_accepted_difference_that_is_gone_is_said(tmp_path: Path) -> None:
    report = parity(tmp_path, SEPARATE, leak())
    assert not report.holds
    assert report.unused == ("kubelet --help: +leaked",)


@pytest.mark.parametrize(
    ("theirs", "ours", "lines"),
    [
        ("a\nb\n", "a\nb\n", []),
        ("a\nb\n", "a\n", ["-b"]),
        ("--a\n", "++b\n", ["---a", "+++b"]),
        ("same\n", "same\n@@ x\n", ["+@@ x"]),
    ],
    ids=["none", "one", "like a header", "like a place"],
)
def test_differences_are_the_lines_of_a_diff(theirs: str, ours: str, lines: list[str]) -> None:
    assert differences(theirs, ours) == lines


def test_the_accepted_differences_have_reasons() -> None:
    accepting = shipped().parity
    assert all(one.reason and one.lines for one in accepting.accepted)
