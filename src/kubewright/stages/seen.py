"""What a publisher remembers of a site, so that it cannot be put back or forked unnoticed."""

import json
import logging
from pathlib import Path

from kubewright import files
from kubewright.errors import RequestError
from kubewright.models.base import Model, Sha256
from kubewright.models.site import State
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.site.reader import Present, Reader

log = logging.getLogger(__name__)


class Seen(Model):
    """Which publication of a site was seen last."""

    place: str
    site: str
    number: int
    sha256: Sha256


def _memory(settings: Settings) -> Path | None:
    if settings.state is None:
        return None
    return settings.state / f"{files.sha256(_place(settings).encode())[:16]}.json"


def _place(settings: Settings) -> str:
    remote = "://" in settings.site
    return settings.site if remote else str(Path(settings.site).resolve())


def last_seen(settings: Settings) -> str | None:
    """The digest of the state that was seen last; None where none is known."""
    path = _memory(settings)
    seen = _read(path) if path else None
    return seen.sha256 if seen else None


def remember(settings: Settings, present: Present) -> None:
    """Note which publication the site has now, for the next time."""
    path = _memory(settings)
    if path is None or present.state is None or present.sha256 is None:
        return
    state = present.state
    seen = Seen(place=_place(settings), site=state.site, number=state.number, sha256=present.sha256)
    if path.exists() and _read(path) == seen:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write(path, seen.to_bytes())


def refuse_older(
    settings: Settings, reader: Reader, present: Present, *, trying: bool = False
) -> None:
    """Refuse a site that was put back, or has another history than what was seen of it.

    Who is only `trying`, with development keys, may begin anew in an empty directory.
    """
    path, state = _memory(settings), present.state
    seen = _read(path) if path else None
    if path is None or seen is None:
        return
    meant = f"restore the site from a copy; if it is meant to be so: rm {path}"
    if state is None and trying:
        log.info("%s: empty, and begun anew; it had %s", settings.site, _named(seen))
        return
    if state is None:
        raise RequestError(
            settings.site, f"nothing is published, but this machine has seen {_named(seen)}", meant
        )
    if state.site and seen.site and state.site != seen.site:
        raise RequestError(
            settings.site, f"this is site {state.site}, but {seen.site} was here before", meant
        )
    if state.number < seen.number:
        raise RequestError(
            settings.site,
            f"publication {state.number} is older than {_named(seen)}, which was here before",
            meant,
        )
    if _digest_of(reader, present, seen.number) != seen.sha256:
        raise RequestError(
            settings.site,
            f"its publication {seen.number} is not the one that was here before ({seen.sha256})",
            meant,
        )


def _named(seen: Seen) -> str:
    return f"publication {seen.number}"


def _digest_of(reader: Reader, present: Present, number: int) -> str | None:
    """The digest of an earlier publication of the site, by the parents that the states name."""
    state, digest = present.state, present.sha256
    while state is not None and digest is not None and state.number > number:
        older, digest = state.number - 1, state.parent
        if older == number or digest is None:
            break
        state = reader.document(State, digest, layout.state_copy(older, digest))
    return digest


def _read(path: Path) -> Seen | None:
    """What was noted; None for nothing. Raises RequestError for a damaged note."""
    try:
        return Seen.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RequestError(
            str(path), "damaged: nobody knows which publication was seen last", f"rm {path}"
        ) from error
