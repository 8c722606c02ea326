"""Reads `kubewright.toml`: defaults for options, the same for every verb that has them."""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from kubewright.cli.configuration import Configuration
from kubewright.cli.rebase import rebased
from kubewright.errors import RequestError

Commands = Callable[[], Iterable[tuple[str, click.Command]]]


def defaults(command: click.Command, every: Commands, read: Configuration | None) -> dict[str, Any]:
    """The defaults of a command as click wants them: by parameter, and one level deeper for a
    group. `every` gives all commands; it is called only where a name is not the command's own.

    Raises RequestError for a name that no verb knows, and for a list where one value is wanted.
    """
    if read is None:
        return {}
    table = _table(read)
    unknown = table.keys() - _names(command)
    if unknown:
        _require_known(unknown, every, read.place)
    return _defaults(command, table, read)


def _table(read: Configuration) -> dict[str, Any]:
    try:
        table = tomllib.loads(read.text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(read.place, f"not TOML: {error}") from error
    named = {key.replace("_", "-"): value for key, value in table.items()}
    if isinstance(named.get("upstream"), dict):
        from kubewright.cli.upstreams import spread

        return spread(named, read.place)
    return named


def _require_known(names: Iterable[str], every: Commands, place: str) -> None:
    """Refuse a name that is not an option of any verb."""
    known: set[str] = set()
    for _, command in every():
        known |= _names(command)
    for name in sorted(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = (
                f"did you mean {near[0]!r}?" if near else "`kubewright release --help` lists them"
            )
            raise RequestError(f"{place}: {name}", "unknown option", remedy)


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names; positional arguments have no default."""
    options = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                if name.startswith("--"):
                    options[name.removeprefix("--")] = parameter
    return options


def _names(command: click.Command) -> set[str]:
    """The long names of all options of a command, or of those below a group."""
    if isinstance(command, click.Group):
        return set().union(*map(_names, command.commands.values()))
    return set(_options(command))


def _defaults(
    command: click.Command, table: Mapping[str, Any], read: Configuration
) -> dict[str, Any]:
    if isinstance(command, click.Group):
        return {name: _defaults(below, table, read) for name, below in command.commands.items()}
    return {
        str(option.name): _value(name, option, table[name], read)
        for name, option in _options(command).items()
        if name in table
    }


def _value(name: str, option: click.Option, value: Any, read: Configuration) -> Any:
    values = value if option.multiple and isinstance(value, list) else [value]
    if not all(isinstance(single, str | int | bool) for single in values):
        wanted = (
            "text, or a list of texts" if option.multiple else "a single value, not a list or table"
        )
        raise RequestError(
            f"{read.place}: {name}", f"{value!r} is not right here", f"give {wanted}"
        )
    values = [rebased(name, option, single, read.folder) for single in values]
    return values if option.multiple else values[0]
