"""Addresses of servers: whether what is asked of them can be changed on the way."""

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
