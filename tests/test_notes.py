"""What a verification remembers on disk is what it would remember in memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubewright.errors import DiskError
from kubewright.models.base import Arch, deb_name
from kubewright.models.manifest import Manifest
from kubewright.settings import Settings
from kubewright.verification import notes
from kubewright.verification.notes import Measure, Measures, NoRoom, Paths
from kubewright.verification.packages import Packages
from kubewright.verification.report import Tally

NAMES = st.sampled_from(["a", "a/b", "A", "ä", "", "a\0", "\udce4", "\ud800", "a'); DROP"])
"""Names that a disk or a document may have, some of which are no text."""

MEASURES = st.none() | st.tuples(st.integers(0, 1 << 60), st.sampled_from(["", "0" * 64]))


@given(st.lists(NAMES), NAMES)
def test_paths_are_a_set(paths: list[str], other: str) -> None:
    noted, known = Paths(), set[str]()
    for path in paths:
        assert noted.add(path) is (path not in known)
        known.add(path)
    assert [*noted] == sorted(known)
    assert len(noted) == len(known)
    assert (other in noted) is (other in known)
    again = Paths()
    again.update(reversed(paths))
    assert noted == again


@given(st.lists(st.tuples(NAMES, MEASURES, st.booleans())), NAMES)
def test_measures_are_a_dictionary(
    said: list[tuple[str, Measure | None, bool]], other: str
) -> None:
    noted, known = Measures(), dict[str, Measure | None]()
    for path, measure, over in said:
        if over:
            noted[path] = known[path] = measure
        else:
            assert noted.setdefault(path, measure) == known.setdefault(path, measure)
    assert [*noted.items()] == sorted(known.items())
    assert (other in noted) is (other in known)
    assert noted.get(other) == known.get(other)
    assert noted.get(other, (1, "unknown")) == known.get(other, (1, "unknown"))


def test_there_is_no_end_of_rows() -> None:
    noted = Paths()
    noted.update(f"{number:06}" for number in range(3 * notes.AT_ONCE + 1))
    assert [*noted] == [f"{number:06}" for number in range(3 * notes.AT_ONCE + 1)]
    halfway = iter(noted)
    next(halfway)
    assert "000001" in noted  # while somebody goes through them
    assert len([*halfway]) == 3 * notes.AT_ONCE


def test_packages_of_a_release_stay_in_their_order(released: Settings) -> None:
    (file,) = Path(released.site).glob("releases/*/manifest.json")
    manifest = Manifest.from_bytes(file.read_bytes())
    known = Packages()
    known.add("1.36.4-1", manifest.packages)
    known.add("1.36.4-2", reversed(manifest.packages))
    known.add("1.36.4-3", ())
    assert known.releases == {"1.36.4-1", "1.36.4-2", "1.36.4-3"}
    found = [*known.of("1.36.4-1")]
    assert len(found) > 3
    assert [one._asdict() for one in found] == [
        {name: getattr(one, name) for name in found[0]._fields} for one in manifest.packages
    ]
    assert [*known.of("1.36.4-2")] == found[::-1]
    assert [*known.of("1.36.4-3")] == [*known.of("1.36.5-1")] == []


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from kubewright.verification.notes import NoRoom, Paths
noted = Paths()
try:
    noted.update(f"{number:0200}" for number in range(100_000))
except NoRoom as error:
    sys.exit(f"{error.place}: {error.problem}; {error.remedy}")
"""
"""A disk that takes one MiB of a file, and notes that need 20."""


def test_a_full_disk_is_named_with_the_remedy() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "the notes of a verification: " in done.stderr
    assert "TMPDIR=DIRECTORY" in done.stderr


def test_a_full_disk_says_nothing_of_the_site() -> None:
    tally = Tally()
    with pytest.raises(DiskError), tally.check("keys/keyring.gpg"):
        raise NoRoom("notes", "full", "free some")
    assert tally.findings == []


def test_an_architecture_is_called_the_same_whether_a_text_or_not() -> None:
    for arch in Arch:
        assert deb_name(str(arch.value)) == deb_name(arch) == arch.deb
    assert [deb_name(other) for other in ("all", "riscv64", "ppc64el")] == [
        "all", "riscv64", "ppc64el",
    ]  # fmt: skip
