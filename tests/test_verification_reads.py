"""What a verification asks of a site: each object once, however many documents name it."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import rounds

from kubewright import files
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.models.report import Report
from kubewright.settings import Settings
from kubewright.stages import sources, verify
from kubewright.verification.source import Directory, Measure
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
    assert verify.verify(released.site, [], now=NOW).findings == ()
    large = {
        path: count
        for path, count in Counted.started.items()
        if path.endswith((".deb", ".rpm", ".tar"))
    }
    assert len(large) > 20
    assert {path: count for path, count in large.items() if count > 1} == {}
    assert sum(Counted.started.values()) <= 1.2 * len(Counted.started)


class Distant(Counted):
    """The same far away: each start takes a round."""

    distant = True

    def read(self, path: str, most: int | None = None) -> bytes | None:
        rounds.take()
        return super().read(path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        rounds.take()
        return super().measured(path, size)


def verified(
    kind: type[Counted], site: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Report, Counter[str], int]:
    """What verifying a site says, how often each object is started, and in how many rounds."""
    monkeypatch.setattr(Counted, "started", Counter())
    monkeypatch.setattr(sources, "Directory", kind)
    with rounds.counted():
        return verify.verify(site, [], now=NOW), Counted.started, rounds.reached()


def test_a_distant_site_is_asked_for_several_objects_at_once_and_for_each_once(
    released: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, started, _ = verified(Counted, released.site, monkeypatch)
    far, asked, count = verified(Distant, released.site, monkeypatch)
    assert far == report
    assert asked == started
    assert count <= 0.7 * asked.total()


def test_damage_far_away_is_named_as_it_is_near(
    released: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    shutil.copytree(released.site, site)
    damaged = sorted(path for path in site.rglob("*") if path.is_file())[::40]
    for number, path in enumerate(damaged):
        data = path.read_bytes()
        path.write_bytes([b"", data + b"x", data[:-1] + b"~"][number % 3])
    report, *_ = verified(Counted, str(site), monkeypatch)
    assert len(report.findings) > 3
    far, *_ = verified(Distant, str(site), monkeypatch)
    assert far == report


def test_a_server_that_does_not_answer_is_asked_no_more(tmp_path: Path) -> None:
    gone: list[str] = []

    class Silent(Distant):
        def measured(self, path: str, size: int | None = None) -> Measure | None:
            gone.append(path)
            time.sleep(0.01)
            raise UpstreamUnreachable(path, "no answer", "try again")

    paths = [f"apt/pool/{number}.deb" for number in range(100)]
    with pytest.raises(UpstreamUnreachable, match="no answer"):
        Steady(Silent(tmp_path)).expect((path, 1) for path in paths)
    assert len(gone) <= AT_ONCE


def test_what_cannot_be_measured_beforehand_is_named_when_it_is_needed(tmp_path: Path) -> None:
    steady = Steady(Distant(tmp_path))
    place(tmp_path, "apt/pool/a.deb", b"1234")
    steady.expect([("apt/pool/a.deb", 3), ("apt/pool/b.deb", 3), ("apt/pool/a.deb", 4)])
    assert steady.seen == {"apt/pool/a.deb": (4, files.sha256(b"1234"))}
    assert steady.measured("apt/pool/b.deb", 3) is None


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
    assert steady.measured("releases/v1/manifest.json") == steady.seen["releases/v1/manifest.json"]
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
