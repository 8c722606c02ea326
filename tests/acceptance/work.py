"""The work directory: a run removes what is in it, so it must be one that a run has made."""

from pathlib import Path

from engine import Failed

MARKER = ".kubewright-acceptance"
"""The file that says so."""


def claim(work: Path) -> None:
    """Make the work directory, or take one that an earlier run has made. Raises Failed for any
    other.
    """
    if work.resolve() == Path("/"):
        raise Failed(
            f"--work {work}: a run removes files there, so it is never the root: name an empty "
            "directory"
        )
    if work.exists() and not work.is_dir():
        raise Failed(
            f"--work {work}: not a directory: name an empty one, or one that does not exist"
        )
    work.mkdir(parents=True, exist_ok=True)
    marker = work / MARKER
    if not marker.is_file() and any(work.iterdir()):
        raise Failed(
            f"--work {work}: has files, and no run has made it, as {MARKER} is not there: name an "
            "empty directory, "
            f"or one that does not exist; if an earlier run has made this one, touch {marker}"
        )
    marker.write_text(
        "An acceptance run of Kubewright works here, and removes what an earlier one has left.\n"
    )
