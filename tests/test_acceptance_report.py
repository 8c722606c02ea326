"""The report of an acceptance run, and whether a deliberate fault counts as named."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("acceptance")


SEEN = "\n".join(["one", "two", "fail  cri: disabled", "      do: this", *"3456789", "exit code 1"])


def test_a_fault_that_is_named_is_shown_with_the_lines_around_it(tmp_path: Path) -> None:
    from notice import notice
    from report import Report

    report = Report("Faults", {"Kubernetes": "1.36.2"})
    report.chapter("CRI")
    with report.step("kube-node-check"):
        notice("kube-node-check", SEEN, ["cri: disabled", "exit code 1"], "read <this>")
    assert report.result == "passed"
    [step] = report.steps
    assert step.result == "noticed"
    assert step.shown["what one sees"] == (
        "kube-node-check\n\n…\ntwo\nfail  cri: disabled\n      do: this\n"
        "3\n4\n5\n6\n…\n9\nexit code 1\n\n"
        "What to do: read <this>."
    )
    report.write(tmp_path)
    read = json.loads((tmp_path / "report.json").read_text())
    assert (read["result"], read["chapters"][0]["steps"][0]["result"]) == ("passed", "noticed")
    page = (tmp_path / "report.html").read_text()
    assert "read &lt;this&gt;" in page
    assert "Kubernetes</dt><dd>1.36.2" in page
    assert "found" in (tmp_path / "report.txt").read_text()


def test_a_fault_that_nothing_names_fails_the_run() -> None:
    from notice import Unnoticed, notice
    from report import Report

    report = Report("Faults")
    report.chapter("CRI")
    with (
        pytest.raises(Unnoticed, match="'cri: disabled' is not in what one sees"),
        report.step("kube-node-check"),
    ):
        notice("kube-node-check", "ok    cri: enabled\nexit code 0", ["cri: disabled"])
    assert report.result == "failed"
    assert "cri: enabled" in report.steps[0].shown["why it failed"]


def test_a_run_that_was_interrupted_says_so_and_keeps_the_times() -> None:
    from report import Report

    report = Report("Run")
    report.chapter("One")
    with report.step("first"):
        report.show("what", "text")
    with pytest.raises(KeyboardInterrupt), report.step("second"):
        raise KeyboardInterrupt
    assert [step.result for step in report.steps] == ["passed", "interrupted"]
    assert report.result == "interrupted"
    assert "STOP" in report.words()
