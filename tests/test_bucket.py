"""A site in a bucket: its whole life, what caches are told, and requests that go wrong."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from s3_server import Hinder, Request, hindering, running

from kubewright.cli.shipped import shipped
from kubewright.errors import DiskError, KubewrightError, RequestError
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import bucket, layout
from kubewright.site.bucket import BucketStore
from kubewright.stages import channels, history, publish
from kubewright.stages.repair import repair_site
from kubewright.stages.verify import verify
from kubewright.workspace import Workspace

NOW = 1_790_000_000
NAME = "v1.36.4-1"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account of the store; whoever asks again does so at once."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _no_delay)


def _no_delay(_self: object, _context: object) -> float:
    return 0.01


NUMBERS = count(1)


@pytest.fixture
def home(server: str, released: Settings) -> Settings:
    """An empty bucket for what is signed in `dist/`."""
    name = f"bucket-{next(NUMBERS)}"
    bucket.opened(f"s3://{name}/site", server).client.create_bucket(Bucket=name)
    changed = {"site": f"s3://{name}/site", "s3_endpoint": server, "state": None}
    return released.model_copy(update=changed)


def store(home: Settings) -> BucketStore:
    return bucket.opened(home.site, home.s3_endpoint)


def published(home: Settings, keys: Keys) -> object:
    return publish.publish(Workspace(home.dist / NAME), home, shipped(), keys)


def problems(home: Settings, keys: Keys) -> list[str]:
    trusted = [keys.repo.certificate, keys.artifact.public_pem]
    report = verify(home.site, trusted, now=home.now, s3_endpoint=home.s3_endpoint)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def test_a_site_lives_in_a_bucket(home: Settings, keys: Keys) -> None:
    published(home, keys)
    assert problems(home, keys) == []
    before = {path: store(home).get(path) for path in store(home).list("")}
    published(home, keys)
    assert {path: store(home).get(path) for path in store(home).list("")} == before
    later = home.model_copy(update={"now": NOW + 60, "channels": ("other",)})
    published(later, keys)
    back = home.model_copy(update={"now": NOW + 120})
    with pytest.raises(RequestError, match="nothing to go back to"):
        channels.rollback("other", back, shipped(), keys, None)
    assert {one.channel for one in history.list_channels(home)} == {
        "latest", "other", "stable", "stable-1.36",
    }  # fmt: skip
    assert problems(back, keys) == []


def test_damage_in_a_bucket_is_named_and_healed(home: Settings, keys: Keys) -> None:
    published(home, keys)
    site = store(home)
    pool = next(path for path in site.list("apt/pool/") if "kubelet_" in path)
    for path in (pool, layout.INDEX, layout.TIMESTAMP, "channels/stable.json"):
        site.put(path, b"damaged")
    site.delete("apt/dists/stable/InRelease")
    site.put("yum/pool/stray.rpm", b"stray")
    found = problems(home, keys)
    assert {line.partition(":")[0] for line in found} >= {layout.INDEX, layout.TIMESTAMP}
    report, _ = repair_site(home, shipped(), keys)
    assert report.findings == ()
    assert problems(home, keys) == []
    assert "yum/pool/stray.rpm" not in site.list("")


def test_caches_are_told_what_changes(home: Settings, keys: Keys) -> None:
    published(home, keys)
    site = store(home)
    for path in site.list(""):
        said = site.client.head_object(Bucket=site.bucket, Key=f"site/{path}")["CacheControl"]
        assert said == ("no-cache" if not layout.is_immutable(path) else _FOREVER), path
    assert layout.is_immutable("tuf/1.snapshot.json")
    for path in (layout.TIMESTAMP, layout.STATE, layout.FINISHED, layout.INDEX, "index.html"):
        assert not layout.is_immutable(path)


_FOREVER = "public, max-age=31536000, immutable"

HOW = ("drop", "drop after", "500", "503", "409", "412")


def once(method: str, end: str, how: str) -> tuple[Hinder, list[Request]]:
    """Hinder the first request for a path that ends so."""
    seen: list[Request] = []

    def hinder(request: Request) -> str:
        if request.method == method and request.path.endswith(end) and not seen:
            seen.append(request)
            return how
        return ""

    return hinder, seen


PLACES = (
    ("PUT", layout.TIMESTAMP),
    ("PUT", "tuf/1.snapshot.json"),
    ("PUT", "publications/finished.json"),
    ("PUT", "apt/dists/stable/InRelease"),
    ("PUT", "kubelet_1.36.4-1_amd64.deb"),
    ("GET", layout.TIMESTAMP),
    ("HEAD", "tuf/1.targets.json"),
)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("method", "end"), PLACES, ids=map(" ".join, PLACES))
def test_a_request_that_goes_wrong_leaves_the_old_site_or_the_new(
    home: Settings, keys: Keys, server: str, method: str, end: str, how: str
) -> None:
    """Whatever the command said, the same command again ends well."""
    hinder, seen = once(method, end, how)
    with hindering(server, hinder) as between:
        through = home.model_copy(update={"s3_endpoint": between})
        with suppress(KubewrightError):
            published(through, keys)
    assert seen, "the request was asked"
    published(home, keys)
    assert problems(home, keys) == []


def test_rivals_in_a_bucket_lose_nothing(
    home: Settings, keys: Keys, build: Callable[..., Settings]
) -> None:
    names = [f"c{number}" for number in range(6)]
    published(home, keys)

    def one(name: str) -> object:
        return published(home.model_copy(update={"channels": (name,), "now": NOW + 60}), keys)

    with ThreadPoolExecutor(len(names)) as pool:
        for done in [pool.submit(one, name) for name in names]:
            done.result()
    later = home.model_copy(update={"now": NOW + 120})
    assert {one.channel for one in history.list_channels(later)} >= set(names)
    assert problems(later, keys) == []


@pytest.mark.parametrize(
    ("site", "problem"),
    [
        ("s3://", "no bucket with a prefix"),
        ("s3:///x", "no bucket with a prefix"),
        ("s3://b//x", "no bucket with a prefix"),
        ("s3://b/../x", "no bucket with a prefix"),
        ("gs://b/x", "only directories and buckets"),
    ],
)
def test_an_address_that_is_no_bucket_is_refused_before_any_work(
    home: Settings, keys: Keys, site: str, problem: str
) -> None:
    with pytest.raises(RequestError, match=problem):
        published(home.model_copy(update={"site": site}), keys)


def test_a_store_that_refuses_is_named_with_what_it_says(
    home: Settings, keys: Keys, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    nowhere = home.model_copy(update={"site": "s3://nobody-has-this/site"})
    with pytest.raises(DiskError, match=r"s3://nobody-has-this/site/.*NoSuchBucket"):
        published(nowhere, keys)
    with hindering(server, lambda _: "403") as between:
        refused = home.model_copy(update={"s3_endpoint": between})
        with pytest.raises(DiskError, match="the store says"):
            published(refused, keys)
    closed = home.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(DiskError, match="check --s3-endpoint"):
        published(closed, keys)
    assert Path(home.dist).is_dir()
