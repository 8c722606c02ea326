"""What a conformance run makes of its reports: nothing is lost, and nothing is green by itself."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
NAMES = ["[sig-a] One should pass [Conformance]", "[sig-a] Two should too [Conformance]"]


@pytest.fixture(autouse=True)
def conformance(acceptance: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import the modules of the conformance run as its script does."""
    monkeypatch.syspath_prepend(str(ROOT / "conformance"))
    yield
    for name in ("conformance", "specs", "pulled", "compiled"):
        sys.modules.pop(name, None)


def report(*specs: tuple[str, str, str]) -> list[dict[str, Any]]:
    """What ginkgo writes of specs: name, state, message."""
    reports = [
        {
            "LeafNodeType": "It", "ContainerHierarchyTexts": name.split()[:2],
            "LeafNodeText": " ".join(name.split()[2:]), "State": state, "RunTime": 1500000000,
            "Failure": {"Message": message},
        }
        for name, state, message in specs
    ]  # fmt: skip
    before = {**reports[0], "LeafNodeType": "SynchronizedBeforeSuite"} if reports else None
    return [{"SpecReports": [*reports, before] if before else None}]


def test_a_test_is_what_its_report_says() -> None:
    from specs import Spec, accounted, reported, verdict

    ran = reported(report((NAMES[0], "passed", ""), (NAMES[1], "skipped", "needs two nodes")))
    assert accounted(NAMES, ran) == [
        Spec(NAMES[0], "passed", seconds=1.5),
        Spec(NAMES[1], "skipped", "needs two nodes", 1.5),
    ]
    assert verdict(accounted(NAMES, ran)) == ""


def test_a_test_that_ran_without_being_listed_counts_too() -> None:
    from specs import accounted, reported

    ran = reported(report((NAMES[0], "passed", ""), (NAMES[1], "failed", "wrong")))
    assert [one.state for one in accounted(NAMES[:1], ran)] == ["passed", "failed"]


@pytest.mark.parametrize("state", ["failed", "panicked", "timedout", "interrupted", "aborted"])
def test_a_test_that_ended_in_another_way_has_failed(state: str) -> None:
    from specs import accounted, reported, verdict

    found = accounted(NAMES[:1], reported(report((NAMES[0], state, ""))))
    assert [(one.state, one.why) for one in found] == [("failed", state)]
    assert verdict(found) == "1 of 1 conformance tests have failed"


def test_what_is_in_no_report_has_failed_unless_it_was_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import specs

    ran = specs.reported(report((NAMES[0], "passed", ""), (NAMES[1], "skipped", "")))
    found = specs.accounted(NAMES, ran)
    assert [one.state for one in found] == ["passed", "failed"]
    monkeypatch.setattr(specs, "LEFT_OUT", {"Two should": "it cannot run here"})
    found = specs.accounted(NAMES, ran)
    assert [one.state for one in found] == ["passed", "left out"]
    assert f"left out  {NAMES[1]}\n{'':9} it cannot run here" in specs.table(found)
    assert specs.verdict(found) == ""


@pytest.mark.parametrize("ran", [report(), report((NAMES[0], "skipped", "needs two nodes"))])
def test_a_run_in_which_nothing_has_passed_is_not_right(
    ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import specs

    monkeypatch.setattr(specs, "LEFT_OUT", {"should": "it cannot run here"})
    found = specs.accounted(NAMES, specs.reported(ran))
    assert specs.verdict(found) == "no conformance test has passed: none has run"
    assert specs.verdict([]) == "no conformance test has passed: none has run"


def test_each_reason_for_leaving_out_is_a_sentence_and_a_pattern() -> None:
    from specs import LEFT_OUT

    for pattern, reason in LEFT_OUT.items():
        re.compile(pattern)
        assert len(reason.split()) > 3, pattern


def test_images_have_the_names_that_tests_ask_for() -> None:
    import pulled

    line = 'configs[{0}] = Config{{list.PromoterE2eRegistry, "{1}", "1.{2}"}}\n'
    made = [one for several in pulled.TARGETS.values() for one in several]
    manifest = "".join(line.format(one, one.lower(), at) for at, one in enumerate(made))
    assert pulled.names(manifest)["Kitten"] == f"e2e-test-images/kitten:1.{made.index('Kitten')}"
    with pytest.raises(ValueError, match="has no Kitten as it had"):
        pulled.names(manifest.replace("Kitten", "Cat"))


def test_each_image_is_a_target_of_the_dockerfile_made_of_what_is_there() -> None:
    import pulled

    text = (ROOT / "conformance" / "Dockerfile").read_text()
    targets = re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE)
    assert sorted(targets) == sorted(pulled.TARGETS)
    copied = " ".join(re.findall(r"^COPY (\w.*) \S+$", text, re.MULTILINE)).split()
    brought = {name.partition("/")[0] for name in pulled.FILES.values()}
    assert sorted(copied) == sorted({*pulled.PROGRAMS, *brought})


@pytest.mark.parametrize(
    ("total", "free", "lacks"),
    [(250, 8, False), (250, 7, True), (1000, 14, True), (1000, 16, False), (20, 6, False)],
)
def test_a_disk_has_room_beside_what_kubelet_keeps_free(total: int, free: int, lacks: bool) -> None:
    from conformance import short_of_room

    said = short_of_room(total * 10**9, 0, free * 10**9)
    assert bool(said) == lacks
    assert not lacks or said.startswith(f"{free}.0 GB free, but a run needs ")
