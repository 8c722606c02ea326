"""A publication by a machine whose clock was ahead: explained, and replaced by the next one."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import private_apt
import pytest
from debian.deb822 import Release

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.models.base import DAY
from kubewright.moments import AHEAD, following, is_to_come
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.reader import Reader
from kubewright.stages import channels, release, verify
from kubewright.stages.promote import promote
from kubewright.stages.prune import Retention, prune
from kubewright.stages.site import published_keys
from kubewright.stages.store import store
from kubewright.stages.withdraw import withdraw

SUITE = "stable-1.36"


@pytest.fixture
def now() -> int:
    """Signatures are checked by the machine's own clock."""
    return int(time.time())


@pytest.fixture
def ahead(home: Settings, keys: Keys, now: int) -> Settings:
    """A site that somebody published on thirty days before that day came."""
    wrong = home.model_copy(update={"now": now + 30 * DAY, "valid_for": 14})
    promote("v1.36.4-1", [SUITE, "other"], wrong, shipped(), keys)
    channels.rollback("other", wrong.model_copy(update={"now": wrong.now + 1}), shipped(), keys, 0)
    return home.model_copy(update={"now": now, "valid_for": None})


def published(settings: Settings, keys: Keys) -> object:
    return release.release("v1.36.3", settings, shipped(), keys)


MENDING: dict[str, Callable[[Settings, Keys], object]] = {
    "refresh": lambda settings, keys: channels.refresh(settings, shipped(), keys),
    "release": published,
    "rollback": lambda settings, keys: channels.rollback("other", settings, shipped(), keys, 1),
    "withdraw": lambda settings, keys: withdraw("v1.36.4-1", "why", settings, shipped(), keys),
    "prune": lambda settings, keys: prune(Retention(1, 0), settings, shipped(), keys),
}


def findings(settings: Settings, keys: Keys, *, now: int) -> list[str]:
    report = verify.verify(settings.site, published_keys(settings, keys), now=now)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def dates(settings: Settings) -> dict[str, int]:
    """When each suite says that it was made, and the newest document of the site."""
    found = {}
    for path in Path(settings.site).glob("apt/dists/*/Release"):
        stated = parsedate_to_datetime(Release(path.read_text())["Date"])
        found[path.parent.name] = int(stated.timestamp())
    state = Reader(store(settings)).present().state
    assert state is not None
    return found | {layout.STATE: state.issued}


def test_verify_says_that_the_day_has_not_come_and_whose_clock_may_be_wrong(
    ahead: Settings, keys: Keys, now: int
) -> None:
    found = findings(ahead, keys, now=now)
    assert any(
        one.startswith(f"{layout.STATE}: publication ") and "has not come: the clock of" in one
        for one in found
    ), found[:3]
    signed = [one for one in found if "the signature of" in one]
    assert signed
    assert all("that time has not come by this machine's clock" in one for one in signed)


@pytest.mark.parametrize("verb", MENDING)
def test_the_next_publication_by_a_right_clock_puts_it_right_whatever_it_is(
    ahead: Settings, keys: Keys, now: int, verb: str, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    assert max(dates(ahead).values()) > now + 29 * DAY
    MENDING[verb](ahead, keys)
    assert max(dates(ahead).values()) <= now + AHEAD
    assert findings(ahead, keys, now=now) == []
    assert "which has not come" not in " ".join(
        verify.verify(ahead.site, published_keys(ahead, keys), now=now).warnings
    )
    if verb == "refresh":
        read_by_apt(Path(ahead.site), tool, tmp_path / "root")
        before = Path(ahead.site, layout.TIMESTAMP).read_bytes()
        assert channels.refresh(ahead, shipped(), keys).changes == ()
        assert Path(ahead.site, layout.TIMESTAMP).read_bytes() == before


def test_where_all_publications_are_to_come_it_is_this_clock_that_is_behind(
    ahead: Settings, keys: Keys
) -> None:
    behind = ahead.model_copy(update={"now": 1_780_000_000})
    before = Path(ahead.site, layout.TIMESTAMP).read_bytes()
    with pytest.raises(KubewrightError, match=r"but every publication here is later.* correct the"):
        channels.refresh(behind, shipped(), keys)
    assert Path(ahead.site, layout.TIMESTAMP).read_bytes() == before


def read_by_apt(site: Path, tool: Callable[[str], Path], root: Path) -> None:
    source = f"[signed-by={site}/keys/kubewright.gpg arch=amd64] file:{site}/apt {SUITE} main"
    run([tool("apt-get"), "update"], env=private_apt.made(root, source))


@pytest.mark.parametrize(
    ("before", "wanted"),
    [(900, 1000), (1000, 1000), (1001, 1001), (1000 + AHEAD, 1000 + AHEAD), (1001 + AHEAD, 1000),
     (10**9, 1000)],
)  # fmt: skip
def test_a_moment_follows_another_unless_that_has_not_come(before: int, wanted: int) -> None:
    assert following(before, 1000) == wanted
    assert is_to_come(before, 1000) is (wanted == 1000 and before > 1000)


def test_apt_takes_each_of_many_publications_in_one_second(
    home: Settings, keys: Keys, now: int, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    """A script that fills a site is quick: none of them is dated later than it was made."""
    env: dict[str, str] = {}
    for number in range(24):
        settings = home.model_copy(update={"now": now})
        if number == 0:
            promote("v1.36.4-1", [SUITE], settings, shipped(), keys)
        else:
            channels.rollback(SUITE, settings, shipped(), keys, 0 if number % 2 else 1)
        assert max(dates(settings).values()) <= now
        assert findings(settings, keys, now=now) == []
        if number in (0, 1, 22, 23):
            if not env:
                source = f"[signed-by={home.site}/keys/kubewright.gpg arch=amd64]"
                source += f" file:{home.site}/apt {SUITE} main"
                env = private_apt.made(tmp_path / "root", source)
            run([tool("apt-get"), "update"], env=env)
            offered = run([tool("apt-cache"), "madison", "kubelet"], env=env).stdout
            assert ("1.36.4-1" in offered) is (number % 2 == 0), number
