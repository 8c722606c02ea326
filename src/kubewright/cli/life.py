"""The verbs for the life of a release on a site: promote, withdraw, prune."""

import re
from typing import Any

import click

from kubewright.cli.changes import report_changes, show_changes
from kubewright.cli.options import PUBLICATION, say, shared, show_json
from kubewright.settings import Settings


class Duration(click.ParamType[int]):
    """A time like 90m, 48h or 7d, as seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Seconds. Fails for anything else."""
        found = re.fullmatch(r"(\d{1,6})([smhd]?)", str(value))
        if found is None or (found[2] == "" and found[1] != "0"):
            self.fail(f"{value!r} is no time; write it like 90m, 48h or 7d", param, ctx)
        return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


@click.command()
@click.argument("what", metavar="NAME|CHANNEL")
@click.option(
    "--to", "targets", multiple=True, required=True, metavar="CHANNEL", help="Repeatable."
)
@click.option(
    "--after",
    type=Duration(),
    default="0",
    metavar="TIME",
    help="Only a release that was published at least so long ago: 48h, 7d.",
)
@shared(*PUBLICATION, "valid-for", "again")
def promote(
    settings: Settings, as_json: bool, what: str, targets: tuple[str, ...], after: int
) -> None:
    """Put a release that the site has into more channels: NAME, or what a CHANNEL offers now."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.promote import promote as promoting

    done = promoting(
        what, targets, settings, shipped(), keys(settings), after=after, again=settings.again
    )
    if done[1] or as_json:
        report_changes(*done, settings, as_json)


@click.command()
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in one line: people see it.")
@shared(*PUBLICATION, "valid-for")
def withdraw(settings: Settings, as_json: bool, name: str, reason: str) -> None:
    """Let no channel offer a release any more, or list it: it stays in the channel `withdrawn`, for
    who names its exact version.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.withdraw import withdraw as withdrawing

    done = withdrawing(name, reason, settings, shipped(), keys(settings))
    if as_json:
        from kubewright.cli.answers import Withdrawn

        show_json(
            Withdrawn(
                release=done.name, offered=done.offered,
                dry_run=settings.dry_run, changes=done.changes,
            )
        )  # fmt: skip
        return
    show_changes(done.changes, settings)
    verb = "would be withdrawn" if settings.dry_run else "withdrawn"
    say(f"{done.name} {verb if done.changes else 'is withdrawn already'}: {reason}")
    for channel, offered in sorted(done.offered.items()):
        say(f"  {channel} offers {offered or 'nothing'} now")


@click.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    metavar="N",
    show_default=True,
    help="Publications of each channel that stay, whatever their age.",
)
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    default="48h",
    metavar="TIME",
    show_default=True,
    help="Whatever was current within this time stays too: clients may still read it.",
)
@shared(*PUBLICATION)
def prune(settings: Settings, as_json: bool, keep: int, seconds: int) -> None:
    """Forget publications that nobody reads any more, and remove what only they name; --dry-run
    lists it.

    A release stays as long as a channel has it, or has had it in a publication that stays. Others
    may publish meanwhile.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.prune import Retention
    from kubewright.stages.prune import prune as pruning

    done = pruning(Retention(keep, seconds), settings, shipped(), keys(settings))
    if as_json:
        from kubewright.cli.answers import Pruned

        show_json(Pruned(**done._asdict(), dry_run=settings.dry_run))
        return
    for path in done.removed if settings.dry_run else ():
        say(f"delete   {path}")
    would = "would go" if settings.dry_run else "gone"
    say(
        f"{settings.site}: {done.forgotten} publications, {len(done.dropped)} releases and"
        f" {len(done.removed)} objects {would}"
    )
    if done.suspects:
        say(f"  {done.suspects} objects that nothing names go later, if it is still so then")
