"""verify: checks a site in a directory or on the web as a stranger would."""

from collections.abc import Sequence
from pathlib import Path

from kubewright import verification
from kubewright.errors import DiskError, VerificationFailed
from kubewright.log import redacted
from kubewright.stages import seen
from kubewright.stages.sources import source
from kubewright.verification import Demands, Finding, Report, Source
from kubewright.verification.members import is_bundle

__all__ = ["Demands", "refuse_stranger", "verify"]

NOTHING = Demands()


def verify(
    site: str,
    trusted: Sequence[bytes],
    demands: Demands = NOTHING,
    *,
    now: int,
    state: Path | None = None,
    s3_endpoint: str | None = None,
    read: Source | None = None,
) -> Report:
    """Check every object that a site's index leads to.

    `trusted` holds public keys, OpenPGP or ECDSA in PEM form; without any the site's own are
    believed. In the directory `state` it is remembered which publication was found sound, and one
    that cannot follow it is a finding. `read` reads the site where somebody has it open.
    """
    read = read or source(site, s3_endpoint)
    place = seen.address(site, s3_endpoint)
    own = "://" not in site and is_bundle(Path(site))  # any bundle may be there another day
    memory = seen.memory(state / "verified" if state and not own else None, place)
    before = seen.recall(memory) if memory else None
    report = verification.verify(read, redacted(site), trusted, demands, now=now)
    if memory is None or report.publication is None:
        return report
    found = report.publication
    if before is not None:
        problem = seen.contradiction(before, found.site, found.number, report.history.get)
        if problem is not None:
            meant = f"somebody has put the site back or forked it; if not: rm {memory}"
            finding = Finding(place=report.site, problem=f"{problem}; {meant}")
            report = report.model_copy(update={"findings": (*report.findings, finding)})
    if report.findings or report.first_use:
        return report  # only what the keys given have vouched for is worth remembering
    return _remembered(report, memory, place)


def refuse_stranger(report: Report, *, content: bool) -> None:
    """Raise VerificationFailed where nobody but the site vouches for its keys, unless somebody is
    `content` with that.
    """
    if report.first_use and not content:
        raise VerificationFailed(
            report.site,
            f"no key is given, and nobody but the site vouches for {', '.join(report.keys)}",
            "get its public keys from people you trust and pass them with --key; to believe the"
            " site all the same, pass --trust-on-first-use",
        )


def _remembered(report: Report, memory: Path, site: str) -> Report:
    """The report, once what it found sound is noted; a warning where that cannot be."""
    found = report.publication
    if found is None:
        return report
    known = seen.Seen(
        place=seen.place(site), site=found.site, number=found.number, sha256=found.sha256
    )
    try:
        seen.note(memory, known)
    except DiskError as error:
        warning = f"that publication {found.number} was seen cannot be remembered: {error}"
        return report.model_copy(update={"warnings": (*report.warnings, warning)})
    return report
