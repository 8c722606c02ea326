"""history: the publications of a channel, and the channels of a site."""

from kubewright.errors import RequestError
from kubewright.models.site import Channel
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.site.reader import Reader
from kubewright.stages.store import store


def history(channel: str, settings: Settings) -> list[Channel]:
    """Every publication of a channel, oldest first.

    Raises VerificationFailed for a broken chain.
    """
    reader = Reader(store(settings))
    state = reader.present().state
    current = reader.channel(state, channel) if state else None
    if state is None or current is None:
        raise RequestError(
            layout.channel_path(channel),
            f"no such channel on {settings.site}",
            "list them with `kubewright history`",
        )
    return reader.history(current, state.history.oldest(channel))


def list_channels(settings: Settings) -> list[Channel]:
    """The present record of every channel of the site. Raises RequestError where there is none."""
    reader = Reader(store(settings))
    state = reader.present().state
    if state is None:
        raise RequestError(
            settings.site, "nothing is published", "publish a release first, or give another --site"
        )
    return list(reader.channels(state).values())
