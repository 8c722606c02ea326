"""The verbs that work in dist/: resolve, fetch, package, image, sign, and release, which is all of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from kubewright import images
from kubewright.cli.asking import asking
from kubewright.cli.options import keys, shared, show_json
from kubewright.cli.site import report_changes
from kubewright.cli.tables import show_path, show_release
from kubewright.models.artifact import Record
from kubewright.models.upgrades import Hop
from kubewright.settings import Settings
from kubewright.signing.keys import made
from kubewright.stages import fetch as fetching
from kubewright.stages import image as imaging
from kubewright.stages import package as packaging
from kubewright.stages import publish
from kubewright.stages import release as releasing
from kubewright.stages import resolve as resolving
from kubewright.stages import sign as signing_stage
from kubewright.stages.dryrun import Plan, plan, planned, rehearse
from kubewright.workspace import Workspace, select

OWN = "(this machine's archive)"
"""What `image --load` means without a file."""

NAME = click.argument("name", required=False, metavar="[NAME|REQUEST]")


@click.command()
@click.argument("request_", metavar="REQUEST")
@click.option("--from", "start", metavar="VERSION", help="Show the way from this version, hop by hop.")
@shared
@asking
def resolve(settings: Settings, as_json: bool, request_: str, start: str | None) -> None:
    """Choose the versions that fit together and write the lock.

    REQUEST is stable, stable-1.36, latest, 1.36, v1.36.4, or a range such as '>=1.35,<1.37'.
    """
    hops: tuple[Hop, ...] | None = None
    if start is None:
        workspace, release = resolving.resolve(request_, settings)
    else:
        workspace, release, hops = resolving.upgrade(start, request_, settings)
    if as_json:
        way = {} if hops is None else {"path": [one.model_dump(mode="json", by_alias=True) for one in hops]}
        show_json(release.model_dump(mode="json", exclude_none=True) | way)
        return
    show_release(release)
    if hops is not None:
        show_path(hops)
    click.echo(f"would write {workspace.lock_path}" if settings.dry_run else workspace.lock_path)


@click.command()
@NAME
@shared
def fetch(settings: Settings, as_json: bool, name: str | None) -> None:
    """Bring every input of the lock into the cache, checked."""
    if settings.dry_run:
        _plan(name, settings, as_json, Plan.fetching)
        return
    release = fetching.fetch(select(settings.dist, name), settings)
    if as_json:
        show_json([entry.model_dump(mode="json", exclude_none=True) for entry in release.inputs])
        return
    for entry in release.inputs:
        click.echo(f"{entry.sha256 or '-':64}  {entry.check or '-':10}  {entry.url}")


@click.command()
@NAME
@shared
def package(settings: Settings, as_json: bool, name: str | None) -> None:
    """Build the debs and rpms."""
    if settings.dry_run:
        _plan(name, settings, as_json, Plan.packaging)
        return
    workspace = select(settings.dist, name)
    own = keys(settings)
    record = packaging.package(workspace, settings, own.repo, signing_stage.keyring(own, publish.store(settings)))
    _report(workspace, record, as_json)


@click.command()
@NAME
@click.option("--load", is_flag=False, flag_value=OWN, metavar="[FILE]",
              help="Check an archive and load it into the Docker engine; without FILE this machine's own.")  # fmt: skip
@click.option("--archive", type=click.Path(path_type=Path), help="Copy this machine's loadable archive to FILE.")
@click.option("--push", is_flag=True, help="Push the images and their signatures to --registry.")
@shared
def image(
    settings: Settings, as_json: bool, name: str | None, load: str | None, archive: Path | None, push: bool
) -> None:
    """Build the hyperkube images: an OCI layout, and archives that Docker and containerd load."""
    if settings.dry_run:
        _plan(name, settings, as_json, Plan.imaging)
        return
    if load not in (None, OWN):
        _load(Path(load))
        return
    workspace = select(settings.dist, name)
    record, _ = imaging.image(workspace, settings)
    _report(workspace, record, as_json)
    if archive is not None:
        click.echo(imaging.copy_archive(workspace, record, archive))
    if load == OWN:
        _load(imaging.own_archive(workspace, record))
    if push:
        report = imaging.push(workspace, settings, keys(settings).artifact)
        for reference in report.references:
            click.echo(reference)
        click.echo(f"{report.uploaded} bytes uploaded to {settings.registry}", err=True)


def _load(archive: Path) -> None:
    for reference in images.load(archive):
        click.echo(reference)


@click.command()
@NAME
@shared
def sign(settings: Settings, as_json: bool, name: str | None) -> None:
    """Sign packages, images and the manifest."""
    if settings.dry_run:
        _plan(name, settings, as_json, Plan.signing)
        return
    workspace = select(settings.dist, name)
    record = signing_stage.sign(workspace, settings, keys(settings), publish.store(settings))
    _report(workspace, record, as_json)


@click.command()
@click.argument("request_", metavar="REQUEST")
@shared
@asking
def release(settings: Settings, as_json: bool, request_: str) -> None:
    """Do all of it: resolve, fetch, package, image, sign, publish, verify."""
    if settings.dry_run:
        ready = made(settings.repo_key, settings.artifact_key)
        _rehearsed(rehearse(request_, settings, lambda: keys(settings) if ready else None), settings, as_json)
        return
    workspace, channels, changes = releasing.release(request_, settings, keys(settings))
    report_changes(workspace.root.name, channels, changes, settings, as_json)


def _plan(name: str | None, settings: Settings, as_json: bool, lines: Callable[[Plan], Iterator[str]]) -> None:
    """What a stage would do."""
    found = plan(planned(name, settings), settings)
    if as_json:
        show_json(found.model_dump(mode="json", exclude_none=True))
        return
    for line in lines(found):
        click.echo(line)


def _rehearsed(found: Plan, settings: Settings, as_json: bool) -> None:
    """What a whole release would do."""
    if as_json:
        show_json(found.model_dump(mode="json", exclude_none=True))
        return
    for line in found.everything():
        click.echo(line)
    if found.changes is not None:
        report_changes(found.release, found.channels, found.changes, settings, as_json)


def _report(workspace: Workspace, record: Record, as_json: bool) -> None:
    if as_json:
        show_json(record.model_dump(mode="json", exclude_none=True))
        return
    for one in (*record.artifacts, *record.packages):
        click.echo(workspace.root / one.path)
    for gap in record.skipped:
        click.echo(f"skipped {gap.name} {gap.arch}: {gap.reason}", err=True)


COMMANDS = (resolve, fetch, package, image, sign, release)
