"""The verbs for machines without network: bundle, bundle load."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubewright.cli.answers import Bundled, BundleLoaded
from kubewright.cli.believed import FIRST_USE, TRUSTED
from kubewright.cli.options import say, shared, show_json
from kubewright.log import redacted
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.stages.bundle import Made

MAKE = "make"


class Bundle(click.Group):
    """A group whose first command need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Arguments that begin with no command are those of `make`."""
        first = next((one for one in args if not one.startswith("-")), None)
        if args and first not in self.commands and args[0] not in ("--help", "-h"):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


@click.group(cls=Bundle)
def bundle() -> None:
    """Write releases of a site into one verified file for machines without network, or load one.

    `bundle stable-1.36 FILE.tar` is short for `bundle make stable-1.36 FILE.tar`. No
    kubewright.toml is read.
    """


@bundle.command()
@click.argument("what", metavar="NAME|CHANNEL...", nargs=-1, required=True)
@click.argument("target", metavar="FILE.tar", type=click.Path(path_type=Path))
@TRUSTED
@FIRST_USE
@click.option(
    "--arch", "processors", metavar="A,B", show_default="all", help="Only for these architectures."
)
@click.option(
    "--with-os",
    "systems",
    multiple=True,
    metavar="NAME",
    help="Add the packages of a distribution that a bare machine needs: debian-12; repeatable.",
)
@click.option(
    "--since",
    type=click.Path(path_type=Path),
    metavar="OLDER",
    help="Only what OLDER has not: a bundle, or the site that bundles were loaded into.",
)
@shared("site", "s3-endpoint", "url", "state", "now", "dry-run")
def make(
    settings: Settings,
    as_json: bool,
    what: tuple[str, ...],
    target: Path,
    trusted: tuple[Path, ...],
    first_use: bool,
    **given: Any,
) -> None:
    """Write releases of a site, all that they need and how to check it, into one file.

    NAME is a release (v1.36.4-1); a CHANNEL stands for what it offers now. --site may also be a
    URL, and --key is as for `verify`: all is verified before anything is written. It takes no
    signing key.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.bundle import Asked, bundle
    from kubewright.stages.bundle_more import more

    architectures = [one.strip() for one in (given["processors"] or "").split(",") if one.strip()]
    asked = Asked(what, architectures, given["since"])
    with more(asked, given["systems"], shipped()) as extra:
        keys = [path.read_bytes() for path in trusted]
        made = bundle(target, asked, keys, settings, extra, first_use=first_use)
    _show(made, target, settings, as_json=as_json)


def _show(made: "Made", target: Path, settings: Settings, *, as_json: bool) -> None:
    here = {path: one for path, one in made.bundle.members.items() if not one.before}
    if as_json:
        what = made.bundle
        show_json(
            Bundled(
                file=str(target), site=what.site, publication=what.publication,
                releases=tuple(one.name for one in what.releases), systems=what.systems,
                files=len(here), bytes=made.size, sha256=made.sha256 or None,
                left_out=len(what.members) - len(here), warnings=made.warnings,
                dry_run=settings.dry_run,
            )
        )  # fmt: skip
        return
    for warning in made.warnings:
        say(f"warning: {warning}")
    if settings.dry_run:
        for path, one in here.items():
            say(f"file     {path} {one.size}")
    names = ", ".join(one.name for one in made.bundle.releases)
    since = made.bundle.since
    if since is not None:
        left = len(made.bundle.members) - len(here)
        say(f"{left} files are left out: publication {since.publication} has them")
    would = "would have" if settings.dry_run else "has"
    say(f"{target}: {would} {names} in {len(here)} files, {made.size} bytes")
    if made.sha256:
        say(f"sha256:{made.sha256}  its readme.txt says how to check it and install from it")


@bundle.command()
@click.argument("file", metavar="FILE|DIR", type=click.Path(path_type=Path))
@TRUSTED
@FIRST_USE
@click.option(
    "--registry", "prefix", metavar="PREFIX", help="Push the images there, and read them back."
)
@click.option(
    "--delete",
    is_flag=True,
    help="Remove what the site of the bundle has forgotten since (`prune`).",
)
@shared("site", "s3-endpoint", "url", "now", "dry-run")
def load(
    settings: Settings,
    as_json: bool,
    file: Path,
    trusted: tuple[Path, ...],
    first_use: bool,
    prefix: str | None,
    delete: bool,
) -> None:
    """Merge a bundle, or the directory that it was unpacked to, into the site of --site.

    Everything is verified first, as by `verify`; readers see the old site or the new one. What
    earlier bundles brought stays. It takes no signing key.
    """
    from kubewright.stages import load as loading

    loading.refuse_registry(prefix)
    keys = [path.read_bytes() for path in trusted]
    with loading.carried(file) as bundle:
        done = loading.load(bundle, keys, settings, first_use=first_use, delete=delete)
        pushed = loading.push(bundle, prefix) if prefix and not settings.dry_run else ()
        here = [one.name for one in bundle.bundle.releases]
    if as_json:
        answer = BundleLoaded(
            bundle=str(file), site=redacted(settings.site), releases=tuple(here),
            publication=done.publication, objects=done.copied, bytes=done.size,
            images=tuple(pushed), removed=done.removed, warnings=done.warnings,
            dry_run=settings.dry_run, changes=done.changes,
        )  # fmt: skip
        show_json(answer)
        return
    for warning in done.warnings:
        say(f"warning: {warning}")
    for reference in pushed:
        say(f"pushed   {reference}")
    would = "would be loaded" if settings.dry_run else "loaded"
    say(
        f"{settings.site}: {', '.join(here)} {would}, {done.copied} objects, {done.size} bytes;"
        f" publication {done.publication}"
    )
