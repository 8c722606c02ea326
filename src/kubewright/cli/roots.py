"""The verbs below `key root`: which keys sign a site, said off line."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubewright.cli.options import Command, say, shared, show_json
from kubewright.cli.tool_answers import RootShown
from kubewright.moments import day
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.signing.roots import Signed

_FILE = click.Path(path_type=Path, dir_okay=False)


def _files(name: str, words: str) -> Callable[[Command], Command]:
    return click.option(name, type=_FILE, multiple=True, metavar="FILE", help=words)


_AFTER = click.option("--after", type=_FILE, metavar="FILE", help="The root before this one.")
_SIGNERS = click.option(
    "--root-key", "signers", multiple=True, metavar="URI", help="A root key; repeatable."
)


@click.group()
def root() -> None:
    """Make and sign the root of a site: TUF metadata that says which keys sign it."""


@root.command()
@click.argument("path", type=_FILE, metavar="FILE")
@_SIGNERS
@_AFTER
@_files("--root-public", "A public key that shall hold the root role; repeatable.")
@_files("--artifact-public", "One that shall sign documents; default: as in the root before.")
@_files("--freshness-public", "One that shall say which publication is the newest; the same.")
@click.option("--threshold", type=int, metavar="N", help="How many root keys sign a root.")
@click.option("--valid-for", "days", type=click.IntRange(1, 36_500), default=366, metavar="DAYS")
@shared("passphrase-file", "now")
def new(
    settings: Settings,
    as_json: bool,
    path: Path,
    signers: tuple[str, ...],
    after: Path | None,
    **wanted: Any,
) -> None:
    """Write a root to FILE: the first of a site, or with --after the next.

    The next keeps every holder that is not named anew. Publish with it as --root.
    """
    from kubewright.stages import roots

    made = roots.new(path, signers, roots.Wanted(**wanted), settings, after=after)
    _report(path, made, as_json)


@root.command()
@click.argument("path", type=_FILE, metavar="FILE")
@_SIGNERS
@_AFTER
@shared("passphrase-file")
def sign(
    settings: Settings, as_json: bool, path: Path, signers: tuple[str, ...], after: Path | None
) -> None:
    """Add signatures to a root in FILE: each holder does so where its key is."""
    from kubewright.stages import roots

    _report(path, roots.sign(path, signers, settings, after=after), as_json)


@root.command()
@click.argument("path", type=_FILE, metavar="FILE")
@_AFTER
@shared()
def show(settings: Settings, as_json: bool, path: Path, after: Path | None) -> None:
    """Show whom a root in FILE names, and whose signatures it lacks."""
    from kubewright.stages import roots

    _report(path, roots.show(path, after=after), as_json)


def _report(path: Path, made: "Signed", as_json: bool) -> None:
    signed = made.metadata.signed
    shown = RootShown(
        version=signed.version,
        sha256=made.sha256,
        expires=day(made.expires),
        roles={name: tuple(role.keyids) for name, role in sorted(signed.roles.items())},
        threshold=signed.roles["root"].threshold,
        missing=tuple(made.missing),
    )
    if as_json:
        show_json(shown)
        return
    say(f"{path}: root {signed.version}, until {shown.expires}, SHA-256 {made.sha256}")
    for name, role in sorted(signed.roles.items()):
        needed = f" ({role.threshold} of {len(role.keyids)})" if len(role.keyids) > 1 else ""
        say(f"  {name:10}{', '.join(role.keyids)}{needed}")
    for line in made.missing:
        say(f"  not signed enough: {line}; `kubewright key root sign {path} --root-key URI`")
