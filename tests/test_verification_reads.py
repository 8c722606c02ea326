"""What a verification asks of a site: each object once, however many documents name it."""

import io
import shutil
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from kubewright import files
from kubewright.errors import KubewrightError, UpstreamUnreachable, VerificationFailed
from kubewright.settings import Settings
from kubewright.stages import sources
from kubewright.stages import verify as stage
from kubewright.verification import Web, verify
from kubewright.verification.notes import Measure
from kubewright.verification.source import Directory
from kubewright.verification.steady import AT_ONCE, KEPT, SMALL, Steady

NOW = 1_790_000_000


class Counted(Directory):
    """A site in a directory that counts how often each object is started."""

    started: ClassVar[Counter[str]] = Counter()

    def read(self, path: str, most: int | None = None) -> bytes | None:
        self.started[path] += 1
        return super().read(path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        self.started[path] += 1
        return super().measured(path, size)

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        self.started[path] += 1
        with super().local(path, size) as file:
            yield file


def test_every_package_and_archive_is_read_once(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "started", Counter())
    monkeypatch.setattr(sources, "Directory", Counted)
    assert stage.verify(released.site, [], now=NOW).findings == ()
    large = {
        path: count
        for path, count in Counted.started.items()
        if path.endswith((".deb", ".rpm", ".tar"))
    }
    assert len(large) > 20
    assert {path: count for path, count in large.items() if count > 1} == {}
    assert sum(Counted.started.values()) <= 1.2 * len(Counted.started)


class Together:
    """Notes how many are in a block at once, and lets those who come wait a little for others."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._turn = threading.Condition()

    def __enter__(self) -> None:
        with self._turn:
            self._now += 1
            self.most = max(self.most, self._now)
            self._turn.notify_all()
            self._turn.wait_for(lambda: self.most >= AT_ONCE, timeout=0.005)

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._now -= 1


def distant(root: Path, asked: Counter[str], together: Together) -> Web:
    """A site as a server shows it."""
    near = Directory(root)

    @contextmanager
    def opened(path: str) -> Iterator[Callable[[int], bytes] | None]:
        asked[path] += 1
        with together:
            data = near.read(path)
        yield None if data is None else io.BytesIO(data).read

    return Web(opened)


def test_a_distant_site_is_asked_for_several_objects_at_once_and_for_each_as_often(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "started", Counter())
    near = verify(Counted(Path(released.site)), "site", [], now=NOW)
    asked, together = Counter[str](), Together()
    assert verify(distant(Path(released.site), asked, together), "site", [], now=NOW) == near
    assert together.most == AT_ONCE
    assert asked == Counted.started


@pytest.mark.parametrize("start", range(3))
def test_damage_far_away_is_named_as_it_is_near(
    released: Settings, tmp_path: Path, start: int
) -> None:
    site = tmp_path / "site"
    shutil.copytree(released.site, site)
    damaged = sorted(path for path in site.rglob("*") if path.is_file())[start::29]
    for number, path in enumerate(damaged):
        data = path.read_bytes()
        path.write_bytes([b"", data[:-1], data[:-1] + b"~"][number % 3])
    damaged[-1].unlink()
    near = verify(Directory(site), "site", [], now=NOW)
    assert len(near.findings) > 3
    far = verify(distant(site, Counter(), Together()), "site", [], now=NOW)
    assert [one.place for one in far.findings] == [one.place for one in near.findings]


@pytest.mark.parametrize("lost", ["apt/dists/stable/main/binary-amd64/Packages", "*.tar"])
def test_what_a_server_lacks_is_missing_and_nothing_else(
    released: Settings, tmp_path: Path, lost: str
) -> None:
    site = tmp_path / "site"
    shutil.copytree(released.site, site)
    path = next(site.rglob(lost))
    path.unlink()
    near = verify(Directory(site), "site", [], now=NOW)
    assert {one.place for one in near.findings} == {path.relative_to(site).as_posix()}
    far = verify(distant(site, Counter(), Together()), "site", [], now=NOW)
    assert far.findings == near.findings


class Answers(Directory):
    """A distant site that answers as it is told, and counts how often it is asked."""

    distant = True

    def __init__(self, answers: dict[str, bytes | KubewrightError]) -> None:
        self.answers, self.asked = answers, Counter[str]()

    def read(self, path: str, most: int | None = None) -> bytes | None:
        self.asked[path] += 1
        answer = self.answers.get(path)
        if isinstance(answer, KubewrightError):
            raise answer
        if answer is not None and most is not None and len(answer) > most:
            raise VerificationFailed(path, "too large", "do not use it")
        return answer

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        data = self.read(path, size)
        return None if data is None else (len(data), files.sha256(data))


SILENT = UpstreamUnreachable("a server", "no answer", "try again")


def test_what_a_server_says_beforehand_counts_when_it_is_asked_for() -> None:
    site = Answers({"a": b"1", "b": SILENT, "d": b"4444", "e": b"5" * (SMALL + 1)})
    steady = Steady(site)
    steady.expect([("a", 1), ("b", 1), ("c", 1), ("d", 3), ("e", SMALL + 1), ("a", 2), ("a", 1)])
    assert steady.measured("a", 1) == (1, files.sha256(b"1")), "what is silent hides nothing before"
    with pytest.raises(UpstreamUnreachable, match="no answer"):
        steady.measured("b", 1)
    assert steady.measured("c", 1) is None
    assert steady.measured("e", SMALL + 1) == (SMALL + 1, files.sha256(b"5" * (SMALL + 1)))
    assert [site.asked[path] for path in "abce"] == [1, 1, 1, 1]
    with pytest.raises(VerificationFailed, match="too large"):
        steady.measured("d", 3)


def test_who_shows_another_object_than_beforehand_is_found_out() -> None:
    site = Answers({"a": b"1", "b": b"2"})
    steady = Steady(site)
    steady.expect([("a", 1), ("b", 1)])
    site.answers |= {"a": b"x", "b": b"x"}
    with pytest.raises(VerificationFailed, match="was something else a moment ago"):
        steady.read("a")
    steady.measured("b", 1)
    with pytest.raises(VerificationFailed, match="was something else a moment ago"):
        steady.measured("b", 1)


def test_a_server_that_does_not_answer_is_asked_no_more() -> None:
    site = Answers({str(number): SILENT for number in range(1000)})
    Steady(site).expect((path, 1) for path in site.answers)
    assert 1 <= site.asked.total() <= AT_ONCE


def test_a_server_that_sends_more_than_was_promised_takes_no_room(tmp_path: Path) -> None:
    for number in range(200):
        place(tmp_path, f"publications/{number}.json", b"x" * (1 << 20))
    names = [f"publications/{number}.json" for number in range(200)]
    for size in (100, None):
        steady = Steady(distant(tmp_path, Counter(), Together()))
        tracemalloc.start()
        steady.expect((path, size) for path in names)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 3 * AT_ONCE << 20


def test_many_may_read_at_once() -> None:
    site = Answers({f"releases/v1/{number}": bytes(SMALL) for number in range(KEPT // SMALL + 20)})
    steady = Steady(site)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(steady.read, [*site.answers] * 20))
    assert {len(data or b"") for data in found} == {SMALL}
    kept = [path for path in site.answers if steady.read(path) is not None]
    assert kept == [*site.answers]


def place(root: Path, path: str, data: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).unlink(missing_ok=True)
    (root / path).write_bytes(data)


def test_what_changes_is_asked_for_each_time_and_what_lasts_is_not(tmp_path: Path) -> None:
    steady = Steady(Directory(tmp_path))
    for path in ("releases/v1/manifest.json", "channels/stable.json"):
        place(tmp_path, path, b"before")
        assert steady.read(path) == b"before"
        place(tmp_path, path, b"after!")
    assert steady.read("releases/v1/manifest.json") == b"before"
    kept = steady.seen.get("releases/v1/manifest.json")
    assert steady.measured("releases/v1/manifest.json") == kept
    with pytest.raises(VerificationFailed, match="was something else a moment ago"):
        steady.read("channels/stable.json")


def test_what_was_measured_and_is_too_large_to_be_kept_must_be_the_same_when_it_is_read(
    tmp_path: Path,
) -> None:
    steady, path = Steady(Directory(tmp_path)), "yum/pool/a.rpm"
    place(tmp_path, path, b"x" * (SMALL + 1))
    size, digest = steady.measured(path, SMALL + 1) or (0, "")
    assert (size, len(digest)) == (SMALL + 1, 64)
    place(tmp_path, path, b"y" * (SMALL + 1))
    with pytest.raises(VerificationFailed, match="was something else a moment ago"):
        steady.read(path)
    with (
        pytest.raises(VerificationFailed, match="was something else a moment ago"),
        steady.local(path, SMALL + 1),
    ):
        pass


def test_an_object_that_is_kept_has_no_more_bytes_than_are_asked_for(tmp_path: Path) -> None:
    steady = Steady(Directory(tmp_path))
    place(tmp_path, "releases/v1/SHA256SUMS", b"12345678")
    assert steady.read("releases/v1/SHA256SUMS") == b"12345678"
    with pytest.raises(VerificationFailed, match="more than the 7 bytes"):
        steady.read("releases/v1/SHA256SUMS", 7)


@pytest.mark.parametrize("again", [1, 2])
def test_only_the_last_small_objects_are_kept(tmp_path: Path, again: int) -> None:
    steady, last = Steady(Directory(tmp_path)), KEPT // SMALL
    for number in [*range(last), *[last] * again]:
        place(tmp_path, f"releases/v1/{number}", b"a" * SMALL)
        steady.read(f"releases/v1/{number}")
    for number in (0, 1, last):
        place(tmp_path, f"releases/v1/{number}", b"b" * SMALL)
    for number in (1, last):
        assert steady.read(f"releases/v1/{number}") == b"a" * SMALL
    with pytest.raises(VerificationFailed, match="was something else a moment ago"):
        steady.read("releases/v1/0")
