"""What is remembered of a site, so that it cannot be put back or forked unnoticed."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from kubewright import files
from kubewright.errors import RequestError
from kubewright.log import redacted
from kubewright.models.base import Model, Sha256
from kubewright.models.pruned import Pruned
from kubewright.models.site import Kept, State
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.site.present import Present
from kubewright.site.reader import Reader

log = logging.getLogger(__name__)


class Seen(Model):
    """Which publication of a site was seen last."""

    place: str
    site: str
    number: int
    sha256: Sha256


def memory(state: Path | None, site: str) -> Path | None:
    """Where it is noted what was seen of a site, which is a directory or a URL."""
    return None if state is None else state / f"{files.sha256(place(site).encode())[:16]}.json"


def address(site: str, s3_endpoint: str | None) -> str:
    """A site's name among those of all stores: two may have a bucket of the same name."""
    if s3_endpoint is None:
        return site
    return f"{s3_endpoint.rstrip('/')}/{site.removeprefix('s3://')}"


def _memory(settings: Settings) -> Path | None:
    return memory(settings.state, address(settings.site, settings.s3_endpoint))


def place(site: str) -> str:
    """A site's one name, without an account."""
    return redacted(site).rstrip("/") if "://" in site else str(Path(site).resolve())


def last_seen(settings: Settings) -> str | None:
    """The digest of the state that was seen last; None where none is known."""
    path = _memory(settings)
    seen = recall(path) if path else None
    return seen.sha256 if seen else None


def remember(settings: Settings, present: Present) -> None:
    """Note which publication the site has now, for the next time."""
    path = _memory(settings)
    if path is None or present.state is None or present.sha256 is None:
        return
    state = present.state
    note(
        path,
        Seen(
            place=place(address(settings.site, settings.s3_endpoint)),
            site=state.site,
            number=state.number,
            sha256=present.sha256,
        ),
    )


def note(path: Path, seen: Seen) -> None:
    """Write what was seen, if it is not noted already. Raises DiskError."""
    if path.exists() and recall(path) == seen:
        return
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write(path, seen.to_bytes())


def ready(settings: Settings) -> None:
    """Make sure that what is seen can be remembered, before anything is published.

    Raises RequestError that names the option.
    """
    path = _memory(settings)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(None, "cannot be written")
    except OSError as error:
        raise RequestError(
            str(path.parent),
            f"{error.strerror}, and what was seen of sites is remembered there",
            "name another directory with --state",
        ) from error


def refuse_older(
    settings: Settings, reader: Reader, present: Present, *, trying: bool = False
) -> None:
    """Refuse a site that was put back, or has another history than what was seen of it.

    Who is only `trying`, with development keys, may begin anew in an empty directory.
    """
    path, state = (
        _memory(settings),
        present.state,
    )
    seen = recall(path) if path else None
    if path is None or seen is None:
        return
    if state is None and trying:
        log.info("%s: empty, and begun anew", settings.site)
        return
    if state is None:
        problem: str | None = (
            f"nothing is published, but this machine has seen publication {seen.number}"
        )
    else:
        problem = contradiction(
            seen, state.site, state.number, lambda number: _digest_of(reader, present, number)
        )
    if problem is not None:
        meant = f"restore the site from a copy; if it is meant to be so: rm {path}"
        raise RequestError(settings.site, problem, meant)


def contradiction(
    seen: Seen, site: str, number: int, digest_of: Callable[[int], str | None]
) -> str | None:
    """Why a publication of a site cannot follow the one that was seen; None: it may.

    `digest_of` gives the digest of an earlier publication, by the parents that they name.
    """
    if site and seen.site and site != seen.site:
        return f"this is site {site}, but {seen.site} was here before"
    if number < seen.number:
        return (
            f"publication {number} is older than publication {seen.number}, which was here before"
        )
    if digest_of(seen.number) != seen.sha256:
        return f"its publication {seen.number} is not the one that was here before ({seen.sha256})"
    return None


def _digest_of(reader: Reader, present: Present, number: int) -> str | None:
    """The digest of an earlier publication of the site, by the parents that the states name."""
    state, digest = present.state, present.sha256
    kept = state.history if state else Kept()
    if kept.pruned is not None and number < kept.state:
        pruned = reader.document(Pruned, kept.pruned, layout.pruned_copy(kept.pruned))
        return pruned.states.get(str(number))
    while state is not None and digest is not None and state.number > number:
        older, digest = state.number - 1, state.parent
        if older == number or digest is None:
            break
        state = reader.document(State, digest, layout.state_copy(older, digest))
    return digest


def recall(path: Path) -> Seen | None:
    """What was noted; None for nothing. Raises RequestError for a damaged note."""
    try:
        return Seen.model_validate(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise RequestError(
            str(path), "damaged: nobody knows which publication was seen last", f"rm {path}"
        ) from error
