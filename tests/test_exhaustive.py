"""How much of a table of faults a run takes, and the matrix of what came of them."""

from collections import Counter

import exhaustive
import pytest
from exhaustive import NEW, OLD, WENT_ON, WRONG, came_of, chosen, matrix, one_of_each, seen


@pytest.mark.parametrize(
    ("wanted", "count"),
    [("", 3), ("all", 40), ("8", 2), ("1", 1), ("200", 40), ("20%", 8), ("0.1%", 1), ("kinds", 40)],
)
def test_a_run_takes_as_much_of_a_table_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, wanted: str, count: int
) -> None:
    monkeypatch.setattr(exhaustive, "WANTED", wanted)
    monkeypatch.setattr(exhaustive, "ALL", wanted in ("all", "kinds"))
    taken = chosen(range(40), few=3, parts=4)
    assert (len(taken), len(set(taken))) == (count, count)
    assert taken == chosen(range(40), few=3, parts=4), "a seed takes the same again"


def test_of_a_kind_a_run_takes_one_that_the_seed_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = set()
    for seed in "123456789":
        monkeypatch.setattr(exhaustive, "SEED", seed)
        found = one_of_each(range(40), lambda number: number % 4)
        assert found == one_of_each(range(40), lambda number: number % 4)
        assert [number % 4 for number in found] == [0, 1, 2, 3]
        taken.update(found)
    assert len(taken) > 20


def test_the_matrix_adds_up_what_parts_of_a_table_have_told() -> None:
    told: list[tuple[str, object]] = [("covered", "something else")]
    for _ in range(2):
        outcomes = Counter({("drop", OLD): 3, ("drop", NEW): 1, ("late", WENT_ON): 5})
        came_of(lambda *one: told.append(one), "bucket", "publish", outcomes)
    came_of(lambda *one: told.append(one), "bucket", "prune", Counter({("drop", WRONG): 1}))
    lines = [line.split() for line in matrix(told)]
    assert lines[0] == ["bucket", "tried", WENT_ON.split()[0], WENT_ON.split()[1], OLD, NEW, WRONG]
    assert lines[1:5] == [
        ["prune", "drop", "1", "0", "0", "0", "1"],
        ["publish", "drop", "8", "0", "6", "2", "0"],
        ["publish", "late", "10", "10", "0", "0", "0"],
        ["in", "all", "19", "10", "6", "2", "1"],
    ]
    assert [*matrix([("covered", "nothing")])] == []
    assert (seen(b"1", b"1"), seen(b"2", b"1")) == (OLD, NEW)
