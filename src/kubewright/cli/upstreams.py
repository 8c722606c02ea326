"""How a person says what is read in place of upstreams: for all of them, and host by host."""

from collections.abc import Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from kubewright.bases import named
from kubewright.cli.directories import expanded
from kubewright.errors import RequestError

EVERYTHING: Final = "*"
"""What stands for all other hosts in the table of `kubewright.toml`."""


def _hosts(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
    """Hosts with their bases, `~` being the home directory."""
    return tuple((host, expanded(place)) for host, place in named(given))


UPSTREAMS: dict[str, dict[str, Any]] = {
    "upstream": {
        "metavar": "DIR|URL",
        "help": "Read upstream files from a mirror (`kubewright mirror`).",
    },
    "upstream-for": {
        "multiple": True,
        "callback": _hosts,
        "metavar": "HOST[/PATH]=DIR|URL",
        "help": "Read the files of a host from there (`[upstream]` in kubewright.toml); "
        "repeatable.",
    },
}
"""The options, which stand for each other: who gives one takes neither from the file."""


def as_one(given: dict[str, Any]) -> None:
    """Take back what `kubewright.toml` says where the command line or the environment says
    anything: who asks for a mirror means that one.
    """
    context = click.get_current_context()
    fields = [name.replace("-", "_") for name in UPSTREAMS]
    sources = {name: context.get_parameter_source(name) for name in fields if name in given}
    said = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
    if said.isdisjoint(sources.values()):
        return
    for name, source in sources.items():
        if source is ParameterSource.DEFAULT_MAP:
            given[name] = None


def spread(table: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The defaults of a file with its `[upstream]`, a base for each host, as the options have it.

    Raises RequestError that begins with `place` for what is no such table.
    """
    hosts = table["upstream"]
    for host, base in hosts.items():
        if isinstance(base, Mapping):
            raise RequestError(
                f"{place}: upstream.{host}",
                "a table",
                f'write the host in quotes: "{_dotted(host, base)}" = …',
            )
        if not isinstance(base, str) or not base.strip():
            raise RequestError(
                f'{place}: upstream."{host}"', f"{base!r} is no base", "give a directory or a URL"
            )
    rest = {key: value for key, value in table.items() if key != "upstream"}
    named = [f"{host}={base}" for host, base in hosts.items() if host != EVERYTHING]
    more = rest.get("upstream-for", [])
    rest["upstream-for"] = named + (more if isinstance(more, list) else [more])
    return rest | ({"upstream": hosts[EVERYTHING]} if EVERYTHING in hosts else {})


def _dotted(name: str, table: Mapping[str, Any]) -> str:
    """The host that TOML has read as a table in a table, for its dots."""
    inner, value = next(iter(table.items()), ("", None))
    return f"{name}.{_dotted(inner, value) if isinstance(value, Mapping) else inner}"
