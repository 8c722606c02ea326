"""A bucket gets the copies of a publication beside its commit: one cut short may lack them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from copied_sites import copied, tree

from kubewright.cli.shipped import shipped
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import channels, verify
from kubewright.stages.publish import publish
from kubewright.stages.withdraw import withdraw
from kubewright.workspace import Workspace

NOW = 1_790_000_000
NEW = "v1.36.4-1"


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]) -> Settings:
    """A site with two releases in a channel, the second of them committed a moment ago: nothing was
    copied for it yet, and nothing says that it is finished.
    """
    home = tmp_path_factory.mktemp("two")
    old = build(home, "v1.36.3", channels=("test",))
    before = tree(old.site)
    done = build(home, "v1.36.4", now=NOW + 1, channels=("test",))
    site = Path(done.site)
    for path in tree(site).keys() - before.keys():
        if path.startswith("yum/test/") and not path.endswith("-primary.xml.gz"):
            (site / path).unlink()
    (site / layout.FINISHED).write_bytes(before[layout.FINISHED])
    return done.model_copy(update={"now": NOW + 60})


@pytest.fixture
def site(two: Settings, tmp_path: Path) -> Settings:
    return copied(two, tmp_path / "site")


def lacks(site: Settings, whole: Settings) -> set[str]:
    """The packages and documents of plain yum repositories that a site has not."""
    names = {path for path in tree(whole.site) if path.startswith("yum/test/x86_64/")}
    return {path for path in names - tree(site.site).keys() if "/snapshots/" not in path}


NEXT: dict[str, Callable[[Settings, Keys], object]] = {
    "publish": lambda site, keys: publish(Workspace(site.dist / NEW), site, shipped(), keys),
    "refresh": lambda site, keys: channels.refresh(site, shipped(), keys),
    "rollback": lambda site, keys: channels.rollback("test", site, shipped(), keys, 1),
    "withdraw": lambda site, keys: withdraw(NEW, "loses volumes", site, shipped(), keys),
}


def test_it_is_unfinished_and_not_damaged(site: Settings) -> None:
    report = verify.verify(site.site, [], now=NOW + 60)
    assert [finding.problem for finding in report.findings] == []
    assert any("unfinished" in text or "not finished" in text for text in report.warnings), report


@pytest.mark.parametrize("verb", NEXT)
def test_whatever_is_published_next_makes_it_whole(
    verb: str, site: Settings, keys: Keys, build: Callable[..., Settings], tmp_path: Path
) -> None:
    whole = None
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        whole = build(tmp_path / "whole", version, now=NOW + number, channels=("test",))
    assert whole is not None
    assert len(lacks(site, whole)) > 10
    NEXT[verb](site, keys)
    assert [one.problem for one in verify.verify(site.site, [], now=NOW + 61).findings] == []
    assert {path for path in lacks(site, whole) if "/Packages/" in path} == set()
