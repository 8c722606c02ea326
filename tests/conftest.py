"""Fixtures that several test files share."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubewright import mirror, recipes


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Give the path of a real program, or skip the test with the reason that it is missing."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return Path(found)

    return find


@pytest.fixture(scope="session", autouse=True)
def own_data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep development keys and caches of tests away from the user's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KUBEWRIGHT_DATA", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        for name in ("KUBEWRIGHT_UPSTREAM", "KUBEWRIGHT_SITE", "SOURCE_DATE_EPOCH"):
            patch.delenv(name, raising=False)
        yield home


@pytest.fixture(scope="session")
def sample_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample upstream mirror; tests only read it."""
    target = tmp_path_factory.mktemp("upstream") / "mirror"
    mirror.sample(target, recipes.components(), mirror.KUBERNETES, epoch=mirror.EPOCH)
    return target


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a rendered text with its file in tests/golden/; KUBEWRIGHT_GOLDEN=write makes the file."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("KUBEWRIGHT_GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text()

    return compare


def unexpected_skips(terminal: pytest.TerminalReporter) -> list[pytest.TestReport]:
    """The skips that fail a run with KUBEWRIGHT_NO_SKIPS=1: all but those of tests marked `elsewhere`."""
    if os.environ.get("KUBEWRIGHT_NO_SKIPS") != "1":
        return []
    skipped = terminal.getreports("skipped")  # a file that is skipped as a whole has no keywords
    return [report for report in skipped if "elsewhere" not in getattr(report, "keywords", ())]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a run that had to skip nothing fail when it did skip."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and unexpected_skips(terminal) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the skips that made the run fail."""
    if unexpected := unexpected_skips(terminalreporter):
        terminalreporter.section("skipped where every test must run", red=True)
        for report in unexpected:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.line(f"{report.nodeid}: {reason}")
