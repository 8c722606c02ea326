"""The verb for those who keep the recipes: catalog check, catalog diff, catalog new."""

import click

from kubewright.cli.options import shared, show_json
from kubewright.cli.tool_answers import CatalogChecked, Contradiction, Files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.settings import Settings


@click.group()
def catalog() -> None:
    """Check what the recipes state, and see what is new upstream."""


@catalog.command()
@shared()
def check(settings: Settings, as_json: bool) -> None:
    """Find statements of the catalog that contradict each other."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import catalog as keeping

    recipes = shipped()
    contradictions, size = keeping.check(recipes), keeping.size(recipes)
    if as_json:
        found = tuple(Contradiction(**entry._asdict()) for entry in contradictions)
        show_json(CatalogChecked(size=size, contradictions=found))
    else:
        for contradiction in contradictions:
            click.echo(contradiction)
    if contradictions:
        raise VerificationFailed(
            "recipes/catalog",
            f"{len(contradictions)} contradictions",
            "correct the files that they name",
        )
    if not as_json:
        counted = ", ".join(f"{number} {noun}" for noun, number in size.items())
        click.echo(f"no contradictions in {counted}")


@catalog.command()
@shared("upstream", "upstream-for", "offline", "jobs")
def diff(settings: Settings, as_json: bool) -> None:
    """Show what an upstream has that the recipes lack: Kubernetes, and the newest of each
    companion.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import catalog as keeping

    if settings.offline:
        raise RequestError(
            "--offline",
            "`catalog diff` asks the upstream",
            "leave the option out, or name a mirror with --upstream",
        )
    found = keeping.diff(settings, shipped())
    if as_json:
        show_json(found)
        return
    for update in found.updates:
        click.echo(
            f"{update.component} {update.version}: not in {update.recipe}; {update.evidence}"
        )
    if not found.updates:
        click.echo("nothing is new")


@catalog.command()
@click.argument("minor", metavar="MINOR")
@shared()
def new(settings: Settings, as_json: bool, minor: str) -> None:
    """Write recipes/catalog/MINOR.toml for the minor that comes next, to be filled in: what the one
    before states stands there as comments.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import catalog as keeping

    path = keeping.new(minor, shipped())
    if as_json:
        show_json(Files(files=(str(path),)))
        return
    click.echo(f"{path}: fill it in as recipes/README.md says, then `kubewright catalog check`")
