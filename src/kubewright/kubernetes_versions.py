"""Kubernetes' own version numbers, told from what looks like them: names of releases, versions of
packages, wildcards.
"""

import re

from kubewright.errors import RequestError

_NUMBER = r"(?:0|[1-9][0-9]*)"
VERSION = rf"{_NUMBER}(?:\.{_NUMBER}){{2}}(?:-(?:alpha|beta|rc)\.{_NUMBER})?"
"""What Kubernetes tags, without the `v`: a patch, or a pre-release of one."""

_VERSION = re.compile(rf"^v?({VERSION})$")
_WILDCARD = re.compile(rf"^v?({_NUMBER}(?:\.{_NUMBER})?)(?:\.[xX*])+$")
_REVISION = re.compile(r"^-([1-9][0-9]*)$")
_LOOKS_LIKE = re.compile(
    r"^(?P<before>|[A-Za-z](?:[A-Za-z0-9_./@:= -]*?[^0-9.])?)v?"
    rf"(?P<core>{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?)"
    rf"(?:[-~._]?(?P<stage>alpha|beta|rc)[-.]?(?P<count>{_NUMBER}))?"
    r"(?P<after>(?![0-9]|\.[0-9]|[-~._]?(?:alpha|beta|rc)).*)$"
)
"""A number of two or three parts with something around it, such as `kubelet=1.36.4-1.1`."""


def read(text: str) -> str | None:
    """`1.36.4` of `v1.36.4`, `1.37.0-rc.1` of itself; None of everything else."""
    found = _VERSION.match(text)
    return found[1] if found else None


def required(text: str) -> str:
    """The same where nothing else will do. Raises RequestError that names what is meant."""
    version = read(text)
    if version is None:
        raise _named(text) or RequestError(
            f"{text!r} is not a version; write it like v1.36.4 or v1.37.0-rc.1"
        )
    return version


def wildcard(text: str) -> str | None:
    """`1.36` of `1.36.*` or `v1.36.x`, `1` of `1.x`; None of what is no such wildcard."""
    found = _WILDCARD.match(text)
    return found[1] if found else None


def refusal(text: str) -> RequestError:
    """What to say to a text that is no request: what it is, as far as that is plain, and what to
    ask for instead.
    """
    if named := _named(text):
        return named
    found = _LOOKS_LIKE.match(text)
    if found is None or found["stage"] or re.search(r"[0-9]\.[0-9]", found["after"]):
        remedy = "use stable, latest, stable-1.36, 1.36, v1.36.4 or a range such as '>=1.35,<1.37'"
    else:
        remedy = f"ask for {found['core']}, the newest patch of it"
    return RequestError(repr(text), "not a request", remedy)


def _named(text: str) -> RequestError | None:
    """What to say to a text that names one version, but is none; None: it names none."""
    found = _LOOKS_LIKE.match(text)
    stage = f"-{found['stage']}.{found['count']}" if found and found["stage"] else ""
    version = read(f"{found['core']}{stage}") if found else None
    if found is None or version is None:
        return None
    if found["before"] or not found["after"]:
        return RequestError(repr(text), "not a request", f"ask for v{version}")
    if revision := _REVISION.match(found["after"]):
        return RequestError(
            text,
            f"is release {revision[1]} of v{version}, not a version of Kubernetes",
            f"ask for v{version} (--revision {revision[1]})",
        )
    return RequestError(
        text,
        f"is what a package or another build of v{version} is called, not a version of Kubernetes",
        f"ask for v{version}",
    )
