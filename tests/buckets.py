"""Sites in buckets, for the tests of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from s3_server import ACCOUNT

from kubewright.cli.shipped import shipped
from kubewright.models.site import Change
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import conditions
from kubewright.site.bucket import BucketStore
from kubewright.stages import publish
from kubewright.stages import store as stores
from kubewright.stages.verify import verify
from kubewright.workspace import Workspace

NOW = 1_790_000_000
NUMBERS = count(1)


@contextmanager
def account(rounds: int = 1) -> Iterator[pytest.MonkeyPatch]:
    """An account of the store, which is tried in so many rounds; whoever asks again does so at
    once.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        for name, value in ACCOUNT.items():
            patch.setenv(name, value)
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.001)
        patch.setattr(conditions.require, "__defaults__", (rounds,))
        yield patch


def opened(settings: Settings) -> BucketStore:
    """The store of a site in a bucket."""
    site = stores.store(settings)
    assert isinstance(site, BucketStore)
    return site


def in_new_bucket(settings: Settings, server: str, **changes: object) -> Settings:
    """The same with a site in an empty bucket of its own."""
    name = f"bucket-{next(NUMBERS)}"
    own = {"site": f"s3://{name}/site", "s3_endpoint": server, "state": None, **changes}
    made = settings.model_copy(update=own)
    opened(made).client.create_bucket(Bucket=name)
    return made


def put(
    settings: Settings, keys: Keys, name: str, *channels: str
) -> tuple[list[str], list[Change]]:
    """Publish a signed release of `dist/`."""
    named = settings.model_copy(update={"channels": channels})
    return publish.publish(Workspace(settings.dist / name), named, shipped(), keys)


def problems(settings: Settings, keys: Keys) -> list[str]:
    """What a site's verification finds, and what it says of publications that are not finished."""
    trusted = [keys.repo.certificate, keys.artifact.public_pem]
    report = verify(settings.site, trusted, now=settings.now, s3_endpoint=settings.s3_endpoint)
    notes = [text for text in report.warnings if "finished" in text]
    return [f"{one.place}: {one.problem}" for one in report.findings] + notes
