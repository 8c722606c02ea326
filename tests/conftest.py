"""Fixtures that several test files share."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Give the path of a real program, or skip the test with the reason that it is missing."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return Path(found)

    return find


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
