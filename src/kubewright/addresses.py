"""Addresses of servers: which are the same, and whether answers can be changed on the way."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether `HOST[:PORT]` is this machine itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def is_exposed(url: str) -> bool:
    """Whether clients would ask another machine, unencrypted: whoever is on the way can answer."""
    scheme, _, rest = url.partition("://")
    return scheme.lower() == "http" and not is_loopback(rest.partition("/")[0])


def address(url: str) -> str:
    """The `HOST[:PORT]` of a URL, without the name and password that may stand before it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def origin(url: str) -> tuple[str, str | None, int | None]:
    """What two URLs of one server have in common: the scheme, the host and the port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
