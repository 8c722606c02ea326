"""The verb for those who keep the recipes: catalog check, catalog diff."""

import click

from kubewright.cli.options import shared, show_json
from kubewright.errors import RequestError, VerificationFailed
from kubewright.settings import Settings


@click.group()
def catalog() -> None:
    """Check what the recipes state, and see what is new upstream."""


@catalog.command()
@shared()
def check(settings: Settings, as_json: bool) -> None:
    """Find statements of the catalog that contradict each other."""
    from kubewright.stages import catalog as keeping

    found, size = keeping.check(), keeping.size()
    if as_json:
        show_json({"size": size, "contradictions": [one._asdict() for one in found]})
    else:
        for one in found:
            click.echo(one)
    if found:
        raise VerificationFailed(
            f"recipes/catalog: {len(found)} contradictions; correct the files that they name"
        )
    if not as_json:
        click.echo(
            f"no contradictions in {', '.join(f'{number} {what}' for what, number in size.items())}"
        )


@catalog.command()
@shared("upstream", "offline", "jobs")
def diff(settings: Settings, as_json: bool) -> None:
    """Show what an upstream has that the recipes lack: Kubernetes, and the newest of each
    companion.
    """
    from kubewright.stages import catalog as keeping

    if settings.offline:
        raise RequestError(
            "--offline: `catalog diff` asks the upstream; leave the option out, or name a mirror with --upstream"
        )
    found = keeping.diff(settings)
    if as_json:
        show_json([one.model_dump() for one in found])
        return
    for one in found:
        click.echo(f"{one.component} {one.version}: not in {one.recipe}; {one.evidence}")
    if not found:
        click.echo("nothing is new")
