"""Waits until a cluster is ready, and says why one is not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from docker.errors import APIError, DockerException
from docker.models.containers import Container

from kubewright.clusters.asked import access
from kubewright.clusters.found import Tell, server
from kubewright.engine import explained, words
from kubewright.errors import ToolFailed

REFUSED = 2
"""The exit code of a cluster that finds its machine unfit, or an option wrong."""

GRACE = 5
"""Seconds that a container may take to end after the command in it."""

LAST_WORDS = 20
"""Lines of a container's that are shown when it fails."""


def wait(made: Container, context: str, tell: Tell) -> str:
    """The kubeconfig of a cluster, once it is ready.

    Raises ToolFailed with the container's last words when it ends, or takes longer than it may.
    """
    with _followed(made, tell), explained(f"cluster {made.name}", "the engine failed"):
        try:
            done = made.exec_run(access(server(made), context, wait=True), demux=True)
        except APIError as error:
            if error.status_code not in (404, 409):  # it is not there, or does not run any more
                raise
            raise _failed(made, "") from error
    streams = cast("tuple[bytes | None, bytes | None]", done.output)
    out, err = (part.decode(errors="replace") if part else "" for part in streams)
    if done.exit_code != 0:
        raise _failed(made, err)
    return out


def _failed(made: Container, said: str) -> ToolFailed:
    """Why a cluster is not ready."""
    try:
        return _ended(made, said)
    except APIError as error:
        return ToolFailed(
            f"cluster {made.name}", f"was removed by somebody else ({words(error)})", "begin anew"
        )


def _ended(made: Container, said: str) -> ToolFailed:
    """The same of a container that is there."""
    if not said:  # it was ended with the container, which may not have ended itself
        with suppress(DockerException, OSError):
            made.wait(timeout=GRACE)
    made.reload()
    state = made.attrs["State"]
    lines = made.logs(tail=LAST_WORDS).decode(errors="replace").strip()
    if state.get("Running"):
        how = f"is not ready ({' '.join(said.split())})"
    elif state.get("OOMKilled"):
        how = "has ended: there was not enough memory"
    else:
        how = f"has ended with exit code {state.get('ExitCode')}"
    return ToolFailed(
        f"cluster {made.name}",
        f"{how}, and said last:\n{lines or '(nothing)'}\n",
        "do what it says; the cluster's own options go after --"
        if state.get("ExitCode") == REFUSED
        else "its option --verbose lets it say more: kubewright cluster up … -- --verbose",
    )


@contextmanager
def _followed(made: Container, tell: Tell) -> Iterator[None]:
    """Tell what a container says as long as a block runs."""
    stream = made.logs(stream=True, follow=True, tail=0)

    def follow() -> None:
        with suppress(DockerException, OSError, ValueError, AttributeError):
            for line in stream:
                tell(line.decode(errors="replace").strip())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(DockerException, OSError, AttributeError):
            stream.close()
        thread.join(1)
