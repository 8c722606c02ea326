"""How a release goes into a channel: into its record, and into what its repositories list."""

from kubewright.models.site import YANKED, ChannelRelease, IndexedRelease
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels
from kubewright.site.draft import Draft
from kubewright.stages.site import address


def add(draft: Draft, name: str, entry: ChannelRelease, settings: Settings, keys: Keys) -> bool:
    """Put a release into a channel; False if nothing changes."""
    previous, valid_for = draft.published(name), settings.valid_for
    if previous is None and valid_for is None and not keys.development:
        valid_for = channels.LASTS
    new = channels.add(
        previous,
        name,
        entry,
        now=settings.now,
        url=address(draft, settings),
        repo_key=keys.repo.fingerprint,
        valid_for=valid_for,
        architectures=() if previous else draft.architectures,
    )
    if new is not previous:
        draft.put(new, draft.contents(previous))
    return new is not previous


def list_packages(draft: Draft, name: str, entry: ChannelRelease) -> None:
    """Let a channel's repositories list a release that they lack."""
    record, previous = draft.records[name], draft.published(name)
    if previous and any(release.name == entry.name for release in previous.served):
        return
    incoming = draft.incoming.get(entry.name)
    entries = incoming.entries if incoming else draft.entries(entry)
    own = {deb.architecture for deb in entries.debs if deb.architecture != "all"}
    architectures = tuple(dict.fromkeys((*record.architectures, *sorted(own))))
    record = record.model_copy(update={"architectures": architectures})
    listed = draft.listed[name]
    if previous and architectures != previous.architectures:
        # What is for all architectures is for the new ones too.
        older = previous.model_copy(update={"architectures": architectures})
        listed = draft.made_again(older)
    draft.put(record, listed.with_entries(entries, architectures))


def as_listed(release: IndexedRelease, *, reason: str = "") -> ChannelRelease:
    """A release of the index as channels list it; with a `reason`, as one that is withdrawn."""
    known = "superseded" if release.status == YANKED else release.status
    return ChannelRelease(
        name=release.name,
        kubernetes=release.kubernetes,
        status=YANKED if reason else known,
        manifest_url=release.manifest_url,
        manifest_sha256=release.manifest_sha256,
        development=release.development,
        reason=reason,
    )
