"""Says why a web server does not give a file, and what to do about it."""

import re
from collections.abc import Mapping
from typing import Final

from kubewright.addresses import address
from kubewright.errors import UpstreamUnreachable
from kubewright.patience import asked

CAUSES: Final[dict[int, tuple[str, str]]] = {
    401: (
        "wants a name and a password, or other ones",
        "put them into its address (https://NAME:PASSWORD@HOST/…) or into ~/.netrc",
    ),
    403: (
        "refuses this machine or this file: a firewall, a proxy, a block of its network or of its"
        " country, or a bucket whose files may be read but not listed",
        "if it wants an account, put that into ~/.netrc; else ask who runs it, or run this from"
        " another network; a bucket says what it lacks once its readers may list it"
        " (s3:ListBucket)",
    ),
    407: (
        "that is the proxy on the way, which wants a name and a password",
        "put them into HTTP_PROXY and HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT)",
    ),
    429: ("has had too many requests from here", "try again later"),
    451: (
        "must not give it to where this machine is, by law",
        "run this where it may",
    ),
    500: ("has a fault of its own", "try again later"),
    502: ("does not get it from a server behind it", "try again later"),
    503: ("is overloaded or being worked on", "try again later"),
    504: ("waits in vain for a server behind it", "try again later"),
    511: ("wants somebody to log in to this network first", "open any page in a browser here"),
}
"""By status: why, and what to do."""

_TUNNEL: Final = re.compile(r"Tunnel connection failed: ([0-9]{3})")
"""How Python says what a proxy answered that was to connect to a server."""


class Refused(UpstreamUnreachable):
    """A server answered, and gave no file. `status` is what it answered."""

    def __init__(self, status: int, place: str, problem: str, remedy: str) -> None:
        self.status = status
        super().__init__(place, problem, remedy)


def refused(
    where: str, words: str, status: int, headers: Mapping[str, str], instead: str
) -> Refused:
    """The error for an answer of `status` to a request for `where`, which people know by `words`;
    `instead` is what else to do, as the end of a sentence.
    """
    why, remedy = CAUSES.get(status, ("", "try again later"))
    wait = asked(headers)
    if wait is not None:
        remedy = f"try again, but {wait.words}"
    said = f"answered {status} for {words}"
    return Refused(status, address(where), f"{said}: it {why}" if why else said, remedy + instead)


def refused_by_proxy(where: str, words: str, reason: str, instead: str) -> Refused | None:
    """The error for a proxy that does not connect to a server; None where `reason` says something
    else.
    """
    found = _TUNNEL.search(reason)
    if found is None:
        return None
    status = int(found[1])
    remedy = CAUSES[407][1] if status == 407 else "ask who runs it, or set NO_PROXY for this host"
    return Refused(
        status,
        address(where),
        f"the proxy on the way answered {status} and does not connect to it, for {words}",
        remedy + instead,
    )
