"""Bases: directories and addresses from which the files of upstreams are read in place of the
upstreams' own, for all hosts or for one of them.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kubewright.errors import RequestError
from kubewright.log import redacted

SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class Base:
    """A directory or an address, without a slash at the end, that stands for what an upstream has
    below `prefix`: a host, or a host and the beginning of a path. Empty: for all hosts, each below
    a folder of its name.
    """

    place: str
    prefix: str = ""

    @property
    def local(self) -> bool:
        """Whether it is a directory of this machine."""
        return not self.place.startswith(SCHEMES)

    def at(self, path: str) -> str:
        """Where `HOST/PATH` is read from."""
        return f"{self.place}/{self.below(path)}"

    def below(self, path: str) -> str:
        """What the base has `HOST/PATH` under."""
        return path[len(self.prefix) :].lstrip("/")

    @property
    def top(self) -> "Base":
        """The whole mirror that it belongs to, as far as its name tells: `/m` of `/m/dl.k8s.io`."""
        if self.prefix and self.place.endswith(f"/{self.prefix}"):
            return Base(self.place.removesuffix(f"/{self.prefix}"))
        return self


def bases(everything: str | None, hosts: Iterable[tuple[str, str]]) -> tuple[Base, ...]:
    """The base for everything and those for single hosts, as they were given.

    Raises RequestError for what is no directory and no address, and for a host that has two.
    """
    found: dict[str, Base] = {}
    given = [("--upstream", "", everything)] if everything else []
    given += [(f"--upstream-for {host}", prefix(host), place) for host, place in hosts]
    for option, host, place in given:
        if host in found:
            raise RequestError(option, "has two bases", "give each host once")
        found[host] = Base(_checked(option, place or ""), host)
    return tuple(found.values())


def prefix(host: str) -> str:
    """`HOST[/PATH]` as a base has it, however a person wrote it: `https://DL.k8s.io/` too."""
    name, slash, path = host.strip().removeprefix("https://").partition("/")
    return f"{name.lower()}{slash}{path}".rstrip("/")


def nearest(prefixes: Collection[str], path: str) -> str | None:
    """The longest of these that `HOST/PATH` is below; None: none is."""
    fitting = [one for one in prefixes if not one or f"{path}/".startswith(f"{one}/")]
    return max(fitting, key=len, default=None)


def _checked(option: str, given: str) -> str:
    """The place of a base, without a slash at the end."""
    scheme, separator, rest = given.partition("://")
    place = given.rstrip("/") or "/"
    if separator:
        place = f"{scheme.lower()}{separator}{rest.rstrip('/')}"
    said = f"{option} {redacted(given)}" if option == "--upstream" else option
    if place.startswith(SCHEMES):
        if _is_address(place):
            return place
        raise RequestError(said, "not the address of a directory", "write https://HOST/PATH")
    if separator:
        raise RequestError(
            said, f"{scheme}:// is not read", "give a directory, or an http(s) address"
        )
    if not Path(place).is_dir():
        raise RequestError(said, "no such directory", _remedy(place))
    return place


def _is_address(place: str) -> bool:
    try:
        parts = urlsplit(place)
        return (
            bool(parts.hostname) and (parts.port or 1) > 0 and not (parts.query or parts.fragment)
        )
    except ValueError:
        return False


def _remedy(place: str) -> str:
    first = place.partition("/")[0]
    if "." in first.strip(".") and "/" in place:  # as nexus.example.org/k8s
        return f"write https:// before the name of a server: https://{place}"
    return f"make one with `kubewright mirror sample {place}`"


def named(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Hosts with their bases from `HOST[/PATH]=DIR|URL`. Raises RequestError for other words."""
    pairs = []
    for word in given:
        host, separator, place = word.partition("=")
        if not (host.strip() and separator and place.strip()):
            raise RequestError(
                f"--upstream-for {redacted(word)}",
                "not a host and its base",
                "write it like dl.k8s.io=https://nexus.example.org/repository/k8s",
            )
        pairs.append((host, place.strip()))
    return tuple(pairs)
