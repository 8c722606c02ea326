"""A site in a bucket: its whole life, what is asked of the store and in which order, who reads."""

import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
from botocore.exceptions import BotoCoreError
from buckets import NOW, account, in_new_bucket, opened, problems, put
from exhaustive import ALL, WANTED
from s3_server import Hinder, Request, losing, on_the_way, running

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.clients import Installed, apt, dnf, run_installed
from kubewright.errors import DiskError, KubewrightError, RequestError, UpstreamUnreachable
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import bucket, bucket_parts, conditions, edit, layout, objects, writing
from kubewright.site.bucket import BucketStore
from kubewright.site.store import Store
from kubewright.stages import channels, history
from kubewright.stages import store as stores
from kubewright.stages.repair import repair_site
from kubewright.stages.withdraw import withdraw

RIVALS = 16 if ALL else 8 if WANTED else 4
"""Each begins anew after every other: their work grows with the square of their number."""

COPIES = "x-amz-copy-source"
"""The header of a copy that the store makes by itself."""

NAMES = ("v1.35.9-1", "v1.36.3-1", "v1.36.4-1")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def patch() -> Iterator[pytest.MonkeyPatch]:
    with account() as patched:
        yield patched


@pytest.fixture
def home(server: str, signed: Settings) -> Settings:
    """An empty bucket for what is signed in `dist/`."""
    return in_new_bucket(signed, server)


def test_a_site_lives_in_a_bucket(home: Settings, keys: Keys) -> None:
    put(home, keys, NAMES[0])
    assert problems(home, keys) == []
    site = opened(home)
    before = {path: site.get(path) for path in site.list("")}
    put(home, keys, NAMES[0])
    assert {path: site.get(path) for path in site.list("")} == before
    put(home.model_copy(update={"now": NOW + 60}), keys, NAMES[1])
    later = home.model_copy(update={"now": NOW + 120})
    record, _ = channels.rollback("stable", later, shipped(), keys, None)
    assert [release.name for release in record.releases] == [NAMES[0]]
    assert channels.refresh(later, shipped(), keys)[:2] == ((), ())
    assert [one.sequence for one in history.history("stable", later)] == [1, 2, 3]
    assert problems(later, keys) == []


def everything_in(site: BucketStore) -> dict[str, bytes]:
    found = {path: site.get(path) for path in site.list("")}
    return {path: stored.data for path, stored in found.items() if stored}


def test_damage_in_a_bucket_is_named_and_healed(home: Settings, keys: Keys) -> None:
    put(home, keys, NAMES[0])
    site = opened(home)
    right = everything_in(site)
    pool = next(path for path in right if path.startswith("apt/pool/") and "kubelet_" in path)
    rpm = next(path for path in right if path.startswith("yum/pool/kubelet-"))
    for path in (layout.INDEX, layout.TIMESTAMP, "channels/stable.json"):
        site.put(path, b"damaged")
    site.put(pool, right[pool][:-1] + b"x")  # of the same size
    for path in (rpm, "apt/dists/stable/InRelease"):
        site.delete(path)
    named = {line.partition(":")[0] for line in problems(home, keys)}
    assert named >= {layout.INDEX, layout.TIMESTAMP}
    nothing_here = home.model_copy(update={"dist": home.dist / "none"})
    report, _ = repair_site(nothing_here, shipped(), keys)
    assert {finding.place for finding in report.findings} == {pool}
    assert site.get(rpm) is not None, "a plain repository has it too"
    site.put(pool, right[pool])
    assert everything_in(site) == right


def test_what_nothing_names_in_a_bucket_stays_for_a_day(
    home: Settings, patch: pytest.MonkeyPatch
) -> None:
    """It may be of somebody who is about to name it; a bucket does not say who is."""
    site = opened(home)
    site.put("yum/pool/stray.rpm", b"stray")
    assert stores.abandoned(site, ["yum/pool/stray.rpm"]) == []
    patch.setattr(stores, "DAY", -60)
    assert stores.abandoned(site, ["yum/pool/stray.rpm", "gone"]) == ["yum/pool/stray.rpm"]


def test_a_dry_run_writes_nothing_in_a_bucket_and_tells_what_the_run_then_does(
    home: Settings, keys: Keys
) -> None:
    put(home, keys, NAMES[0])
    with on_the_way() as way:
        _, told = put(home.model_copy(update={"dry_run": True}), keys, NAMES[1])
    assert {one.method for one in way.requests} == {"GET", "HEAD"}
    assert put(home, keys, NAMES[1])[1] == told


# What is asked, and when


def test_a_publication_takes_four_rounds_of_writing(
    home: Settings, keys: Keys, record_property: Callable[[str, object], None]
) -> None:
    """What goes in one round waits for nothing of it."""
    put(home, keys, NAMES[0])
    put(home, keys, NAMES[1])
    with on_the_way() as way:
        put(home.model_copy(update={"now": NOW + 60}), keys, NAMES[2])
    writes = [one for one in way.requests if one.method == "PUT"]
    text = f"{len(writes)} of {len(way.requests)} requests write"
    rounds = sorted({one.round for one in writes})
    last = max(one.round for one in way.requests)
    record_property(
        "covered",
        f"publishing a third release in a bucket: {text}, in {len(rounds)} rounds of {last} in all",
    )
    assert (len(rounds), last) == (4, 9)
    assert len(way.requests) < 330
    assert kinds(writes) == [
        (rounds[0], "immutable"), (rounds[1], "copy"), (rounds[1], "swap"), (rounds[2], "pointer"),
        (rounds[3], "last word"),
    ]  # fmt: skip


def test_a_withdrawal_asks_for_all_releases_that_stay_at_once(home: Settings, keys: Keys) -> None:
    for name in NAMES:
        put(home, keys, name)
    reading = []
    for number, name in enumerate(NAMES[:2]):
        later = home.model_copy(update={"now": NOW + 60 * (number + 1)})
        with on_the_way() as way:
            withdraw(name, "a fault", later, shipped(), keys)
        reading.append(min(one.round for one in way.requests if one.method == "PUT") - 1)
    assert reading == [5, 6], "the second has a channel of withdrawn releases to read, too"
    assert problems(later, keys) == []


def kinds(writes: Sequence[Request]) -> list[tuple[int, str]]:
    """What is written in each round."""
    found = set()
    for one in writes:
        path = one.path.removeprefix("site/")
        kind = {layout.TIMESTAMP: "swap", layout.FINISHED: "last word"}.get(path, "pointer")
        kind = "immutable" if layout.is_immutable(path) else kind
        found.add((one.round, "copy" if COPIES in one.headers else kind))
    return sorted(found)


def test_what_changes_nothing_is_few_reads_and_no_write(home: Settings, keys: Keys) -> None:
    put(home, keys, NAMES[0])
    opened(home).delete(conditions.NOTE)
    with on_the_way() as way:
        put(home, keys, NAMES[0])
    assert {one.method for one in way.requests} == {"GET", "HEAD"}, "nor is the store tried"
    assert len(way.requests) <= 40
    assert not [one.path for one in way.requests if "pool/" in one.path]


def test_caches_are_told_what_changes(home: Settings, keys: Keys) -> None:
    """By what is sent: not every store says it again."""
    with on_the_way() as way:
        put(home, keys, NAMES[0])
    said = {
        one.path.removeprefix("site/"): one.headers.get("cache-control", "")
        for one in way.requests
        if one.method == "PUT" and ".kubewright/" not in one.path
    }
    assert set(said) == set(opened(home).list(""))
    lasting = {path for path, text in said.items() if text == bucket.FOREVER}
    assert lasting == {path for path in said if layout.is_immutable(path)}
    assert {said[path] for path in said.keys() - lasting} == {bucket.ASK}
    starts = ("apt/pool/", "yum/pool/", "yum/snapshots/", "releases/v", "tuf/1.", "keys/history/")
    for start in (*starts, "yum/stable/x86_64/Packages/", "publications/site/"):
        assert any(path.startswith(start) for path in lasting), start
    changing = (layout.TIMESTAMP, layout.STATE, layout.FINISHED, layout.INDEX, layout.FRONT_PAGE)
    for path in (*changing, "apt/dists/stable/InRelease", "yum/stable/x86_64/repodata/repomd.xml"):
        assert path in said.keys() - lasting


def test_other_stores_are_sent_no_checksums_of_amazons(home: Settings) -> None:
    with on_the_way() as way:
        opened(home).put("a", b"text")
    assert not [name for name in way.requests[0].headers if "checksum" in name or "trailer" in name]


@pytest.mark.parametrize("how", ["", "drop", "after", "503"])
def test_a_large_object_goes_in_parts_and_is_read_piece_by_piece(
    home: Settings, patch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    patch.setattr(bucket, "LARGE", 6 << 20)
    patch.setattr(bucket, "PART", 5 << 20)
    large = tmp_path / "large.tar"
    large.write_bytes(os.urandom(13 << 20))
    site, digest = opened(home), files.sha256_of(large)

    def hinder(request: Request) -> str:
        return how if request.number in (1, 3, 6) else ""

    with on_the_way(hinder) as way:
        site.put("images/large.tar", large, if_absent=True)
    assert sum("partNumber" in one.path for one in way.requests) >= 3
    assert site.sha256("images/large.tar") == digest
    large.write_bytes(b"x" * (7 << 20))
    assert not site.put("images/large.tar", large, if_absent=True)
    assert site.sha256("images/large.tar") == digest


def test_reading_goes_on_where_a_connection_ended(home: Settings) -> None:
    data = os.urandom(3 << 20)
    site = opened(home)
    site.put("a", data)
    found = site.client.get_object(Bucket=site.bucket, Key="site/a")

    class Broken:
        def read(self, _: int) -> bytes:
            raise BotoCoreError

        def close(self) -> None:
            found["Body"].close()

    with bucket_parts.Body(site.client, site.bucket, "site/a", found) as body:
        first = body.read(1 << 20)
        body._body = Broken()
        rest = b"".join(iter(partial(body.read, 1 << 20), b""))
    assert first + rest == data


# Rivals


def publish_together(settings: Settings, keys: Keys) -> None:
    def one(number: int) -> object:
        return put(settings, keys, NAMES[number % 3], f"own-{number}", "common")

    with ThreadPoolExecutor(RIVALS) as pool:
        for done in [pool.submit(one, number) for number in range(RIVALS)]:
            done.result()


def own_channels() -> set[str]:
    return {f"own-{number}" for number in range(RIVALS)}


def everything(settings: Settings) -> set[str]:
    """The channels that rivals have made."""
    names = {one.channel for one in history.list_channels(settings)}
    return {name for name in names if name == "common" or name.startswith("own-")}


def unsound(settings: Settings, keys: Keys, patch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """Begins a site on a store that is not tried, and lets rivals publish there; the channels that
    are lost then.
    """
    patch.setattr(conditions, "is_known", lambda _store: True)

    def lost() -> set[str]:
        put(settings, keys, NAMES[0])
        publish_together(settings.model_copy(update={"now": NOW + 60}), keys)
        return own_channels() - everything(settings)

    return lost


def early(request: Request) -> str:
    return "early" if request.path.endswith(layout.TIMESTAMP) else ""


def without_reading_back(patch: pytest.MonkeyPatch) -> None:
    """Believe a store that says that a swap succeeded."""

    def swapped(store: Store, record: objects.Object, tag: str | None) -> bool:
        assert isinstance(record.content, bytes | Path)
        return store.put(record.path, record.content, if_absent=tag is None, if_tag=tag)

    patch.setattr(writing, "_swap", swapped)
    patch.setattr(edit, "_is_lost", lambda *_: False)


def test_a_store_that_lets_rivals_win_loses_nothing_because_what_was_won_is_read_back(
    home: Settings, keys: Keys, patch: pytest.MonkeyPatch
) -> None:
    with on_the_way(early):
        assert unsound(home, keys, patch)() == set()
    assert problems(home.model_copy(update={"now": NOW + 60}), keys) == []


def test_without_reading_back_publications_are_lost_there(
    home: Settings, keys: Keys, patch: pytest.MonkeyPatch
) -> None:
    without_reading_back(patch)
    with on_the_way(early):
        assert unsound(home, keys, patch)() != set()


@pytest.mark.elsewhere
@pytest.mark.skipif(not WANTED, reason="KUBEWRIGHT_FAULTS=all")
def test_versitygw_is_found_out_and_loses_nothing_because_what_was_won_is_read_back(
    signed: Settings,
    keys: Keys,
    patch: pytest.MonkeyPatch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A real server of that kind."""
    rounds, lost = 3, 0
    with losing(tmp_path) as address:
        fault = conditions.found_fault(opened(in_new_bucket(signed, address)), 200)
        assert "were told that they did" in str(fault)
        for _ in range(rounds):
            lost += len(unsound(in_new_bucket(signed, address), keys, patch)())
    record_property("covered", f"versitygw: {fault}; {rounds} x {RIVALS} rivals: {lost} lost")
    assert lost == 0


# A store is tried before it is written to


def test_a_store_is_tried_once_and_that_is_noted(
    home: Settings, keys: Keys, patch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    found = conditions.found_fault

    def noted(store: BucketStore, rounds: int) -> str | None:
        tried.append(rounds)
        return found(store, rounds)

    patch.setattr(conditions, "found_fault", noted)
    with on_the_way() as way:
        put(home, keys, NAMES[0])
    assert len(tried) == 1
    places = [one.path for one in way.requests if "/.kubewright/tried/" in one.path]
    assert len(places) > 2 * conditions.RIVALS
    assert [path for path in all_keys(home) if "/.kubewright/" in path] == [
        f"site/{conditions.NOTE}"
    ]
    put(home, keys, NAMES[1])
    assert len(tried) == 1
    site = opened(home)
    for wrong in (b"", b"{}", b'{"server": "another", "at": "2026-01-01T00:00:00+00:00"}'):
        site.put(conditions.NOTE, wrong)
        assert not conditions.is_known(site)
    site.delete(conditions.NOTE)
    put(home, keys, NAMES[2])
    assert (len(tried), conditions.is_known(site)) == (2, True)
    assert problems(home, keys) == []


def all_keys(home: Settings) -> list[str]:
    site = opened(home)
    found = site.client.list_objects_v2(Bucket=site.bucket)
    return [item["Key"] for item in found["Contents"]]


def test_the_outcome_counts_for_ninety_days(home: Settings, patch: pytest.MonkeyPatch) -> None:
    site = opened(home)
    conditions.require(site)
    server, now = conditions._server(site)
    month = datetime.timedelta(days=30)
    told = [conditions._is_noted(site, server, now + month * number) for number in range(5)]
    assert told == [True, True, True, False, False]
    assert not conditions._is_noted(site, f"{server}/2", now)
    assert not conditions._is_noted(site, server, now - month)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("unconditional", "does not heed If-None-Match"),
        ("If-Match", "does not heed If-Match"),
        ("early", "who created one object at once"),
        ("copy", "does not know what publishing needs: NotImplemented"),
    ],
)
def test_a_store_that_does_not_keep_conditions_is_refused_before_anything_is_published(
    home: Settings, keys: Keys, how: str, problem: str
) -> None:
    def hinder(request: Request) -> str:
        if how == "If-Match":
            return "unconditional" if "if-match" in request.headers else ""
        if how == "copy":
            return says("NotImplemented")(request) if COPIES in request.headers else ""
        return how

    with on_the_way(hinder), pytest.raises(KubewrightError, match=problem) as refused:
        put(home, keys, NAMES[0])
    assert "docs/buckets.md" in str(refused.value)
    assert opened(home).list("") == []


# What is refused


@pytest.mark.parametrize(
    "site", ["s3://", "s3:///x", "s3://b", "s3://Bucket", "s3://bucket//x", "s3://bucket/x//y",
             "s3://bucket/../x", "s3://bucket/.x", "s3://bucket/x//", "s3://bucket@host/x"]
)  # fmt: skip
@pytest.mark.parametrize("words", [("publish",), ("verify",), ("history",), ("release", "stable")])
def test_an_address_that_is_no_bucket_is_refused_before_any_work(
    run: Callable[..., tuple[int, str, str]], site: str, words: tuple[str, ...]
) -> None:
    given = ["--site", site] if words[0] != "verify" else []
    code, _, err = run(*words, *given, *([site] if words[0] == "verify" else []))
    assert (code, "write s3://BUCKET or s3://BUCKET/PREFIX" in err) == (2, True), err


@pytest.mark.parametrize("words", [("publish",), ("rollback", "stable"), ("refresh",), ("repair",)])
def test_an_endpoint_without_a_bucket_is_refused(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "here").mkdir()
    code, _, err = run(*words, "--site", "here", "--s3-endpoint", "http://127.0.0.1:9")
    assert (code, "here is no bucket; leave it out" in err) == (2, True), err


def says(code: str) -> Hinder:
    """What Amazon's answers are like; it names the region that a bucket is in."""
    region = "<Region>eu-central-1</Region>" if code.startswith("Authorization") else ""
    return lambda _: f"<Error><Code>{code}</Code>{region}</Error>"


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("AccessDenied", DiskError, r"may not do this .*allow it s3:\w+ on s3://bucket-"),
        ("InvalidAccessKeyId", RequestError, "does not take this account.*AWS_PROFILE"),
        ("SignatureDoesNotMatch", RequestError, "does not take this account"),
        ("ExpiredToken", RequestError, "does not take this account"),
        ("AuthorizationHeaderMalformed", RequestError,
         "another region; set AWS_DEFAULT_REGION=eu-central-1"),
        ("PermanentRedirect", RequestError, "another region"),
        ("RequestTimeTooSkewed", RequestError, "clock differs.*timedatectl"),
        ("SecondLevelDomainForbidden", RequestError, "addressing_style = virtual"),
        ("NotImplemented", RequestError, "does not know what publishing needs"),
        ("SlowDown", UpstreamUnreachable, "go slower"),
        ("QuotaExceeded", DiskError, "quota is used up"),
        ("OtherThing", DiskError, "the store says OtherThing"),
        ("500", UpstreamUnreachable, "answers with an error"),
        ("drop", UpstreamUnreachable, "does not answer"),
    ],
)  # fmt: skip
def test_what_a_store_refuses_is_explained(
    home: Settings, keys: Keys, said: str, kind: type[KubewrightError], text: str
) -> None:
    hinder = says(said) if said.isalpha() and said != "drop" else lambda _: said
    with on_the_way(hinder), pytest.raises(kind, match=text):
        put(home, keys, NAMES[0])
    assert opened(home).list("") == []


def test_a_bucket_that_is_not_there_is_named(home: Settings, keys: Keys) -> None:
    nowhere = home.model_copy(update={"site": "s3://nobody-has-this/site"})
    with pytest.raises(RequestError, match=r"^s3://nobody-has-this: there is no such bucket; make"):
        put(nowhere, keys, NAMES[0])


def test_a_store_that_is_not_there_is_named(home: Settings, keys: Keys) -> None:
    closed = home.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(UpstreamUnreachable, match=r"^http://127.0.0.1:1: does not answer"):
        put(closed, keys, NAMES[0])


def test_who_has_no_account_is_told_where_it_is_looked_for(
    home: Settings, keys: Keys, patch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.delenv(name)
    with pytest.raises(RequestError, match=r"no account for this store: .*AWS_ACCESS_KEY_ID"):
        put(home, keys, NAMES[0])
    patch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(RequestError, match=r"no account for this store: .*nobody"):
        put(home, keys, NAMES[0])


def test_a_store_that_knows_buckets_as_hosts_only_is_spoken_to_like_that(
    home: Settings, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The remedy of the message, followed to the letter."""
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    patch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    named = home.model_copy(update={"s3_endpoint": "http://store.invalid"})
    with on_the_way(says("OtherThing")) as way, pytest.raises(DiskError):
        opened(named).get("a")
    bucket_name = home.site.split("/")[2]
    assert way.requests[0].headers.get("host", "") in ("", f"{bucket_name}.store.invalid")
    assert opened(named).client.meta.endpoint_url == "http://store.invalid"


# Who reads


@pytest.fixture(scope="module")
def public(
    tmp_path_factory: pytest.TempPathFactory, server: str, build: Callable[..., Settings]
) -> Settings:
    """A release in a bucket that everybody may read, by the store's own address."""
    home = tmp_path_factory.mktemp("public")
    with account():
        empty = in_new_bucket(Settings(site="-", cache=home, now=NOW), server)
        url = f"{server}/{empty.site.removeprefix('s3://')}"
        return build(home, site=empty.site, s3_endpoint=server, url=url)


def test_clients_install_from_a_bucket_and_a_stranger_verifies_it(
    public: Settings,
    keys: Keys,
    tool: Callable[[str], Path],
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    """By its public address, without an account; dnf goes by the mirrorlist to a snapshot."""
    clients: dict[str, tuple[Callable[..., Installed], str]] = {
        "apt-get": (apt.install, layout.KEYRING),
        "dnf": (dnf.install, layout.KEYRING_ARMORED),
    }
    for name, (install, key) in clients.items():
        tool(name)
        with urlopen(f"{public.url}/{key}") as answer:
            (tmp_path / "key").write_bytes(answer.read())
        root = tmp_path / name
        installed = install(public.url, "stable-1.36", tmp_path / "key", ("kubernetes-node",), root)
        assert "kubelet" in dict(installed.packages)
        assert "1.36.4" in run_installed(root, ["/usr/bin/kubelet", "--version"])
    with urlopen(f"{public.url}/yum/stable-1.36/x86_64/mirrorlist") as answer:
        line = answer.read().decode().strip()
    assert line.startswith(f"{public.url}/yum/snapshots/")
    (tmp_path / "key.gpg").write_bytes(keys.repo.certificate)
    (tmp_path / "key.pub").write_bytes(keys.artifact.public_pem)
    trusted = ("--key", "key.gpg", "--key", "key.pub", "--now", str(NOW + DAY))
    assert run("verify", public.url, *trusted)[0] == 0
    assert run("verify", public.site, "--s3-endpoint", server_of(public), *trusted)[0] == 0


def server_of(settings: Settings) -> str:
    return str(settings.s3_endpoint)
