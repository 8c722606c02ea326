"""The verb that explains a choice: `kubewright explain docker 1.36`."""

import click

from kubewright.cli.options import shared, show_json
from kubewright.cli.resolve_options import resolve_options
from kubewright.settings import Settings


@click.command()
@click.argument("component")
@click.argument("request_", metavar="[REQUEST]", default="stable")
@shared("upstream", "upstream-for", "offline", "now")
@resolve_options
def explain(settings: Settings, as_json: bool, component: str, request_: str) -> None:
    """Say why a release has this version of a component: who states it, and what else was
    considered.

    REQUEST is what `resolve` takes, `stable` without one; nothing is written.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.cli.tables import show_explanation
    from kubewright.stages import explain as explaining

    explanation = explaining.explanation(component, request_, settings, shipped())
    if as_json:
        show_json(explanation)
        return
    show_explanation(explanation)
