"""The earlier publications of a channel are found by a few steps, however many there are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copied_sites import Watch

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import VerificationFailed
from kubewright.models.site import Channel
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.past import Past, landmarks
from kubewright.stages import channels, verify

NOW = 1_790_000_000


class Reads:
    """Stands where a reader does: it has every record, and counts what is read."""

    def __init__(self, records: list[Channel]) -> None:
        self.there = {files.sha256(one.to_bytes()): one for one in records}
        self.count = 0

    def document(self, model: type[Channel], sha256: str, *paths: str) -> Channel:
        record = self.there[sha256]
        assert paths == (layout.channel_copy(record.channel, record.sequence, sha256),)
        self.count += 1
        return record


def history(count: int, plain: int = 0) -> list[Channel]:
    """So many records, of which the first `plain` are an earlier engine's: they name parents."""
    records: list[Channel] = []
    for number in range(1, count + 1):
        before = records[-1] if records else None
        record = Channel(
            channel="test", sequence=number, issued=number, repo_key="A", releases=(),
            parent=files.sha256(before.to_bytes()) if before else None,
            earlier=landmarks(before) if before and number > plain else (),
        )  # fmt: skip
        records.append(record)
    return records


def past(records: list[Channel], oldest: int = 1) -> tuple[Past, Reads]:
    reads = Reads(records)
    reader: Any = reads
    return Past(reader, records[-1], oldest), reads


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 100, 513])
def test_each_publication_is_found_by_few_steps(count: int) -> None:
    records = history(count)
    for wanted in records:
        found, reads = past(records)
        assert found.at(wanted.sequence) == wanted
        assert reads.count <= 2 * count.bit_length()
    assert max(len(one.earlier) for one in records) <= count.bit_length()


@pytest.mark.parametrize("plain", [1, 7, 50, 99])
def test_records_of_an_earlier_engine_are_found_by_their_parents(plain: int) -> None:
    records = history(100, plain)
    for wanted in records:
        found, reads = past(records)
        assert found.at(wanted.sequence) == wanted
        assert reads.count <= 2 * 7 + plain


def test_what_is_forgotten_is_not_asked_for() -> None:
    records = history(40)
    found, _ = past(records[19:], 20)
    assert [one.sequence for one in found.below(40)] == [*range(39, 19, -1)]
    assert [found.at(number) for number in (0, 1, 19, 41)] == [None] * 4
    assert found.at(20) == records[19]
    assert [*found.below(20)] == []
    assert list(found.numbers) == [*range(20, 41)]


def test_a_first_record_keeps_the_bytes_that_it_has_without_older_ones() -> None:
    assert b"earlier" not in history(1)[0].to_bytes()
    assert b"earlier" in history(4)[-1].to_bytes()


def test_a_rollback_asks_for_as_little_after_many_publications_as_after_few(
    build: Callable[..., Settings], keys: Keys, watch: Watch, tmp_path: Path
) -> None:
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        settings = build(tmp_path, version, now=NOW + number, channels=("test",))
    shutil.copytree(settings.site, tmp_path / "few")
    for number in range(60):
        later = settings.model_copy(update={"now": NOW + 10 + number})
        channels.rollback("test", later, shipped(), keys, 1 + number % 2)
    asked = []
    for site in (tmp_path / "few", Path(settings.site)):
        last = settings.model_copy(update={"site": str(site), "now": NOW + 100})
        with watch(lambda number, operation: None) as operations:
            record, _ = channels.rollback("test", last, shipped(), keys, 1)
        assert [one.name for one in record.releases] == ["v1.36.3-1"]
        asked.append(len(operations))
        assert verify.verify(str(site), [], now=NOW + 100).findings == ()
    assert asked[1] <= asked[0] + 2 * 6
    assert asked[0] <= 80


def test_a_record_that_names_another_older_record_is_found_out(
    build: Callable[..., Settings], keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival's of the same number, which was never published."""
    for number, version in enumerate(("v1.36.3", "v1.36.4", "v1.35.9")):
        settings = build(tmp_path, version, now=NOW + number, channels=("test",))

    def other(previous: Channel) -> Any:
        return tuple(one.model_copy(update={"sha256": "0" * 64}) for one in landmarks(previous))

    monkeypatch.setattr("kubewright.site.draft.landmarks", other)
    later = settings.model_copy(update={"now": NOW + 10})
    channels.rollback("test", later, shipped(), keys, None)
    problems = [one.problem for one in verify.verify(settings.site, [], now=NOW + 20).findings]
    assert any("names another record 2 than" in text for text in problems), problems
    with pytest.raises(VerificationFailed, match="missing or damaged"):
        channels.rollback("test", later, shipped(), keys, 2)
