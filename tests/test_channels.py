"""What publications make of channels and of the index."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import PublicationConflict, RequestError
from kubewright.models.base import DAY
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import LONGEST, Channel, ChannelRelease, Index
from kubewright.repos import apt
from kubewright.settings import Settings
from kubewright.site import channels, freshness, index
from kubewright.site.identity import Identity
from kubewright.site.index import Declared, Named
from kubewright.site.pages import front

KEY = "A" * 40


def release(version: str, revision: int = 1, digest: str = "0") -> ChannelRelease:
    name = f"v{version}-{revision}"
    return ChannelRelease(
        name=name, kubernetes=version, status="current",
        manifest_url=f"releases/{name}/manifest.json", manifest_sha256=digest * 64,
    )  # fmt: skip


def published(*versions: str, channel: str = "stable-1.36") -> Channel:
    record = None
    for number, version in enumerate(versions):
        record = channels.add(
            record, channel, release(version), now=1000 + number, url="", repo_key=KEY
        )
    assert record is not None
    return record


def statuses(record: Channel) -> dict[str, str]:
    return {one.kubernetes: one.status for one in record.releases}


def test_the_newest_release_is_current_and_the_others_stay() -> None:
    assert statuses(published("1.36.3", "1.36.4")) == {"1.36.4": "current", "1.36.3": "superseded"}


def test_an_older_patch_published_later_does_not_become_current() -> None:
    assert statuses(published("1.36.4", "1.36.3")) == {"1.36.4": "current", "1.36.3": "superseded"}


def test_a_higher_revision_supersedes() -> None:
    record = channels.add(
        published("1.36.4"), "stable-1.36", release("1.36.4", 2), now=2000, url="", repo_key=KEY
    )
    ranked = [(one.name, one.status) for one in record.releases]
    assert ranked == [("v1.36.4-2", "current"), ("v1.36.4-1", "superseded")]


def test_publishing_the_same_again_changes_nothing() -> None:
    record = published("1.36.4")
    assert (
        channels.add(record, "stable-1.36", release("1.36.4"), now=9999, url="", repo_key=KEY)
        is record
    )


def test_a_published_release_never_changes() -> None:
    with pytest.raises(
        PublicationConflict, match=r"v1.36.4-1 is published with another manifest .*--revision"
    ):
        channels.add(
            published("1.36.4"),
            "stable-1.36",
            release("1.36.4", digest="f"),
            now=2000,
            url="",
            repo_key=KEY,
        )


def test_each_publication_has_the_next_number_and_time_never_goes_back() -> None:
    first = published("1.36.3")
    now = first.issued - 60
    second = channels.add(first, "stable-1.36", release("1.36.4"), now=now, url="", repo_key=KEY)
    assert (second.sequence, second.issued) == (2, first.issued)


def test_a_rollback_is_a_new_publication_with_the_old_content() -> None:
    first, now = published("1.36.3"), published("1.36.3", "1.36.4")
    back = channels.rollback(now, first, now=3000, repo_key=KEY)
    assert (back.sequence, back.rollback_of, back.releases) == (3, 2, first.releases)


def test_rolling_back_to_what_is_there_is_refused() -> None:
    record = published("1.36.3")
    with pytest.raises(RequestError, match="is what is there already"):
        channels.rollback(record, record, now=3000, repo_key=KEY)


@pytest.mark.parametrize(
    ("asked", "days"), [(10, 10), (None, 10), (5, 5), (15, 15), (0, None)],
    ids=["the same", "nobody asks", "shorter", "longer", "switched off"],
)  # fmt: skip
@pytest.mark.parametrize("days_later", [0, 4, 6, 60])
def test_publishing_again_changes_how_long_a_channel_is_good_for_only_if_asked(
    days_later: int, asked: int | None, days: int | None
) -> None:
    first = channels.add(
        None, "stable", release("1.36.4"), now=1000, url="", repo_key=KEY, valid_for=10
    )
    assert (first.valid_until, first.valid_for) == (1000 + 10 * DAY, 10)
    now = 1001 + days_later * DAY
    again = channels.add(
        first, "stable", release("1.36.4"), now=now, url="", repo_key=KEY, valid_for=asked
    )
    if days == 10:
        assert again is first
        assert channels.resign(first, now=now, repo_key=KEY) is first
    else:
        assert again.sequence == 2
        assert again.valid_until == (None if days is None else now + days * DAY)


@pytest.mark.parametrize(
    ("days_later", "due"), [(0, False), (4, False), (5, False), (6, True), (11, True), (60, True)],
    ids=["at once", "more than half left", "half left", "less", "expired", "long expired"],
)  # fmt: skip
def test_a_suite_is_due_when_less_than_half_of_its_days_are_left(
    days_later: int, due: bool
) -> None:
    record = channels.add(
        None, "stable", release("1.36.4"), now=1000, url="", repo_key=KEY, valid_for=10
    )
    now = 1000 + days_later * DAY
    assert freshness.is_due(record, 0, now) is due
    assert freshness.dates(record, 0) == (1000, 1000 + 10 * DAY)
    assert freshness.dates(record, now + 1) == (now + 1, now + 1 + 10 * DAY)
    assert not freshness.is_due(record, now + 1, now)
    lasting = record.model_copy(update={"valid_for": None, "valid_until": None})
    assert not freshness.is_due(lasting, 0, now)
    assert freshness.dates(lasting, now + 1) == (1000, None)


def test_a_channel_that_expires_does_so_with_every_new_content() -> None:
    first = channels.add(
        None, "stable", release("1.36.3"), now=1000, url="", repo_key=KEY, valid_for=10
    )
    second = channels.add(first, "stable", release("1.36.4"), now=2000, url="", repo_key=KEY)
    back = channels.rollback(second, first, now=3000, repo_key=KEY)
    ends = [(one.valid_for, (one.valid_until or 0) - one.issued) for one in (first, second, back)]
    assert ends == [(10, 10 * DAY)] * 3
    off = channels.rollback(back, second, now=4000, repo_key=KEY, valid_for=0)
    assert (off.valid_for, off.valid_until) == (None, None)


def test_a_channel_that_does_not_expire_stays_so() -> None:
    first = published("1.36.4")
    assert channels.resign(first, now=2000, repo_key=KEY) is first
    other = channels.resign(first, now=2000, repo_key="B" * 40)
    assert (other.sequence, other.valid_for, other.valid_until) == (2, None, None)
    again = channels.add(
        first, "stable-1.36", release("1.36.4"), now=9 * DAY, url="", repo_key=KEY, valid_for=0
    )
    assert again is first


def test_a_publisher_whose_clock_is_behind_publishes_the_same_only_once() -> None:
    first = channels.add(
        None, "stable", release("1.36.3"), now=1000, url="", repo_key=KEY, valid_for=10
    )
    second = channels.add(
        first, "stable", release("1.36.4"), now=990, url="", repo_key=KEY, valid_for=10
    )
    assert (second.issued, second.valid_until) == (1000, 1000 + 10 * DAY)
    again = channels.add(
        second, "stable", release("1.36.4"), now=995, url="", repo_key=KEY, valid_for=10
    )
    assert again is second
    assert channels.resign(second, now=990, repo_key=KEY) is second


@pytest.mark.parametrize(
    ("version", "there", "expected"),
    [
        ("1.36.4", {}, ("stable-1.36", "stable", "latest")),
        ("1.36.4", {"stable": "1.36.3", "latest": "1.36.3"}, ("stable-1.36", "stable", "latest")),
        ("1.35.9", {"stable": "1.36.4", "latest": "1.37.0-rc.1"}, ("stable-1.35",)),
        ("1.36.4", {"stable": "1.36.4", "latest": "1.37.0-rc.1"}, ("stable-1.36", "stable")),
        ("1.37.0-rc.1", {"latest": "1.36.4"}, ("latest",)),
        ("1.37.0-rc.1", {"latest": "1.37.0"}, ()),
    ],
)
def test_channels_by_default(
    version: str, there: dict[str, str], expected: tuple[str, ...]
) -> None:
    records = {name: published(current, channel=name) for name, current in there.items()}
    assert channels.default_channels(version, records) == expected


def derived(
    previous: Index | None,
    records: Sequence[Channel],
    minors: Mapping[str, MinorFacts] | None = None,
    new: Mapping[str, Declared] | None = None,
    *,
    now: int,
) -> Index:
    """The index that follows from channels."""
    parent = files.sha256(previous.to_bytes()) if previous else None
    made, _ = index.derive(
        previous,
        parent,
        records,
        minors or {},
        new or {},
        now=now,
        whose=Identity("", ""),
        keys=Named(()),
    )
    return made


def test_the_index_lists_every_release_with_its_channels_and_edges() -> None:
    records = [published("1.36.3", "1.36.4"), published("1.35.9", channel="stable-1.35")]
    ranges, brings = (">=1.36.0-0,<=1.36.4", ">=1.35.0,<1.36.0"), {"etcd": "3.6.9"}
    says = {"v1.36.4-1": Declared(ranges, "3.6.9", brings)}
    minors = {"1.36": shipped().catalog["1.36"]}
    made = derived(None, records, minors, says, now=2000)
    newest = made.releases[0]
    assert [one.name for one in made.releases] == ["v1.36.4-1", "v1.36.3-1", "v1.35.9-1"]
    assert (newest.channels, newest.end_of_life) == (("stable-1.36",), "2027-06-28")
    assert newest.upgrades_from == ("v1.36.3-1", "v1.35.9-1")
    assert (newest.upgrade_ranges, newest.etcd, newest.components) == (ranges, "3.6.9", brings)
    assert derived(made, records, minors, says, now=3000) is made
    assert derived(made, records, minors, {}, now=3000) is made, "it remembers what it was told"


def test_the_index_asks_for_what_it_does_not_know_yet() -> None:
    records = [published("1.36.3", "1.36.4"), published("1.36.4", channel="latest")]
    assert index.unknown(None, records).keys() == {"v1.36.3-1", "v1.36.4-1"}
    before = derived(None, [published("1.36.3")], now=1)
    assert index.unknown(before, records).keys() == {"v1.36.4-1"}
    assert index.unknown(derived(before, records, now=2), records) == {}


def test_a_release_that_left_its_channel_stays_in_the_index() -> None:
    both = published("1.36.3", "1.36.4")
    before = derived(None, [both], now=3000)
    back = channels.rollback(both, published("1.36.3"), now=3000, repo_key=KEY)
    after = derived(before, [back], now=2900)
    gone = next(one for one in after.releases if one.name == "v1.36.4-1")
    assert (gone.channels, gone.status) == ((), "superseded")
    assert (after.sequence, after.issued) == (2, before.issued), "time never goes back"
    assert after.parent == files.sha256(before.to_bytes())


def test_the_front_page_presents_stable_or_else_the_newest_release(released: Settings) -> None:
    manifest = Manifest.from_bytes(
        Path(released.site, "releases/v1.36.4-1/manifest.json").read_bytes()
    )
    names = {"stable-1.9": "1.9.11", "stable-1.36": "1.36.4", "stable-1.37": "1.37.1"}
    records = {name: published(version, channel=name) for name, version in names.items()}
    made = derived(None, list(records.values()), now=3000)
    assert front.presented(records, made).name == "v1.37.1-1"
    shown = front.variables(made, manifest, records, {})
    assert (shown["latest"]["version"], shown["channel"]) == ("v1.37.1", "stable-1.37")
    records["stable"] = published("1.36.4", channel="stable")
    assert front.presented(records, made).name == "v1.36.4-1"
    assert front.variables(made, manifest, records, {})["latest"]["version"] == "v1.36.4"


def test_a_channel_is_not_valid_for_longer_than_a_date_can_say(released: Settings) -> None:
    longest = Settings.model_validate({**released.model_dump(), "valid_for": LONGEST}).valid_for
    record = channels.add(
        None, "stable", release("1.36.4"), now=released.now, url="", repo_key=KEY, valid_for=longest
    )
    assert record.valid_until is not None
    rendered = apt.suite({}, suite="stable", issued=record.issued, valid_until=record.valid_until)
    assert rendered["Release"].count(b"Valid-Until: ") == 1
    with pytest.raises(ValueError, match="valid_for"):
        Settings.model_validate({**released.model_dump(), "valid_for": 3_000_000})
