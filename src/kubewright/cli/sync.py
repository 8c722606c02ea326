"""The verb that copies a site: sync."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubewright.cli.believed import FIRST_USE, TRUSTED
from kubewright.cli.buckets import fitting
from kubewright.cli.changes import show_changes
from kubewright.cli.directories import expanded
from kubewright.cli.options import say, shared, show_json
from kubewright.log import redacted
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.stages.sync import Done


@click.command()
@click.argument("origin", metavar="FROM")
@click.argument("target", metavar="TO")
@TRUSTED
@FIRST_USE
@click.option(
    "--delete",
    is_flag=True,
    help="Remove from TO what FROM has forgotten since (`prune`).",
)
@shared("s3-endpoint", "url", "state", "now", "dry-run")
def sync(
    settings: Settings,
    as_json: bool,
    origin: str,
    target: str,
    trusted: tuple[Path, ...],
    first_use: bool,
    delete: bool,
) -> None:
    """Copy a site as it is to another place, once all of it is verified.

    FROM is a directory, s3://BUCKET/PREFIX or a URL, TO a directory or a bucket. TO stays as it was
    unless all of FROM is sound; --key is as for `verify`. It takes no signing key: the copy keeps
    the address that the site says of itself, which --url names where FROM is a URL of a copy. No
    kubewright.toml is read.
    """
    from kubewright.stages.sync import sync as syncing

    buckets = [one for one in (origin, target) if one.startswith("s3://")]
    settings = fitting(settings, (*buckets, target)[0])
    settings = settings.model_copy(update={"site": str(expanded(target))})
    keys = [path.read_bytes() for path in trusted]
    done = syncing(str(expanded(origin)), keys, settings, first_use=first_use, delete=delete)
    if as_json:
        from kubewright.cli.answers import Synced

        show_json(
            Synced(
                origin=redacted(origin), to=target, **done._asdict(),
                objects=done.copied, bytes=done.size, dry_run=settings.dry_run,
            )
        )  # fmt: skip
        return
    _show(done, target, settings)


def _show(done: "Done", target: str, settings: Settings) -> None:
    """What was copied, for people."""
    for warning in done.warnings:
        say(f"warning: {warning}")
    show_changes(done.changes, settings)
    for path in done.removed if settings.dry_run else ():
        say(f"delete   {path}")
    would, go = ("would be copied", "would go") if settings.dry_run else ("copied", "removed")
    gone = f"; {len(done.removed)} {go}" if done.removed else ""
    if done.url:
        say(
            f"its mirrorlists and pages lead to {done.url}; with its keys `kubewright site move"
            f" --site {target} --url URL` makes a site of its own of the copy"
        )
    say(
        f"{target}: {done.copied} objects, {done.size} bytes {would}{gone};"
        f" publication {done.publication}"
    )
