"""The pages of a site: what they say follows from its documents, whatever the site has come to."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from kubewright import log
from kubewright.cli.shipped import shipped
from kubewright.errors import VerificationFailed
from kubewright.models.manifest import Manifest
from kubewright.models.minor import MinorReleases
from kubewright.models.site import Channel, ChannelRelease, Index, IndexedRelease
from kubewright.settings import Settings
from kubewright.site import channels as channel_rules
from kubewright.site import layout, pages
from kubewright.site.install_commands import MANAGERS, NEWEST, Entry, command, setup
from kubewright.site.pages import documents, front, release, shared

KEY = "A" * 40

VOID = {"meta", "link", "br", "path", "input"}
"""Elements without an end."""


class Page(HTMLParser):
    """A page that was read strictly: every element ends where it should."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.regions: list[dict[str, str | None]] = []
        self.code: list[str] = []
        self.feed(data.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(given["href"] or "")
        for name in ("src", "srcset", "poster"):
            self.loaded += [given[name] or ""] if name in given else []
        if tag == "link":
            self.loaded.append(given["href"] or "")
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "code":
            self.code.append("")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if given.get("role") == "region":
            self.regions.append(given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "path", f"<{tag}/> ends itself"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" in self.open:
            self.code[-1] += data


@pytest.fixture(scope="module")
def manifest(released: Settings) -> Manifest:
    """Of a real release of the sample mirror."""
    path = Path(released.site, "releases/v1.36.4-1/manifest.json")
    return Manifest.from_bytes(path.read_bytes())


def entry(version: str, revision: int = 1, **more: object) -> IndexedRelease:
    name = f"v{version}-{revision}"
    table = {
        "name": name, "kubernetes": version, "status": "superseded", "channels": ("stable",),
        "manifest_url": f"releases/{name}/manifest.json", "manifest_sha256": "0" * 64,
        "components": {"kubernetes": version, "containerd": "2.3.6"},
    }  # fmt: skip
    return IndexedRelease.model_validate({**table, **more})


def offering(*names: str) -> dict[str, Channel]:
    """Channels, each of which offers the release after the equals sign."""
    found = {}
    for text in names:
        channel, _, version = text.partition("=")
        one = ChannelRelease(
            name=f"v{version}-1", kubernetes=version, status="current",
            manifest_url=f"releases/v{version}-1/manifest.json", manifest_sha256="0" * 64,
        )  # fmt: skip
        found[channel] = channel_rules.add(
            None, channel, one, now=1_790_000_000, url="", repo_key=KEY
        )
    return found


def index(*releases: IndexedRelease, url: str = "", **offered: str) -> Index:
    said = {name.replace("_", "-"): release for name, release in offered.items()}
    return Index(sequence=1, issued=1, url=url, channels=said, releases=releases)


def rendered(given: Index, records: dict[str, Channel], manifest: Manifest) -> dict[str, bytes]:
    recipes = shipped()
    shown = pages.Shown(
        given, records, recipes.catalog, lambda one: manifest, recipes.templates, recipes.documents
    )
    return pages.render(shown)


def years(count: int) -> Index:
    """The index of a site with so many releases of four minors."""
    releases = []
    for number in range(count):
        version = f"1.{37 - number * 4 // count}.{number % 100}"
        status = "current" if number in (0, count // 4, count // 2) else "superseded"
        releases.append(entry(version, 1 + number // 100, status=status, end_of_life="2027-06-28"))
    return index(*releases, stable=releases[0].name)


# What a site is made of


def test_a_site_has_a_page_for_each_minor_and_release_and_the_state_names_them(
    released: Settings,
) -> None:
    state = json.loads(Path(released.site, layout.STATE).read_bytes())
    known = Index.from_bytes(Path(released.site, layout.INDEX).read_bytes())
    named = {path for path in state["files"] if layout.is_page(path)}
    assert named == pages.paths(known)
    assert {
        "index.html",
        "minors/1.36.html",
        "minors/1.36.json",
        "releases/v1.36.4-1.html",
    } <= named
    for path in named:
        assert Path(released.site, path).is_file(), path


def test_every_link_of_every_page_leads_to_an_object_of_the_site(released: Settings) -> None:
    site = Path(released.site)
    for path in site.rglob("*.html"):
        place = str(path.relative_to(site))
        page = Page(path.read_bytes())
        for link in page.links:
            target = urlsplit(urljoin(f"http://site/{place}", link))
            if target.netloc != "site":
                continue
            goal = site / target.path.lstrip("/")
            assert goal.is_file(), f"{place}: {link}"
            if target.fragment:
                assert target.fragment in Page(goal.read_bytes()).ids, f"{place}: {link}"


def test_a_page_loads_nothing_from_anywhere(released: Settings) -> None:
    for path in Path(released.site).rglob("*.html"):
        text = path.read_text()
        page = Page(text.encode())
        other = [one for one in page.loaded if not one.startswith("data:") and "://" in one]
        assert other == [], path
        assert "@import" not in text
        assert not re.search(r"url\((?!['\"]?data:)", text), path


def test_a_page_says_why_it_is_not_for_production_as_far_as_it_knows(released: Settings) -> None:
    site = Path(released.site)
    for name in ("index.html", "releases/v1.36.4-1.html"):
        assert "placeholders from a sample mirror" in (site / name).read_text()
    said = (site / "minors/1.36.html").read_text()
    assert "Not for production." in said
    assert "placeholders for programs, or the signature of a development key" in said


def test_pages_can_be_read_by_keyboard_and_ear(released: Settings) -> None:
    """What a machine can see of WCAG: one h1, no level left out, regions with names, no doubles."""
    for path in Path(released.site).rglob("*.html"):
        page = Page(path.read_bytes())
        levels = [int(tag[1]) for tag in page.headings]
        assert levels.count(1) == 1, path
        for before, after in pairwise(levels):
            assert after <= before + 1, f"{path}: h{before} is followed by h{after}"
        assert len(page.ids) == len(set(page.ids)), path
        for region in page.regions:
            assert region.get("aria-label"), f"{path}: a region without a name"
            assert region.get("tabindex") == "0", f"{path}: a region that no key scrolls"


# Whatever the site has come to


@pytest.mark.parametrize("count", [1, 20, 100, 400])
def test_no_page_grows_with_the_age_of_the_site_but_the_minors_own(
    manifest: Manifest, count: int
) -> None:
    given = years(count)
    records = offering(f"stable={given.releases[0].kubernetes}")
    made = rendered(given, records, manifest)
    assert len(made[layout.FRONT_PAGE]) <= 60_000
    releases = [len(data) for path, data in made.items() if path.startswith("releases/")]
    assert max(releases) <= 60_000
    for data in (made[layout.FRONT_PAGE], made["minors/1.37.html"]):
        Page(data)


@pytest.mark.parametrize("url", ["", "https://packages.example.org", "http://packages.example.org"])
def test_every_command_on_a_page_comes_from_the_one_source(manifest: Manifest, url: str) -> None:
    given = index(entry("1.36.4", status="current"), url=url, stable_1_36="v1.36.4-1")
    given = given.model_copy(update={"channels": {"stable-1.36": "v1.36.4-1"}})
    records = offering("stable-1.36=1.36.4")
    records = {name: one.model_copy(update={"url": url}) for name, one in records.items()}
    made = rendered(given, records, manifest)
    shown = Entry("", site_url=url, channel="stable-1.36", provenance="")
    for path in (layout.FRONT_PAGE, "minors/1.36.html"):
        said = Page(made[path]).code
        for manager in MANAGERS:
            assert setup(manager, shown).strip() in said
            for role in NEWEST:
                wanted = f"{command(manager, role.names[manager.format])}{role.check}"
                assert wanted in said
    exact = Page(made["releases/v1.36.4-1.html"]).code
    assert any("kubernetes-control-plane=1.36.4-1" in one for one in exact)
    assert any("kubernetes-runtime-docker-1.36.4-1" in one for one in exact), "dnf's sign"
    warned = "This address is without TLS" in made[layout.FRONT_PAGE].decode()
    assert warned == url.startswith("http://")


def test_a_page_says_what_was_withdrawn_and_why(manifest: Manifest) -> None:
    gone = entry("1.36.3", status="yanked", channels=("withdrawn",), reason="loses <volumes>")
    given = index(entry("1.36.4", status="current"), gone, stable="v1.36.4-1")
    made = rendered(given, offering("stable=1.36.4"), manifest)
    for path in (layout.FRONT_PAGE, "minors/1.36.html", "releases/v1.36.3-1.html"):
        assert b"loses &lt;volumes&gt;" in made[path], path
    assert b"Withdrawn" in made["releases/v1.36.3-1.html"]
    assert b"loses" not in made["releases/v1.36.4-1.html"]


def test_a_minor_that_no_channel_offers_has_its_page(manifest: Manifest) -> None:
    given = index(
        entry("1.36.4", status="current"), entry("1.35.9", channels=()), stable="v1.36.4-1"
    )
    made = rendered(given, offering("stable=1.36.4"), manifest)
    assert b"No channel offers a release of this minor now" in made["minors/1.35.html"]
    facts = MinorReleases.from_bytes(made["minors/1.35.json"])
    assert (facts.channels, [one.name for one in facts.releases]) == ({}, ["v1.35.9-1"])
    assert facts.released == "2025-12-17"


# What is rendered again


def changed(before: Index, after: Index) -> set[str]:
    """The pages that are not left as they are."""
    return pages.paths(after) - pages.same(before, after) - {layout.FRONT_PAGE, *documents.paths()}


def test_a_release_renders_its_page_and_those_that_it_changes_and_no_others() -> None:
    old, older = entry("1.36.3", status="current"), entry("1.35.9", status="current")
    before = index(old, older, stable="v1.36.3-1")
    new = entry("1.36.4", status="current", upgrades_from=("v1.36.3-1",))
    after = index(new, old.model_copy(update={"status": "superseded"}), older, stable="v1.36.4-1")
    assert changed(before, after) == {
        "releases/v1.36.4-1.html", "releases/v1.36.3-1.html", "minors/1.36.html",
        "minors/1.36.json",
    }  # fmt: skip
    assert changed(after, after) == set()
    moved = after.model_copy(update={"url": "https://elsewhere.example.org"})
    assert changed(after, moved) == pages.paths(after) - {layout.FRONT_PAGE, *documents.paths()}


def test_a_page_follows_the_release_that_it_compares_with() -> None:
    newer, older = entry("1.36.3"), entry("1.35.8")
    before = index(newer, older)
    after = index(newer, entry("1.35.9"), older)
    assert "releases/v1.36.3-1.html" in changed(before, after)
    assert "releases/v1.36.3-1.html" in changed(after, before)


def test_a_lost_manifest_is_no_reason_to_make_no_pages(manifest: Manifest) -> None:
    given = index(entry("1.36.4", status="current"), entry("1.35.9"), stable="v1.36.4-1")
    recipes = shipped()

    def read(one: ChannelRelease | IndexedRelease) -> Manifest:
        if one.name == "v1.35.9-1":
            raise VerificationFailed(one.manifest_url, "missing", "restore it")
        return manifest

    folders = recipes.templates, recipes.documents
    records = offering("stable=1.36.4")
    made = pages.render(pages.Shown(given, records, recipes.catalog, read, *folders))
    assert pages.paths(given) - made.keys() == {"releases/v1.35.9-1.html"}


def test_where_everything_is_withdrawn_nothing_is_offered(manifest: Manifest) -> None:
    gone = entry("1.36.4", status="yanked", channels=("stable", "withdrawn"), reason="a fault")
    records = offering("withdrawn=1.36.4", "stable=1.36.4")
    none = ChannelRelease.model_validate({
        **records["stable"].releases[0].model_dump(), "status": "yanked", "reason": "a fault",
    })  # fmt: skip
    records["stable"] = records["stable"].model_copy(update={"releases": (none,)})
    made = rendered(index(gone), records, manifest)
    front_page = made[layout.FRONT_PAGE].decode()
    assert "Nothing is offered now" in front_page
    assert "apt-get install kubernetes-node" not in front_page
    assert "channels/withdrawn.txt" not in front_page
    assert b"Suites: withdrawn" in made["releases/v1.36.4-1.html"], "for who names its version"


def test_a_release_of_no_channel_has_no_lines_that_install_it(manifest: Manifest) -> None:
    given = index(entry("1.36.4", status="current"), entry("1.35.9", channels=()))
    made = rendered(given, offering("stable=1.36.4"), manifest)
    assert b"Suites:" not in made["releases/v1.35.9-1.html"]
    assert b"Suites:" in made["releases/v1.36.4-1.html"]


def test_the_minors_stable_channel_comes_before_others(manifest: Manifest) -> None:
    names = ("beta-1.36", "latest", "stable", "stable-1.36")
    assert sorted(names, key=shared.nearest("1.36")) == [
        "stable-1.36", "beta-1.36", "latest", "stable",
    ]  # fmt: skip
    records = offering(*(f"{name}=1.36.4" for name in names))
    given = index(entry("1.36.4", status="current", channels=names))
    given = given.model_copy(update={"channels": dict.fromkeys(names, "v1.36.4-1")})
    made = rendered(given, records, manifest)
    for path in (layout.FRONT_PAGE, "minors/1.36.html", "releases/v1.36.4-1.html"):
        assert b"Suites: stable-1.36" in made[path], path
    only = rendered(
        given.model_copy(update={"channels": {"latest": "v1.36.4-1"}}), records, manifest
    )
    assert b"goes on to the next minor" in only["minors/1.36.html"]


def test_a_channel_that_goes_on_changes_the_pages_of_both_minors() -> None:
    both = (entry("1.36.4", status="current"), entry("1.35.9", status="current"))
    before, after = index(*both, stable="v1.35.9-1"), index(*both, stable="v1.36.4-1")
    assert changed(before, after) == {
        "minors/1.35.html", "minors/1.35.json", "minors/1.36.html", "minors/1.36.json",
    }  # fmt: skip


def test_pages_of_releases_that_are_no_more_leave_the_state() -> None:
    files = {
        "index.html": "a", "minors/1.35.html": "b", "minors/1.36.html": "c", "keys/x.gpg": "d",
        "releases/v1.36.4-1.html": "e", "releases/v1.35.9-1.html": "f", "schemas/index.json": "g",
    }  # fmt: skip
    there = pages.paths(index(entry("1.36.4")))
    assert pages.left(files, there).keys() == files.keys() - {
        "minors/1.35.html", "releases/v1.35.9-1.html",
    }  # fmt: skip


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (">=1.35.0,<1.36.0", "any 1.35"),
        (">=1.36.0-0,<=1.36.4", "1.36 up to 1.36.4"),
        (">=1.35.0,<1.37.0", ">=1.35.0,<1.37.0"),
        ("=1.36.1 || =1.36.2", "=1.36.1 || =1.36.2"),
    ],
)
def test_ranges_are_said_in_words(text: str, words: str) -> None:
    assert release.in_words(text) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_940_000, "9.9 MB"), (46_300_000, "46 MB"),
     (1_250_000_000, "1.2 GB")],
)  # fmt: skip
def test_sizes_are_said_in_words(count: int, words: str) -> None:
    assert log.amount(count) == words


@pytest.mark.parametrize(
    ("key", "name"),
    [("debian-12", "Debian 12"), ("ubuntu-24.04", "Ubuntu 24.04"), ("rhel-9", "RHEL and its kin 9"),
     ("opensuse-leap-16.0", "openSUSE Leap 16.0"), ("opensuse-tumbleweed", "openSUSE Tumbleweed"),
     ("amazon-2023", "Amazon Linux 2023"), ("alpine-3", "Alpine 3")],
)  # fmt: skip
def test_distributions_have_their_names(key: str, name: str) -> None:
    assert shared.distribution_name(key) == name


def bars(table: dict[str, object]) -> Iterator[tuple[float, float]]:
    rows = table["rows"]
    assert isinstance(rows, list)
    for row in rows:
        if row["bar"]:
            yield row["bar"]["left"], row["bar"]["left"] + row["bar"]["width"]


@pytest.mark.parametrize("today", ["2020-01-01", "2026-11-30", "2040-01-01"])
def test_the_timeline_stays_within_its_picture(today: str) -> None:
    given = index(
        entry("1.36.4", status="current", end_of_life="2027-06-28"),
        entry("1.35.9", end_of_life="2027-02-28"), entry("1.99.0"),
    )  # fmt: skip
    table = front.timeline(given, shipped().catalog, today)
    places = [*bars(table)]
    assert min(left for left, _ in places) == 0
    assert max(right for _, right in places) == pytest.approx(100, abs=0.1)
    assert 0 <= table["today"] <= 100
    assert all(0 < one["left"] <= 100 for one in table["years"])
    assert front.timeline(index(entry("1.99.0")), {}, today)["years"] == []


# Our documentation on a site


@pytest.mark.parametrize(
    ("link", "goal"),
    [
        ("https://example.org/x.md", "https://example.org/x.md"), ("#one", "#one"),
        ("install.md", "install.html"), ("upgrade.md#a-minor", "upgrade.html#a-minor"),
        ("install.sh", "../install.sh"), ("keys.md", None), ("../README.md", None),
        ("install", None),
    ],
)  # fmt: skip
def test_links_of_documentation_lead_to_what_a_site_has(link: str, goal: str | None) -> None:
    assert documents.target(link) == goal
    title, text = documents.rendered(f"# A page\n\nSee [the *word*]({link}).\n")
    assert title == "A page"
    wanted = f'<a href="{goal}">the <em>word</em></a>' if goal else "See the <em>word</em>."
    assert wanted in text


def test_documentation_keeps_its_commands_and_loses_its_comments() -> None:
    commands = "<!-- acceptance: x -->\n```sh\ncurl $SITE | a <b>\n```\n"
    source = f"# T\n\n{commands}\n## One command\n\n| a |\n|---|\n| b |\n"
    _, text = documents.rendered(source)
    assert "acceptance" not in text
    assert "<code>curl $SITE | a &lt;b&gt;</code>" in text
    assert '<h2 id="one-command">' in text
    assert text.count("<table>") == text.count("</table></div>") == 1


def test_a_site_has_the_guide_and_the_installer_of_this_version(released: Settings) -> None:
    site = Path(released.site)
    installer = shipped().documents / "install.sh"
    assert (site / "install.sh").read_bytes() == installer.read_bytes()
    page = Page((site / "docs/install.html").read_bytes())
    commands = "sudo apt-get update && sudo apt-get install kubernetes-control-plane"
    assert commands in page.code
