"""The life of a release on a site: promoted, withdrawn, brought back, all from the site alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import private_apt
import pytest

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError
from kubewright.models.base import DAY
from kubewright.models.site import Channel, Index, State
from kubewright.models.upgrades import Graph
from kubewright.run import run as run_program
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.contents import rpm_digests
from kubewright.site.reader import Reader
from kubewright.stages import channels, verify
from kubewright.stages.promote import promote
from kubewright.stages.prune import Retention, prune
from kubewright.stages.publish import publish
from kubewright.stages.site import published_keys
from kubewright.stages.store import store
from kubewright.stages.withdraw import withdraw
from kubewright.workspace import Workspace

NOW = 1_790_000_000
NEW, OLD, OTHER = "v1.36.4-1", "v1.36.3-1", "v1.35.9-1"
WHY = "CVE-2026-1: loses volumes"
Tool = Callable[[str], Path]


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]) -> Settings:
    """A site with two patches of one minor and one of another; its `dist` is gone."""
    home = tmp_path_factory.mktemp("life")
    settings = None
    for number, version in enumerate(("v1.35.9", "v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + number)
    assert settings is not None
    return settings.model_copy(update={"now": NOW + 100, "dist": home / "none"})


@pytest.fixture
def site(three: Settings, tmp_path: Path) -> "Site":
    shutil.copytree(three.site, tmp_path / "site")
    return Site(three.model_copy(update={"site": str(tmp_path / "site")}))


class Site:
    """A site whose clock goes on with each publication."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def root(self) -> Path:
        return Path(self.settings.site)

    def later(self, seconds: int = 60) -> Settings:
        now = self.settings.now + seconds
        self.settings = self.settings.model_copy(update={"now": now})
        return self.settings

    def withdraw(self, keys: Keys, name: str, why: str = WHY) -> dict[str, str]:
        return withdraw(name, why, self.later(), shipped(), keys).offered

    def promote(self, keys: Keys, what: str, *names: str, again: bool = False) -> list[str]:
        return promote(what, names, self.later(), shipped(), keys, again=again)[1]

    def state(self) -> State:
        state = Reader(store(self.settings)).present().state
        assert state is not None
        return state

    def channel(self, name: str) -> Channel:
        record = Reader(store(self.settings)).channel(self.state(), name)
        assert record is not None
        return record

    def index(self) -> Index:
        return Index.from_bytes((self.root / layout.INDEX).read_bytes())

    def lists(self, name: str, channel: str) -> tuple[bool, bool]:
        """Whether the apt suite and the yum repository of a channel list a release's kubelet."""
        version = name.removeprefix("v")
        packages = (self.root / f"apt/dists/{channel}/main/binary-amd64/Packages").read_text()
        record = self.channel(channel)
        rpms = rpm_digests(Reader(store(self.settings)), record)
        return (
            f"kubelet_{version}_amd64.deb" in packages,
            f"yum/pool/kubelet-{version}.x86_64.rpm" in rpms,
        )

    def findings(self, keys: Keys) -> list[str]:
        found = verify.verify(
            self.settings.site, published_keys(self.settings, keys), now=self.settings.now
        )
        return [f"{one.place}: {one.problem}" for one in found.findings]

    def warnings(self) -> tuple[str, ...]:
        return verify.verify(self.settings.site, [], now=self.settings.now).warnings


def test_what_is_withdrawn_is_offered_and_listed_by_no_channel_and_says_why_everywhere(
    site: Site, keys: Keys
) -> None:
    assert site.withdraw(keys, NEW) == {"latest": OLD, "stable": OLD, "stable-1.36": OLD}
    for name in ("latest", "stable", "stable-1.36"):
        current = site.channel(name).current
        assert current is not None
        assert current.name == OLD
        assert (site.root / layout.marker_path(name)).read_text() == "v1.36.3"
        assert site.lists(NEW, name) == (False, False)
        assert site.lists(OLD, name) == (True, True)
    (entry,) = [one for one in site.index().releases if one.name == NEW]
    assert (entry.status, entry.reason) == ("yanked", WHY)
    graph = Graph.from_bytes((site.root / layout.GRAPH).read_bytes())
    (node,) = [one for one in graph.nodes if one.version == NEW]
    assert node.metadata["io.kubewright.reason"] == WHY
    place = [one.version for one in graph.nodes].index(NEW)
    assert all(target != place for _, target in graph.edges)
    assert WHY in (site.root / layout.FRONT_PAGE).read_text()
    assert f"{NEW} is withdrawn: {WHY}" in site.warnings()
    assert site.findings(keys) == []


def test_what_is_withdrawn_stays_for_who_names_its_version(
    site: Site, keys: Keys, tmp_path: Path, tool: Tool
) -> None:
    """apt reads both suites, and takes the release for a candidate only when it is named."""
    site.withdraw(keys, NEW)
    assert site.lists(NEW, "withdrawn") == (True, True)
    source = f"[signed-by={site.root}/keys/kubewright.gpg arch=amd64] file:{site.root}/apt"
    suites = [f"{source} {name} main" for name in ("stable-1.36", "withdrawn")]
    more = private_apt.made(tmp_path / "root", *suites)
    run_program([tool("apt-get"), "update"], env=more)
    said = run_program([tool("apt-cache"), "policy", "kubelet"], env=more).stdout
    assert "Candidate: 1.36.3-1\n" in said
    wanted: list[str | Path] = [tool("apt-get"), "--print-uris", "--yes", "download"]
    asked = run_program([*wanted, "kubelet=1.36.4-1"], env=more).stdout
    assert "kubelet_1.36.4-1_amd64.deb" in asked
    assert "kubelet_1.36.3-1_amd64.deb" in run_program([*wanted, "kubelet"], env=more).stdout


def test_no_way_back_leads_to_what_is_withdrawn(site: Site, keys: Keys) -> None:
    site.withdraw(keys, NEW)
    with pytest.raises(KubewrightError, match="is what is there already"):
        channels.rollback("stable-1.36", site.later(), shipped(), keys, 2)
    with pytest.raises(KubewrightError, match=f"{NEW}: was withdrawn: CVE-2026-1.* --again"):
        site.promote(keys, NEW, "testing")
    site.promote(keys, OTHER, "stable-1.36")
    channels.rollback("stable-1.36", site.later(), shipped(), keys, 2)
    assert site.lists(NEW, "stable-1.36") == (False, False)
    assert site.channel("stable-1.36").current == site.channel("stable").current
    assert site.findings(keys) == []


def test_what_was_withdrawn_comes_back_where_it_was_and_its_repositories_too(
    site: Site, keys: Keys
) -> None:
    before = {name: site.channel(name).releases for name in ("latest", "stable", "stable-1.36")}
    site.withdraw(keys, NEW)
    assert sorted(site.promote(keys, NEW, "testing", again=True)) == sorted([*before, "testing"])
    assert {name: site.channel(name).releases for name in before} == before
    for name in (*before, "testing"):
        assert site.lists(NEW, name) == (True, True)
    assert site.lists(NEW, "withdrawn") == (False, False)
    assert site.channel("withdrawn").releases == ()
    assert site.findings(keys) == []


def test_a_site_may_offer_nothing_and_says_so(site: Site, keys: Keys) -> None:
    for name in (NEW, OLD, OTHER):
        site.withdraw(keys, name)
    assert [*site.root.glob("channels/*.txt")] == []
    assert "Nothing is offered now." in (site.root / layout.FRONT_PAGE).read_text()
    assert site.findings(keys) == []
    site.promote(keys, OTHER, "stable-1.35", again=True)
    assert (site.root / "channels/stable-1.35.txt").read_text() == "v1.35.9"
    assert "Nothing is offered now." not in (site.root / layout.FRONT_PAGE).read_text()
    assert site.findings(keys) == []


def test_the_reason_can_be_corrected_and_the_same_changes_nothing(site: Site, keys: Keys) -> None:
    site.withdraw(keys, NEW)
    done = withdraw(NEW, WHY, site.later(), shipped(), keys)
    assert done.changes == ()
    site.withdraw(keys, NEW, "loses volumes")
    (entry,) = [one for one in site.index().releases if one.name == NEW]
    assert entry.reason == "loses volumes"
    assert {one.reason for one in site.channel("stable").releases if one.name == NEW} == {
        "loses volumes"
    }
    assert site.findings(keys) == []


def test_a_release_is_promoted_by_its_name_or_by_the_channel_that_offers_it(
    site: Site, keys: Keys
) -> None:
    assert site.promote(keys, "latest", "prod") == ["prod"]
    assert site.promote(keys, OTHER, "prod", "older") == ["prod", "older"]
    assert [one.name for one in site.channel("prod").releases] == [NEW, OTHER]
    assert [one.name for one in site.channel("older").releases] == [OTHER]
    for channel in ("prod", "older"):
        assert site.lists(OTHER, channel) == (True, True)
    assert site.findings(keys) == []
    before = (site.root / layout.TIMESTAMP).read_bytes()
    site.promote(keys, OTHER, "prod")
    assert (site.root / layout.TIMESTAMP).read_bytes() == before


@pytest.mark.parametrize(("hours", "goes"), [(47, False), (48, True), (49, True)])
def test_a_release_ripens_before_it_is_promoted(
    site: Site, keys: Keys, hours: int, goes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its age is counted from the first channel that had it, whatever has been published since."""
    site.promote(keys, NEW, "other")
    first = NOW + 2  # the second after which it was built
    settings = site.settings.model_copy(update={"now": first + hours * 3600})
    done = promote("latest", ["prod"], settings, shipped(), keys, after=2 * DAY)
    assert done[0] == NEW
    assert ("prod" in site.state().channels) is goes
    assert ("it is promoted after" in caplog.text) is not goes


WRONG: dict[str, tuple[Callable[[Site, Keys], object], str]] = {
    "an unknown release": (lambda site, keys: site.promote(keys, "v1.1.1-1", "a"), "neither a rel"),
    "a channel of its own": (
        lambda site, keys: site.promote(keys, NEW, "withdrawn"),
        "is for releases that were withdrawn",
    ),
    "no reason": (lambda site, keys: site.withdraw(keys, NEW, "  "), "one line that says why"),
    "two lines": (lambda site, keys: site.withdraw(keys, NEW, "a\nb"), "one line that says why"),
    "a channel": (lambda site, keys: site.withdraw(keys, "stable"), "is a channel"),
    "nobody's release": (lambda site, keys: site.withdraw(keys, "v1.9.9-1"), "neither a release"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_done_is_named_and_changes_nothing(
    site: Site, keys: Keys, what: str
) -> None:
    call, why = WRONG[what]
    before = (site.root / layout.TIMESTAMP).read_bytes()
    with pytest.raises(KubewrightError, match=why):
        call(site, keys)
    assert (site.root / layout.TIMESTAMP).read_bytes() == before


def test_the_first_publication_of_a_channel_can_be_taken_back(site: Site, keys: Keys) -> None:
    with pytest.raises(KubewrightError, match="--to 0 takes the first one back too"):
        channels.rollback("stable-1.35", site.later(), shipped(), keys, None)
    record, _ = channels.rollback("stable-1.35", site.later(), shipped(), keys, 0)
    assert record.releases == ()
    assert not (site.root / "channels/stable-1.35.txt").exists()
    assert site.lists(OTHER, "stable-1.35") == (False, False)
    assert site.findings(keys) == []
    channels.rollback("stable-1.35", site.later(), shipped(), keys, 1)
    assert site.lists(OTHER, "stable-1.35") == (True, True)
    assert site.findings(keys) == []


def test_a_rollback_says_who_offers_the_release_still(site: Site, keys: Keys) -> None:
    record, _ = channels.rollback("stable", site.later(), shipped(), keys, None)
    assert channels.offering(site.settings, record) == {"latest": NEW, "stable-1.36": NEW}


def test_history_keeps_why(site: Site, keys: Keys) -> None:
    site.settings = site.settings.model_copy(update={"note": "because"})
    channels.rollback("stable", site.later(), shipped(), keys, None)
    assert site.channel("stable").note == "because"
    site.settings = site.settings.model_copy(update={"note": ""})
    site.withdraw(keys, OLD)
    assert site.channel("stable").note == f"withdrawn: {WHY}"


VERBS: dict[str, Callable[[Settings, Keys], object]] = {
    "promote": lambda to, keys: promote(OLD, ["test"], to, shipped(), keys),
    "withdraw": lambda to, keys: withdraw(NEW, WHY, to, shipped(), keys),
    "rollback": lambda to, keys: channels.rollback("stable", to, shipped(), keys, None),
    "refresh": lambda to, keys: channels.refresh(to, shipped(), keys),
    "prune": lambda to, keys: prune(Retention(1, 0), to, shipped(), keys),
    "publish": lambda to, keys: publish(Workspace(to.dist / NEW), to, shipped(), keys),
}
ADDRESS = "http://127.0.0.1/kw"


@pytest.mark.parametrize("verb", VERBS)
def test_a_site_keeps_its_address_without_being_told(
    verb: str, build: Callable[..., Settings], keys: Keys, tmp_path: Path
) -> None:
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        at = build(tmp_path, version, now=NOW + number, url=ADDRESS)
    later = at.model_copy(update={"now": NOW + 20 * DAY, "channels": ("test",), "url": ""})
    VERBS[verb](later, keys)
    assert verify.verify(at.site, [], now=later.now).findings == ()
    reader = Reader(store(at))
    state = reader.present().state
    assert state is not None
    assert state.url == ADDRESS
    assert {one.url for one in reader.channels(state).values()} == {ADDRESS}
    with pytest.raises(RequestError, match=r"published as .*/kw, not http://other"):
        VERBS[verb](later.model_copy(update={"url": "http://other.invalid"}), keys)


def test_a_release_is_made_for_the_address_of_its_site_or_refused_before_any_work(
    build: Callable[..., Settings], tmp_path: Path
) -> None:
    at = build(tmp_path, "v1.36.3", url=ADDRESS, channels=("test",))
    build(tmp_path, "v1.36.4", now=NOW + 1, channels=("test",))
    assert verify.verify(at.site, [], now=NOW + 2).findings == ()
    assert verify.verify(at.site, [], verify.Demands(url=ADDRESS), now=NOW + 2).findings == ()
    with pytest.raises(RequestError, match=r"pass --url .*/kw,"):
        build(tmp_path, "v1.35.9", now=NOW + 3, url="http://other.invalid", channels=("test",))
    assert not (at.dist / OTHER / "package.json").exists()
    assert not (at.dist / OTHER / "release.json").exists()
