"""Fixtures that several test files share."""

import math
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import exhaustive
import pytest
from copied_sites import Watch, whole_copy
from made_keys import development, made

from kubewright.cli import main
from kubewright.cli.shipped import shipped
from kubewright.models.base import Arch
from kubewright.models.mirror import NAME, Mirror
from kubewright.run import run as run_program
from kubewright.settings import Settings
from kubewright.signing.keys import repo_key
from kubewright.signing.roles import Keys
from kubewright.site.store import Content, Stat, Store, Stored
from kubewright.stages import history, prune, publish, release, repair, sync
from kubewright.stages import site as site_stage
from kubewright.stages import store as store_stage
from kubewright.stages.sample import sample


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No workers, each of which would collect everything too, for tests that are named; else a few
    more than there are processors: a fifth of the time tests wait for what they have started.
    """
    named = config.option.keyword.startswith("test_") or any("::" in one for one in config.args)
    processors = len(os.sched_getaffinity(0))
    return 0 if named else processors + math.ceil(processors / 4)


@pytest.fixture(scope="session", autouse=True)
def as_in_the_foreground() -> None:
    """Where tests run in the background of a script, the shell has told them to ignore signals that
    some of them send; programs that they start would ignore these too.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, None)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual or signal.SIG_DFL)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Give the path of a real program, or skip the test with the reason that it is missing."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return Path(found)

    return find


@pytest.fixture
def acceptance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Import the modules of the acceptance run as its script does; their folder."""
    folder = Path(__file__).parent / "acceptance"
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


class Watched:
    """Another store; something is done before each operation on it, which may raise."""

    def __init__(self, store: Store, before: Callable[[int, str], None]) -> None:
        self.store, self.before = store, before
        self.distant = store.distant
        self.operations: list[str] = []
        self._counting = threading.Lock()

    def _next(self, operation: str) -> Store:
        with self._counting:
            self.operations.append(operation)
            number = len(self.operations)
        self.before(number, operation)
        return self.store

    def get(self, path: str) -> Stored | None:
        return self._next(f"get {path}").get(path)

    def stat(self, path: str) -> Stat | None:
        return self._next(f"stat {path}").stat(path)

    def sha256(self, path: str) -> str | None:
        return self._next(f"sha256 {path}").sha256(path)

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        store = self._next(f"put {path}")
        return store.put(path, content, if_absent=if_absent, if_tag=if_tag)

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        store = self._next(f"copy {source} {path}")
        return store.copy(source, path, seen_absent=seen_absent)

    def list(self, prefix: str) -> list[str]:
        return self._next(f"list {prefix}").list(prefix)

    def delete(self, path: str) -> None:
        self._next(f"delete {path}").delete(path)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Let stages work on watched sites for as long as a block runs."""
    original = store_stage.store

    @contextmanager
    def watching(before: Callable[[int, str], None]) -> Iterator[list[str]]:
        operations: list[str] = []

        def opened(settings: Settings) -> Store:
            watched = Watched(original(settings), before)
            watched.operations = operations
            return watched

        with monkeypatch.context() as patch:
            for module in (site_stage, release, publish, prune, repair, history, sync):
                if hasattr(module, "store"):
                    patch.setattr(module, "store", opened)
            yield operations

    return watching


NOW = 1_790_000_000
"""A publication clock in the past (2026-09-21), after every release in the sample mirror."""


@pytest.fixture(scope="session", autouse=True)
def own_data_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep development keys and caches of tests away from the user's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KUBEWRIGHT_DATA", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        for name in ("KUBEWRIGHT_UPSTREAM", "KUBEWRIGHT_SITE", "SOURCE_DATE_EPOCH"):
            patch.delenv(name, raising=False)
        # Before any test makes it by today's clock: a key signs for no time before its own.
        repo_key(None, now=NOW)
        yield home


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_disks() -> Iterator[None]:
    """What tests write need not outlive the machine: that it is synced, and when, is seen where it
    is tested.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def sample_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample upstream mirror; tests only read it."""
    target = tmp_path_factory.mktemp("upstream") / "mirror"
    sample(target, shipped())
    return target


@pytest.fixture(scope="session")
def compiled(sample_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Settings that production keys sign with: the sample's files from a mirror that calls itself
    compiled, and a person who takes its bytes for those that are pinned.
    """
    mirror = tmp_path_factory.mktemp("compiled") / "mirror"
    shutil.copytree(sample_mirror, mirror, copy_function=os.link)
    (mirror / NAME).unlink()
    (mirror / NAME).write_bytes(Mirror(kind="source").to_bytes())
    return {
        "upstream": str(mirror),
        "allow_changed": ("busybox", "cri-dockerd", "docker", "kubernetes"),
    }


@pytest.fixture(scope="session")
def keys() -> Keys:
    return development(NOW)


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> list[Keys]:
    """Two sets of keys that are nobody's development keys."""
    names = ("first", "second")
    return [made(tmp_path_factory.mktemp("keys") / one, one, now=NOW - 1000) for one in names]


@pytest.fixture(scope="session")
def build(sample_mirror: Path, keys: Keys) -> Callable[..., Settings]:
    """Release `request` into a directory of its own; give the settings that it was done with."""

    def run(home: Path, request: str = "v1.36.4", **changes: object) -> Settings:
        settings = Settings(
            upstream=str(sample_mirror),
            dist=home / "dist",
            cache=home / "cache",
            site=str(home / "site"),
            now=NOW,
            architectures=(Arch.amd64,),
            jobs=2,
        ).model_copy(update=changes)
        release.release(request, settings, shipped(), keys)
        return settings

    return run


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]) -> Settings:
    """One release on one site; tests only read it."""
    return build(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]) -> Settings:
    """Three signed releases in `dist/`; tests only read them."""
    home = tmp_path_factory.mktemp("signed")
    for number, version in enumerate(("v1.35.9", "v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + number)
    return settings.model_copy(update={"now": NOW + 10})


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in an empty directory; give its exit code, its output and what it said,
    as one line.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, " ".join(err.split())

    return call


@pytest.fixture
def site(released: Settings, tmp_path: Path) -> Path:
    """A copy of the site to damage."""
    shutil.copytree(released.site, tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def home(released: Settings, tmp_path: Path) -> Settings:
    """A copy of everything, to go on from."""
    return whole_copy(released, tmp_path / "home")


Gpg = Callable[..., str]
"""Runs gpg with words after its name; gives what it says."""


@pytest.fixture
def gpg(tool: Callable[[str], Path]) -> Iterator[Gpg]:
    """Run gpg with a home of its own; a short path, because its agent's socket is in there."""
    program, stop = tool("gpg"), tool("gpgconf")
    with tempfile.TemporaryDirectory(prefix="kw-") as home:
        yield lambda *words: run_program([program, "--homedir", home, "--batch", *words]).stdout
        run_program([stop, "--homedir", home, "--kill", "all"])


@pytest.fixture(scope="session")
def signing_gpg(tool: Callable[[str], Path]) -> Iterator[Gpg]:
    """Run gpg with a fresh signing key, the one of all tests of a session."""
    program, stop = tool("gpg"), tool("gpgconf")
    quiet = ("--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", "")
    with tempfile.TemporaryDirectory(prefix="kw-") as home:

        def call(*words: str | Path) -> str:
            return run_program([program, "--homedir", home, *quiet, *words]).stdout

        call("--quick-generate-key", "Test <test@example.com>", "rsa3072", "sign", "never")
        yield call
        run_program([stop, "--homedir", home, "--kill", "all"])


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a rendered text with its file in tests/golden/; KUBEWRIGHT_GOLDEN=write makes the
    file.
    """

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("KUBEWRIGHT_GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text()

    return compare


def unexpected_skips(terminal: pytest.TerminalReporter) -> list[pytest.TestReport]:
    """The skips that fail a run with KUBEWRIGHT_NO_SKIPS=1: all but those of tests marked
    `elsewhere`.
    """
    if os.environ.get("KUBEWRIGHT_NO_SKIPS") != "1":
        return []
    skipped = terminal.getreports("skipped")  # a file that is skipped as a whole has no keywords
    return [report for report in skipped if "elsewhere" not in getattr(report, "keywords", ())]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a run that had to skip nothing fail when it did skip."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and unexpected_skips(terminal) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def covered(terminal: pytest.TerminalReporter) -> list[str]:
    """What exhaustive tests say that they went through, each line once."""
    said = set()
    for report in terminal.getreports("passed"):
        said |= {str(text) for name, text in report.user_properties if name == "covered"}
    return sorted(said)


def tried(terminal: pytest.TerminalReporter) -> list[str]:
    """How many faults of all tables were tried, where any were."""
    counts = {"tried": 0, "of": 0}
    for report in terminal.getreports("passed"):
        for name, count in report.user_properties:
            if name in counts:
                counts[name] += int(str(count))
    return [f"in all: {counts['tried']} of {counts['of']} faults"] if counts["of"] else []


def told(terminal: pytest.TerminalReporter) -> Iterator[tuple[str, object]]:
    """What all tests of a run say of themselves, those that fail, too."""
    for report in (*terminal.getreports("passed"), *terminal.getreports("failed")):
        yield from report.user_properties


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what exhaustive tests went through, and list the skips that made the run fail."""
    if lines := [*covered(terminalreporter), *tried(terminalreporter)]:
        terminalreporter.section("covered")
        for line in lines:
            terminalreporter.line(line)
    if exhaustive.WANTED and (lines := [*exhaustive.matrix(told(terminalreporter))]):
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
    if unexpected := unexpected_skips(terminalreporter):
        terminalreporter.section("skipped where every test must run", red=True)
        for report in unexpected:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.line(f"{report.nodeid}: {reason}")
