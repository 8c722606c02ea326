"""The verbs of the console command; the module of a verb is imported when the verb is asked for."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
from click.core import ParameterSource

from kubewright.cli.configuration import READ, configuration
from kubewright.cli.defaults import defaults
from kubewright.errors import RequestError


class Verb(NamedTuple):
    """A line of `verbs.toml`, which the noxfile reads too."""

    module: str
    """Below `kubewright.cli`; the command in it is called like the verb."""
    summary: str
    example: str = ""
    configured: bool = True
    """Whether `kubewright.toml` has defaults for it: not where a site is checked, which may have
    written that file.
    """


@cache
def verbs() -> dict[str, Verb]:
    """Every verb by its name, in the order of the pipeline."""
    table = tomllib.loads(Path(__file__).with_name("verbs.toml").read_text(encoding="utf-8"))
    return {name: Verb(**line) for name, line in table.items()}


def load(name: str) -> click.Command:
    """The command of a verb. Raises KeyError for a word that is not a verb."""
    module = import_module(f"kubewright.cli.{verbs()[name].module}")
    command: click.Command = getattr(module, name)
    return command


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by all its words: `mirror sample`. Imports the whole
    engine.
    """
    for name in verbs():
        yield from _below(name, load(name))


def _below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command, or those below a group."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    for word, below in command.commands.items():
        yield from _below(f"{words} {word}", below)


class Verbs(click.Group):
    """The group of all verbs, which imports only the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs."""
        return list(verbs())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb; None for another word."""
        return load(cmd_name) if cmd_name in verbs() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, with its defaults. Raises what `defaults` does."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=verbs(), ctx=ctx) from error
        if name is not None and command is not None and verbs()[name].configured:
            read = configuration(ctx.params.get("config"))
            ctx.default_map = {name: defaults(command, commands, read)}
            ctx.meta[READ] = read
        elif ctx.get_parameter_source("config") is ParameterSource.COMMANDLINE:
            remedy = "leave it out, and give the options of the verb themselves"
            raise RequestError("--config", f"`{name}` reads no configuration", remedy)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their summaries, for which none of them is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in verbs().items()])


def refused_option(error: click.NoSuchOption) -> RequestError:
    """What to say of an option that a verb does not have: which verbs take it."""
    used = error.ctx.command_path.removeprefix("kubewright ") if error.ctx else ""
    takers = []
    for name, command in commands():
        if any(error.option_name in parameter.opts for parameter in command.params):
            takers.append(name)
    if takers:
        remedy = f"leave it out, it is an option of {', '.join(takers)}"
        return RequestError(error.option_name, f"`{used}` does not take it", remedy)
    near = " or ".join(error.possibilities or ())
    remedy = f"did you mean {near}?" if near else f"`kubewright {used} --help` lists its options"
    return RequestError(error.option_name, "no verb has such an option", remedy)
