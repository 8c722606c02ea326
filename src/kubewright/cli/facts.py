"""What each command is, for manual pages, docs/verbs.md and docs/settings.md."""

from collections.abc import Iterator
from typing import NamedTuple

import click

from kubewright.cli.verbs import Verb, load, verbs


class Option(NamedTuple):
    """An option of a command."""

    names: tuple[str, ...]
    """The long one first: `--quiet`, `-q`."""
    value: str
    """What stands after it, such as `DIR`; empty for a flag."""
    help: str
    default: str
    """In words; empty where there is none to say."""
    variable: str
    """Of the environment, that stands for it; or empty."""
    choices: tuple[str, ...]
    kind: str
    """Of its value in JSON: string, integer or boolean."""
    repeatable: bool
    required: bool

    @property
    def name(self) -> str:
        """Without hyphens: its key in kubewright.toml."""
        return self.names[0].removeprefix("--")


class Page(NamedTuple):
    """A command that does something, or one that has such below it."""

    words: str
    """`key init`."""
    usage: str
    """What stands after the words: `[OPTIONS] DIR`."""
    text: tuple[str, ...]
    """What it does, in paragraphs; the first is its summary."""
    options: tuple[Option, ...]
    below: tuple[str, ...]
    """The words of the commands below it."""
    verb: Verb


def pages() -> Iterator[Page]:
    """Every command, in the order of the pipeline. Imports the whole engine."""
    for name, verb in verbs().items():
        yield from _pages(name, load(name), verb)


def _pages(words: str, command: click.Command, verb: Verb) -> Iterator[Page]:
    below = dict(command.commands) if isinstance(command, click.Group) else {}
    context = click.Context(command, info_name=words)
    yield Page(
        words=words,
        usage=" ".join(command.collect_usage_pieces(context)),
        text=tuple(" ".join(part.split()) for part in str(command.help).split("\n\n")),
        options=tuple(_options(command, context)),
        below=tuple(f"{words} {name}" for name in below),
        verb=verb,
    )
    for name, one in below.items():
        yield from _pages(f"{words} {name}", one, verb)


def _options(command: click.Command, context: click.Context) -> Iterator[Option]:
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            choices = option.type.choices if isinstance(option.type, click.Choice) else ()
            variable = option.envvar if isinstance(option.envvar, str) else ""
            yield Option(
                names=tuple(sorted(option.opts, key=len, reverse=True)),
                value="" if option.is_flag else option.make_metavar(context),
                help=str(option.help),
                default=_default(option),
                variable=variable,
                choices=tuple(map(str, choices)),
                kind=_kind(option),
                repeatable=option.multiple,
                required=option.required,
            )


def _default(option: click.Option) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    if option.name == "jobs":
        return "the processors of the machine"
    value = option.to_info_dict()["default"]
    if option.is_flag or value in (None, "", ()) or callable(value):
        return ""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _kind(option: click.Option) -> str:
    if option.is_flag:
        return "boolean"
    return "integer" if isinstance(option.type, click.types.IntParamType) else "string"
