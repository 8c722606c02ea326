"""The verb that looks at the machine: doctor."""

from typing import TYPE_CHECKING

import click

from kubewright.cli.options import say, shared, show_json
from kubewright.errors import ToolMissing
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.stages.doctor import Diagnosis

WORDS = {"ok": "ok", "lacking": "LACKING", "helps": "missing"}


@click.command()
@click.argument("verb", nargs=-1)
@shared("dist", "cache", "site", "backend", "flavour", "repo-key", "artifact-key", "now")
def doctor(settings: Settings, as_json: bool, verb: tuple[str, ...]) -> None:
    """Say what this machine lacks for which verb, before any work begins.

    Without a VERB it is for all. Give the options of the verb too: what is needed depends on them.
    Words of one verb go together in quotes: 'mirror source'; sessions of a checkout are 'session
    acceptance' and the like. Exit code 3: a VERB that was named cannot begin.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.cli.verbs import commands
    from kubewright.stages import doctor as doctoring

    doctoring.refuse_unknown(verb, (name for name, _ in commands()))
    found = doctoring.doctor(verb, settings, shipped())
    if as_json:
        show_json(found)
    else:
        _show(found)
    if verb and found.lacking:
        raise ToolMissing(", ".join(found.lacking), "cannot begin on this machine", found.remedy)


def _show(found: "Diagnosis") -> None:
    """The findings for people, those that are lacking with the line that brings them."""
    width = max(len(one.name) for one in found.findings)
    for one in found.findings:
        say(f"{WORDS[one.state]:8} {one.name:{width}}  {one.detail}")
        if one.state == "ok":
            continue
        place = " " * (width + 11)
        if one.verbs:
            say(f"{place}for {', '.join(one.verbs)}")
        say(f"{place}{one.remedy}")
    if found.lacking:
        say(f"cannot begin: {', '.join(found.lacking)}")
        say(f"all of it:    {found.remedy}")
    else:
        say("all of these verbs can begin")
