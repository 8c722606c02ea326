"""What verbs say of objects that a publication wrote, or would write."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubewright.cli.options import say, show_json
from kubewright.settings import Settings

if TYPE_CHECKING:
    from kubewright.models.site import Change


def report_changes(
    name: str,
    channels: Sequence[str],
    changes: Sequence["Change"],
    settings: Settings,
    as_json: bool,
) -> None:
    """What a publication wrote, or would."""
    if as_json:
        from kubewright.cli.answers import Published

        show_json(
            Published(
                release=name, channels=tuple(channels),
                dry_run=settings.dry_run, changes=tuple(changes),
            )
        )  # fmt: skip
        return
    show_changes(changes, settings)
    verb = "would be published" if settings.dry_run else "published"
    count = (
        f"{len(changes)} objects written"
        if changes and not settings.dry_run
        else f"{len(changes)} objects"
    )
    outcome = count if changes else "nothing changed"
    say(f"{name} {verb} to {', '.join(channels)} of {settings.site}: {outcome}")


def show_changes(changes: Sequence["Change"], settings: Settings) -> None:
    """What a dry run would write."""
    if settings.dry_run:
        for change in changes:
            say(f"{change.action:8} {change.size:>12}  {change.path}")
