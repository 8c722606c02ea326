"""Benches count what they say they count: rounds, requests, and what changed in an index."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from kubewright import archives, files


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """The script, imported as it is run."""
    folder = Path(__file__).parent / "bench"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import bench as script

        yield script
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


def of(name: str) -> ModuleType:
    """A module that the script has imported."""
    return sys.modules[name]


def test_rounds_are_the_longest_chain_whatever_anything_takes(bench: ModuleType) -> None:
    rounds = sys.modules["rounds"]

    def work(chain: int) -> int:
        for _ in range(chain):
            time.sleep(0.001 * (5 - chain))  # the longest chain is the first to end
            rounds.take()
        return chain

    with rounds.counted():
        assert [rounds.take(), rounds.take()] == [1, 2]
        with ThreadPoolExecutor(2) as pool:  # fewer threads than tasks make no round more
            asked = pool.map(work, [1, 3, 2, 1])
            assert rounds.reached() == 2, "nobody has waited yet"
            assert next(asked) == 1
            assert rounds.reached() == 3
            assert [*asked] == [3, 2, 1]
            assert rounds.reached() == 5
            pool.submit(work, 4)
        assert rounds.reached() == 9, "the end of a pool waits for all of it"
        with ThreadPoolExecutor(1) as outer:
            outer.submit(lambda: ThreadPoolExecutor(1).submit(work, 2).result()).result()
        assert rounds.reached() == 11
    with rounds.counted():
        assert rounds.take() == 1


def test_a_site_far_away_counts_the_requests_of_a_bucket(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = of("counted")
    tally = counted.Tally()
    store = counted.FarStore(tmp_path, tally)
    assert store.put("a", b"text", if_absent=True)
    assert store.stat("a") == (4, None), "a bucket knows no digest"
    assert store.sha256("a") == files.sha256(b"text")
    assert store.copy("a", "b")
    assert not store.copy("a", "b")
    assert store.copy("a", "c", seen_absent=True)
    assert tally.calls == {"put": 1, "stat": 3, "get": 1, "copy": 2}
    monkeypatch.setattr(counted, "PAGE", 2)
    assert store.list("") == ["a", "b", "c"]
    store.delete("c")
    assert (tally.calls["list"], tally.writes, tally.written) == (2, 4, 4)


def test_what_changed_in_indexes_is_what_has_to_be_packed_anew(
    bench: ModuleType, tmp_path: Path
) -> None:
    large = of("large")
    for site, texts in (("old", ("one", "two")), ("new", ("one", "2", "three"))):
        folder = tmp_path / site / "apt/dists" / large.CHANNEL / "by-hash"
        folder.mkdir(parents=True)
        (folder / site).write_bytes(b"".join(archives.gzipped(text.encode()) for text in texts))
        (folder / "Release").write_text("no index")
    assert large.changed(tmp_path / "old", tmp_path / "new") == {b"2", b"three"}


def test_releases_are_of_all_minors_in_turn_and_the_next_is_of_the_highest(
    bench: ModuleType, tmp_path: Path
) -> None:
    releases = of("releases")
    given = releases.Releases(tmp_path, 9, 0)
    names = [given.workspace(number).root.name for number in range(1, 10)]
    assert len(set(names)) == 9
    assert names[4] == f"{releases.VERSIONS[0]}-2"
    assert [given.next(number) for number in (1, 4, 5, 8)] == [5, 5, 9, 9]
    channels = [given.settings(number, tmp_path).channels for number in range(5, 9)]
    assert channels == [
        ("stable-1.36", "stable"), ("stable-1.33",), ("stable-1.34",), ("stable-1.35",),
    ]  # fmt: skip
    assert given.settings(5, tmp_path, ("other",)).channels == ("other",)
