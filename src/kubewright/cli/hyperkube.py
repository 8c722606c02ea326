"""The verbs that compile: mirror source, and hyperkube's module locks and parity gate."""

from pathlib import Path

import click

from kubewright.cli.options import shared, show_json
from kubewright.cli.tool_answers import Files
from kubewright.errors import VerificationFailed
from kubewright.settings import Settings

VERSION = click.argument("version", metavar="VERSION")


@click.command()
@VERSION
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@shared("cache", "arch")
def source(settings: Settings, as_json: bool, version: str, directory: Path) -> None:
    """Real Kubernetes and its companions, compiled from Go modules; takes long the first time."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import mirror

    summary = mirror.source(version, directory, settings, shipped())
    if as_json:
        show_json(summary)
        return
    for nearest in summary.nearest:
        click.echo(
            f"{nearest.component}: there are no modules of {nearest.wanted}; "
            f"{nearest.there} is in the mirror instead",
            err=True,
        )
    for gap in summary.unavailable:
        click.echo(
            f"{gap.component} {gap.version} {gap.arch or ''}: not there: {gap.reason}", err=True
        )
    click.echo(
        f"{directory}: {summary.files} files, {summary.written} written; "
        f"use it with --upstream {directory}"
    )


@click.group()
def hyperkube() -> None:
    """Lock hyperkube's Go modules for a release, and compare it with the separate programs."""


@hyperkube.command()
@VERSION
@shared()
def lock(settings: Settings, as_json: bool, version: str) -> None:
    """Render go.mod for a release and lock every module's checksum in images/hyperkube/locks/."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import hyperkube as compiling

    changed = compiling.lock(version, shipped())
    if as_json:
        show_json(Files(files=tuple(map(str, changed))))
        return
    for path in changed:
        click.echo(path)


@hyperkube.command()
@VERSION
@shared("cache")
def parity(settings: Settings, as_json: bool, version: str) -> None:
    """Compare every program's help and version with the separate binary's; differences have to be
    accepted.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import hyperkube as compiling

    report = compiling.parity(version, settings, shipped())
    if as_json:
        show_json(report)
    else:
        for answer in report.answers:
            verdict = (
                "same"
                if answer.same
                else f"{len(answer.accepted)} accepted, {len(answer.refused)} not"
            )
            click.echo(f"{answer.program:24} {answer.asked:12} {answer.lines:5} lines  {verdict}")
            for line in (*answer.accepted, *answer.refused):
                click.echo(f"    {line}")
        for line in report.unused:
            click.echo(f"accepted in parity.toml, but not seen: {line}")
    if not report.holds:
        raise VerificationFailed(
            f"hyperkube v{report.kubernetes}",
            "differs from the separate programs",
            "make it the same, "
            "or accept the difference with its reason in images/hyperkube/parity.toml",
        )
