"""The verbs that work on a site: publish, verify, history, rollback, refresh, repair, site."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubewright.cli.believed import FIRST_USE, TRUSTED
from kubewright.cli.changes import report_changes, show_changes
from kubewright.cli.options import PUBLICATION, say, shared, show_json
from kubewright.errors import VerificationFailed
from kubewright.models.site import YANKED, Channel
from kubewright.moments import moment
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.models.report import Report


@click.command()
@click.argument("name", required=False, metavar="[NAME|REQUEST]")
@shared(*PUBLICATION, "dist", "channel", "valid-for", "again")
def publish(settings: Settings, as_json: bool, name: str | None) -> None:
    """Put a signed release on the site, in its channels; --dry-run lists the objects that would
    change.

    A release that the site has already needs no --dist: give its name, like v1.36.4-1.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import publish as publishing
    from kubewright.stages.keys import keys
    from kubewright.stages.promote import promote as promoting
    from kubewright.workspace import is_name, select

    own = keys(settings)
    if name is not None and is_name(name) and not (settings.dist / name).exists():
        done = promoting(name, settings.channels, settings, shipped(), own, again=settings.again)
        report_changes(*done, settings, as_json)
        return
    workspace = select(settings.dist, name)
    channels, changes = publishing.publish(workspace, settings, shipped(), own)
    report_changes(workspace.root.name, channels, changes, settings, as_json)


@click.command()
@click.argument("where", metavar="[SITE|DIR|URL]", required=False)
@TRUSTED
@FIRST_USE
@click.option(
    "--max-age",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Refuse a site whose newest publication is older.",
)
@click.option(
    "--own",
    multiple=True,
    metavar="GLOB",
    help="Files of yours that lie beside the site; repeatable.",
)
@click.option(
    "--whole", is_flag=True, help="Refuse a site that has not all releases (`bundle load`)."
)
@shared("site", "s3-endpoint", "url", "state", "now")
def verify(
    settings: Settings,
    as_json: bool,
    where: str | None,
    trusted: tuple[Path, ...],
    first_use: bool,
    max_age: int | None,
    own: tuple[str, ...],
    whole: bool,
) -> None:
    """Check every object of a site as a stranger would: digests, signatures, indexes against the
    pool.

    Without --key the site's own keys are believed and shown, and the exit code is 5 unless that is
    allowed. --url names the site's own address where SITE is a copy. No kubewright.toml is read.
    """
    from kubewright.stages import verify as verifying

    site = where or settings.site
    report = verifying.verify(
        site,
        [path.read_bytes() for path in trusted],
        verifying.Demands(url=settings.url or None, max_age=max_age, own=own, whole=whole),
        now=settings.now,
        state=settings.state,
        s3_endpoint=settings.s3_endpoint,
    )
    if as_json:
        show_json(report)
    else:
        for line in report.lines():
            say(line)
    _refuse(report, "run `kubewright repair`")
    verifying.refuse_stranger(report, content=first_use)


@click.command()
@click.argument("channel", required=False)
@shared("site", "s3-endpoint")
def history(settings: Settings, as_json: bool, channel: str | None) -> None:
    """List the publications of a channel, or the channels of the site."""
    from kubewright.stages import history as listing

    found = (
        listing.list_channels(settings) if channel is None else listing.history(channel, settings)
    )
    if as_json:
        from kubewright.cli.answers import History

        show_json(History(channel=channel, publications=tuple(found)))
        return
    for record in found:
        say(_line(record))


@click.command()
@click.argument("channel")
@click.option(
    "--to",
    type=int,
    show_default="the one before the present",
    help="The publication to go back to; 0: before the first, when the channel was empty.",
)
@shared(*PUBLICATION, "valid-for")
def rollback(settings: Settings, as_json: bool, channel: str, to: int | None) -> None:
    """Publish the content of an earlier publication of a channel again."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import channels
    from kubewright.stages.keys import keys

    record, changes = channels.rollback(channel, settings, shipped(), keys(settings), to)
    offered = channels.offering(settings, record)
    if as_json:
        from kubewright.cli.answers import RolledBack

        show_json(
            RolledBack(
                record=record, offered=offered, dry_run=settings.dry_run, changes=tuple(changes)
            )
        )
        return
    show_changes(changes, settings)
    say(_line(record))
    for name, left in offered.items():
        say(f"  {name} still offers {left}: kubewright rollback {name}")
        say(f"    (in all channels at once: kubewright withdraw {left} --reason TEXT)")


@click.command()
@shared(*PUBLICATION)
def refresh(settings: Settings, as_json: bool) -> None:
    """Renew the channels that --valid-for lets expire, each for its own days, when less than half
    of them are left.

    That takes --freshness-key, --root and --repo-key alone. What another key has signed is signed
    again too, which takes --artifact-key. Needs no release in --dist.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import channels
    from kubewright.stages.keys import refreshing_keys

    done = channels.refresh(settings, shipped(), refreshing_keys(settings))
    renewed, changes, finished = done
    if as_json:
        from kubewright.cli.answers import Refreshed

        show_json(Refreshed(**done._asdict(), dry_run=settings.dry_run))
        return
    show_changes(changes, settings)
    for one in renewed:
        until = f"  valid until {moment(one.valid_until)}" if one.valid_until else ""
        say(f"{one.channel}  {moment(one.issued)}{until}")
    if finished is not None:
        would = "would finish" if settings.dry_run else "finished"
        say(
            f"{settings.site}: {would} publication {finished}, which was cut short:"
            f" {len(changes)} objects"
        )
    elif not changes:
        say(f"{settings.site}: nothing to renew")
    elif not renewed:
        say(f"{settings.site}: {'would renew' if settings.dry_run else 'renewed'} its timestamp")


@click.command()
@shared(*PUBLICATION, "dist")
def repair(settings: Settings, as_json: bool) -> None:
    """Restore what is damaged or lost on the site, and remove what nothing on it names.

    Files of releases are taken from --dist. Nobody should be publishing meanwhile.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import repair as repairing
    from kubewright.stages.keys import keys

    report, changes = repairing.repair_site(settings, shipped(), keys(settings))
    if as_json:
        from kubewright.cli.answers import Repaired

        show_json(Repaired.of(report, dry_run=settings.dry_run, changes=tuple(changes)))
    else:
        for change in changes:
            say(f"{change.action:8} {change.path}")
        for line in report.lines():
            say(line)
    if settings.dry_run:
        return
    _refuse(report, "run `repair` where the dist/ of these releases is")


@click.group()
def site() -> None:
    """Change what a site is."""


@site.command()
@shared(*PUBLICATION)
def move(settings: Settings, as_json: bool) -> None:
    """Let the site go to another address, --url: mirrorlists, index and pages follow.

    Nodes keep the address that they have: serve both until they have the new repository entry.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.move import move as moving

    before, changes = moving(settings, shipped(), keys(settings))
    if as_json:
        from kubewright.cli.answers import SiteMoved

        show_json(
            SiteMoved(
                before=before, to=settings.url, dry_run=settings.dry_run, changes=tuple(changes)
            )
        )
        return
    show_changes(changes, settings)
    verb = "would move" if settings.dry_run else "moved"
    say(f"{settings.site}: {verb} from {before or 'no address'} to {settings.url}")


def _refuse(report: "Report", remedy: str) -> None:
    """Raise VerificationFailed if anything is wrong."""
    if report.findings:
        problem = f"{len(report.findings)} of {report.checked} checks failed"
        raise VerificationFailed(report.site, problem, report.remedy(remedy))


def _line(record: Channel) -> str:
    current = record.current.name if record.current else "none"
    others = ", ".join(
        f"{one.name} (withdrawn)" if one.status == YANKED else one.name
        for one in record.releases
        if one.status != "current"
    )
    back = f" (rolled back from {record.rollback_of})" if record.rollback_of else ""
    until = f"  valid until {moment(record.valid_until)}" if record.valid_until else ""
    also = f"  also {others}" if others else ""
    note = f"  {record.note}" if record.note else ""
    return (
        f"{record.channel} {record.sequence}  {moment(record.issued)}  {current}{also}{until}{back}"
        f"  by {record.repo_key[-16:]}{note}"
    )
