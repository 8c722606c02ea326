"""Kubernetes' own version numbers, told from what looks like them: names of releases, versions of
packages, wildcards.
"""

import re

from kubewright.errors import RequestError

NUMBER = r"(?:0|[1-9][0-9]*)"
"""A part of a version, which has no leading zero."""

VERSION = rf"{NUMBER}(?:\.{NUMBER}){{2}}(?:-(?:alpha|beta|rc)\.{NUMBER})?"
"""What Kubernetes tags, without the `v`: a patch, or a pre-release of one."""

_VERSION = re.compile(rf"^v?({VERSION})\Z")
_WILDCARD = re.compile(rf"^v?({NUMBER}(?:\.{NUMBER})?)(?:\.[xX*])+\Z")
_REVISION = re.compile(r"^-([1-9][0-9]*)\Z")
_LOOKS_LIKE = re.compile(
    r"^(?P<before>|[A-Za-z](?:[A-Za-z0-9_./@:= -]*?[^0-9.])?)v?"
    rf"(?P<core>{NUMBER}\.{NUMBER}(?:\.{NUMBER})?)"
    rf"(?:[-~._]?(?P<stage>(?i:alpha|beta|rc))[-.]?(?P<count>{NUMBER}))?"
    r"(?P<after>(?![0-9]|\.[0-9]|[-~._]?(?i:alpha|beta|rc)).*)\Z"
)
"""A number of two or three parts with something around it, such as `kubelet=1.36.4-1.1`."""

_MARKER = re.compile(
    r"^(?:.*/)?(?:(?P<word>(?i:stable|latest))(?:[-_.:/= ]*[vV]?(?P<scope>{0}))?"
    r"|[vV]?(?P<before>{0})[-_.:/= ]+(?P<behind>(?i:stable|latest)))(?:\.txt|\.[xX*])*\Z".format(
        rf"{NUMBER}(?:\.{NUMBER})?"
    )
)
"""A marker as others write it: `latest-v1.36`, `Stable`, `stable-1.36.txt`, `1.36-latest`."""

_ANOTHER = re.compile(r"^\s*(?:[,;|&\s]|\.\.)[^0-9]*[0-9]+\.[0-9]")
"""After a version: a second one, as in `1.36.4 || 1.35.9`."""

_PLACES = re.compile(
    r"|v|ver|version|refs|heads|tags?|releases?|download|stable|latest|linux|newest|current"
)
"""Words before a version that do not say whose it is."""

_OURS = re.compile(
    r"hyperkube|(?:dl\.)?k8s(?:\.io)?|kube(?:adm|ctl|let)"
    r"|kube-(?:apiserver|controller-manager|proxy|scheduler)"
    r"|kubernetes(?:-(?:client|control-plane|hyperkube|master|node|release|server|src|test)(?:-[a-z0-9-]+)?"
    r"|-runtime-[a-z]+)?"
)
"""What has Kubernetes' own version, of its files and packages and of ours."""

_USE = "use stable, latest, stable-1.36, 1.36, v1.36.4 or a range such as '>=1.35,<1.37'"


def read(text: str) -> str | None:
    """`1.36.4` of `v1.36.4`, `1.37.0-rc.1` of itself; None of everything else."""
    found = _VERSION.match(text)
    return found[1] if found else None


def required(text: str) -> str:
    """The same where nothing else will do. Raises RequestError that names what is meant."""
    version = read(text)
    if version is None:
        raise _named(text, "not a version", "write") or RequestError(
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
    if named := _named(text, "not a request", "ask for"):
        return named
    if marker := _MARKER.match(text):
        scope = marker["scope"] or marker["before"]
        word = (marker["word"] or marker["behind"]).lower()
        return RequestError(
            repr(text), "not a request", f"ask for {word}{f'-{scope}' if scope else ''}"
        )
    found = _LOOKS_LIKE.match(text)
    if found is None or found["stage"] or re.search(r"[0-9]\.[0-9]", found["after"]):
        return RequestError(repr(text), "not a request", _USE)
    if other := _other(found["before"]):
        return RequestError(repr(text), f"a version of {other}, not of Kubernetes", _USE)
    remedy = f"ask for {found['core']}, the newest patch of it"
    return RequestError(repr(text), "not a request", remedy)


def _named(text: str, problem: str, verb: str) -> RequestError | None:
    """What to say to a text that names one version, but is none; None: it names none."""
    found = _LOOKS_LIKE.match(text)
    stage = f"-{found['stage'].lower()}.{found['count']}" if found and found["stage"] else ""
    version = read(f"{found['core']}{stage}") if found else None
    if found is None or version is None:
        return None
    remedy = f"{verb} v{version}"
    if other := _other(found["before"]):
        what = f"a version of {other}, not of Kubernetes"
        return RequestError(repr(text), what, f"{verb} a version of Kubernetes, such as v1.36.4")
    if _ANOTHER.match(found["after"]):
        return RequestError(
            repr(text), "several versions", f"{verb} one version, such as v{version}"
        )
    if found["before"] or not found["after"]:
        return RequestError(repr(text), problem, remedy)
    if revision := _REVISION.match(found["after"]):
        return RequestError(
            text,
            f"is release {revision[1]} of v{version} (what resolve --revision {revision[1]} makes),"
            " not a version of Kubernetes",
            remedy,
        )
    return RequestError(
        text,
        f"is what a package or another build of v{version} is called, not a version of Kubernetes",
        remedy,
    )


def _other(before: str) -> str:
    """Whose version it is by what stands before it: the nearest word that names something; empty if
    that is Kubernetes, or nothing.
    """
    words = [word.strip("-.") for word in re.split(r"[^\w.-]+|_", before)]
    named = [word for word in words if not _PLACES.fullmatch(word.lower())]
    if not named or _OURS.fullmatch(re.sub(r"-(?:v|version|releases?)$", "", named[-1].lower())):
        return ""
    return named[-1]
