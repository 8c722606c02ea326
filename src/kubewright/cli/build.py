"""The verbs that work in dist/: resolve, fetch, package, image, sign, and release, which is all of
them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from kubewright.cli.answers import Inputs, Loaded, Made, Resolved
from kubewright.cli.option_table import OPTIONS
from kubewright.cli.options import CHOICE, KEYS, shared, show_json
from kubewright.cli.resolve_options import resolve_options
from kubewright.errors import RequestError
from kubewright.moments import day
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.models.artifact import Record
    from kubewright.models.upgrades import Hop
    from kubewright.stages.dryrun import Plan
    from kubewright.workspace import Workspace

OWN = "(this machine's archive)"
"""What `image --load` means without a file."""

NAME = click.argument("name", required=False, metavar="[NAME|REQUEST]")


@click.command()
@click.argument("request_", metavar="REQUEST")
@click.option(
    "--from", "start", metavar="VERSION", help="Show the way from this version, hop by hop."
)
@shared(*CHOICE, "dist", "dry-run")
@resolve_options
def resolve(settings: Settings, as_json: bool, request_: str, start: str | None) -> None:
    """Choose the versions that fit together and write the lock.

    REQUEST is stable, stable-1.36, latest, 1.36, v1.36.4, or a range such as '>=1.35,<1.37'.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.cli.tables import show_path, show_release
    from kubewright.stages import resolve as resolving
    from kubewright.stages import upgrade as upgrading

    recipes = shipped()
    hops: tuple[Hop, ...] | None = None
    if start is None:
        workspace, release = resolving.resolve(request_, settings, recipes)
    else:
        workspace, release, hops = upgrading.upgrade(start, request_, settings, recipes)
    if as_json:
        show_json(Resolved.of(release, path=hops))
        return
    show_release(release, recipes.distributions, day(settings.now))
    if hops is not None:
        show_path(hops, recipes.catalog)
    click.echo(f"would write {workspace.lock_path}" if settings.dry_run else workspace.lock_path)


@click.command()
@NAME
@shared(
    "upstream", "upstream-for", "dist", "cache", "allow-unverified", "jobs", "dry-run",
)  # fmt: skip
def fetch(settings: Settings, as_json: bool, name: str | None) -> None:
    """Bring every input of the lock into the cache, checked."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import fetch as fetching
    from kubewright.stages.dryrun import Plan
    from kubewright.stages.upstreams import opened
    from kubewright.workspace import select

    workspace = select(settings.dist, name)
    if settings.dry_run:
        _plan(
            workspace, settings.cache, as_json, Plan.fetching, upstream=opened(settings, shipped())
        )
        return
    release = fetching.fetch(workspace, settings, shipped())
    if as_json:
        show_json(Inputs(release=workspace.root.name, inputs=release.inputs))
        return
    for entry in release.inputs:
        click.echo(f"{entry.sha256 or '-':64}  {entry.check or '-':10}  {entry.url}")


@click.command()
@NAME
@shared(
    "repo-key", "next-repo-key", "root", "trust", "state", "allow-expired", "now", "dist", "cache",
    "site", "s3-endpoint", "url", "registry", "maintainer", "backend", "compression", "only",
    "jobs", "dry-run",
)  # fmt: skip
def package(settings: Settings, as_json: bool, name: str | None) -> None:
    """Build the debs and rpms."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import package as packaging
    from kubewright.stages.dryrun import Plan
    from kubewright.stages.site import addressed, keyring
    from kubewright.stages.site_keys import settled_key, site_keyring
    from kubewright.workspace import select

    workspace = select(settings.dist, name)
    if settings.dry_run:
        _plan(workspace, settings.cache, as_json, Plan.packaging, only=settings.only)
        return
    own = packaging.certificate(settings)
    settings = addressed(settings, own)
    there = keyring(settings, own)
    known = site_keyring(packaging.certificates(settings, own), there)
    record = packaging.package(workspace, settings, shipped(), settled_key(own, there), known)
    _report(workspace, record, as_json)


@click.command()
@NAME
@click.option(
    "--load", is_flag=False, flag_value=OWN, metavar="[FILE]",
    help="Check an archive and load it into the Docker engine; without FILE this machine's own.",
)  # fmt: skip
@click.option(
    "--archive", type=click.Path(path_type=Path), metavar="FILE",
    help="Copy this machine's loadable archive to FILE.",
)  # fmt: skip
@click.option("--push", is_flag=True, help="Push the images and their signatures to --registry.")
@click.option(
    "--pieces", type=click.IntRange(min=1), metavar="MIB",
    help="With --push: send layers in pieces of so many MiB, not in one request each.",
)  # fmt: skip
@shared("artifact-key", "passphrase-file", "dist", "cache", "registry", "zstd", "dry-run")
def image(
    settings: Settings,
    as_json: bool,
    name: str | None,
    load: str | None,
    archive: Path | None,
    push: bool,
    pieces: int | None,
) -> None:
    """Build the hyperkube images: an OCI layout, and archives that Docker and containerd load."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import image as imaging
    from kubewright.stages.dryrun import Plan
    from kubewright.stages.keys import pushing_key
    from kubewright.workspace import select

    if load not in (None, OWN):
        _load(Path(load), settings, as_json, alone=not (name or archive or push))
        return
    if pieces is not None and not push:
        raise RequestError("--pieces", "nothing is pushed", "give --push too, or leave it out")
    workspace = select(settings.dist, name)
    if settings.dry_run:
        _plan(workspace, settings.cache, as_json, Plan.imaging)
        return
    record, _ = imaging.image(workspace, settings, shipped())
    more: dict[str, tuple[str, ...]] = {}
    if archive is not None:
        more["copied"] = (str(imaging.copy_archive(workspace, record, archive)),)
    if load is not None:
        more["loaded"] = imaging.load(imaging.own_archive(workspace, record))
    if push:
        pushed = imaging.push(workspace, settings, pushing_key(settings), pieces=pieces)
        more["pushed"] = pushed.references
        click.echo(f"{pushed.uploaded} bytes uploaded to {settings.registry}", err=True)
    _report(workspace, record, as_json, more)


def _load(archive: Path, settings: Settings, as_json: bool, *, alone: bool) -> None:
    """Load a file from anywhere."""
    from kubewright.stages import image as imaging

    if not alone:
        raise RequestError(
            f"--load {archive}", "only loads that file", "leave NAME, --archive and --push out"
        )
    if settings.dry_run:
        raise RequestError(
            "--dry-run", "`image --load FILE` has no dry run", "leave the option out"
        )
    loaded = imaging.load(archive)
    if as_json:
        show_json(Loaded(loaded=loaded))
        return
    _lines(loaded)


@click.command()
@NAME
@shared(
    *KEYS, "trust", "state", "dist", "cache", "site", "s3-endpoint", "url", "allow-http",
    "allow-development", "allow-expired", "dry-run",
)  # fmt: skip
def sign(settings: Settings, as_json: bool, name: str | None) -> None:
    """Sign packages, images and the manifest."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import sign as signing
    from kubewright.stages.carried import listed_rpms, reading
    from kubewright.stages.dryrun import Plan
    from kubewright.stages.keys import keys
    from kubewright.stages.site import addressed
    from kubewright.stages.store import store
    from kubewright.stages.trust import believed
    from kubewright.workspace import select

    workspace = select(settings.dist, name)
    if settings.dry_run:
        _plan(workspace, settings.cache, as_json, Plan.signing)
        return
    site, own = store(settings), keys(settings)
    settings = addressed(settings, own)
    record = signing.sign(
        workspace,
        settings,
        shipped(),
        own,
        reading(site),
        partial(listed_rpms, believed(settings, own)),
    )
    _report(workspace, record, as_json)


@click.command()
@click.argument("request_", metavar="REQUEST")
@shared(*OPTIONS)
@resolve_options
def release(settings: Settings, as_json: bool, request_: str) -> None:
    """Do all of it: resolve, fetch, package, image, sign, publish, verify."""
    from kubewright.cli.changes import report_changes
    from kubewright.cli.shipped import shipped
    from kubewright.stages import release as releasing
    from kubewright.stages.dryrun import rehearse
    from kubewright.stages.keys import existing_keys, keys

    if settings.dry_run:
        planned = rehearse(request_, settings, shipped(), lambda: existing_keys(settings))
        _rehearsed(planned, settings, as_json)
        return
    workspace, channels, changes = releasing.release(request_, settings, shipped(), keys(settings))
    report_changes(workspace.root.name, channels, changes, settings, as_json)


def _plan(
    workspace: "Workspace",
    cache: Path,
    as_json: bool,
    lines: Callable[["Plan"], Iterator[str]],
    **more: Any,
) -> None:
    """What a stage would do."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages.dryrun import plan

    planned = plan(workspace, workspace.release(), cache, shipped(), **more)
    if as_json:
        show_json(planned)
        return
    _lines(lines(planned))


def _rehearsed(found: "Plan", settings: Settings, as_json: bool) -> None:
    """What a whole release would do."""
    from kubewright.cli.changes import report_changes

    if as_json:
        show_json(found)
        return
    _lines(found.everything())
    if found.changes is not None:
        report_changes(found.release, found.channels, found.changes, settings, as_json)


def _report(
    workspace: "Workspace",
    record: "Record",
    as_json: bool,
    more: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> None:
    """What a stage made, and under a word each what else was done with it."""
    if as_json:
        show_json(Made.of(record, **more))
        return
    _lines(workspace.root / made.path for made in (*record.artifacts, *record.packages))
    for done in more.values():
        _lines(done)
    for gap in record.skipped:
        click.echo(f"skipped {gap.name} {gap.arch}: {gap.reason}", err=True)


def _lines(lines: Iterable[object]) -> None:
    for line in lines:
        click.echo(line)
