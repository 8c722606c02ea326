"""Gives verbs the options that they share, and makes settings of these."""

import functools
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from kubewright import log, needs
from kubewright.cli.buckets import fitting
from kubewright.cli.clock import refuse_to_come, source_date_epoch
from kubewright.cli.configuration import READ, Configuration
from kubewright.cli.directories import cache_directory, expanded, log_directory, state_directory
from kubewright.cli.option_table import OPTIONS
from kubewright.cli.shown import Shown
from kubewright.cli.upstreams import as_one
from kubewright.cli.variables import refuse_misspelt, variable
from kubewright.errors import RequestError
from kubewright.log import redacted
from kubewright.mistakes import explain
from kubewright.models.answer import Answer
from kubewright.printable import printable, printable_json
from kubewright.settings import Settings

Command = Callable[..., None]

CHOICE = (
    "upstream", "upstream-for", "offline", "arch", "revision", "raise-companions", "flavour",
    "allow-unverified", "allow-changed", "jobs", "now",
)  # fmt: skip
"""The options that decide what a release consists of."""

KEYS = (
    "repo-key", "artifact-key", "next-repo-key", "second-repo-key", "freshness-key", "root",
    "passphrase-file", "now",
)  # fmt: skip
"""Those that name the keys."""

PUBLICATION = (
    "site", "s3-endpoint", "url", "allow-http", "allow-development", "allow-expired", *KEYS,
    "trust", "state", "note", "dry-run",
)  # fmt: skip
"""Those of a publication of any kind."""


PATHS = ("upstream", "dist", "cache", "site", "state", "passphrase_file", "roots", "trust")
"""The settings that are paths, or may be."""

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Results as JSON.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="Only whole stages, warnings, results.")
VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Every command and address, with times.",
)


def field_of(name: str) -> str:
    """The field of Settings that an option sets: `architectures` for `arch`."""
    field: str = OPTIONS[name].get("field", name.replace("-", "_"))
    return field


def _option(name: str) -> Callable[[Command], Command]:
    """An option with its setting's default; KUBEWRIGHT_REPO_KEY stands for --repo-key too."""
    field = field_of(name)
    stated = Settings.model_fields[field]
    given = {key: value for key, value in OPTIONS[name].items() if key != "field"}
    return click.option(
        f"--{name}",
        field,
        envvar=variable(name),
        default=None if stated.is_required() else stated.default,
        **given,
    )


def shared(*names: str, to_json: bool = True) -> Callable[[Command], Command]:
    """Give a verb those of the options above that it reads, and how much it says.

    It gets them as one `settings`, beside its own; with `to_json` also `as_json`. A setting that no
    option of the verb names has its default. Raises KeyError for a name that is not an option.
    """
    if unknown := set(names) - OPTIONS.keys():
        raise KeyError(f"no such option: {', '.join(sorted(unknown))}")

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            quiet, verbose = given.pop("quiet"), given.pop("verbose")
            log.configure(int(verbose) - int(quiet), log_directory())
            refuse_misspelt()
            context = click.get_current_context()
            _say_read(context.meta.get(READ), aloud=context.info_name == "release")
            as_one(given)
            own = {
                name: given.pop(name) for name in list(given) if name not in Settings.model_fields
            }
            made = settings(given)
            if not made.dry_run:
                needs.require(context.command_path.partition(" ")[2], made)
            command(settings=fitting(made, own.get("where")) if "site" in names else made, **own)

        options = [_option(name) for name in OPTIONS if name in names]
        options += [AS_JSON, QUIET, VERBOSE] if to_json else [QUIET, VERBOSE]
        decorated: Command = wrapper
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def _say_read(read: Configuration | None, *, aloud: bool) -> None:
    """Say which file has defaults; unasked where it is not seen at once, or much hangs on it."""
    if read is not None:
        level = logging.INFO if read.folder or aloud else logging.DEBUG
        place = read.place if read.folder else Path.cwd() / read.place
        logging.getLogger(__name__).log(level, "%s: defaults of options are read from it", place)


def settings(given: dict[str, Any]) -> Settings:
    """Settings from what click has read. Raises RequestError that names the option."""
    values = {
        name: expanded(value) if name in PATHS else value
        for name, value in given.items()
        if value is not None
    }
    values = {
        "cache": cache_directory(needed="cache" in given) if "cache" not in values else None,
        "state": state_directory(said="state" in given) if "state" not in values else None,
        "now": int(time.time()),
        **values,
    }
    if {"repo_key", "site"} <= given.keys():
        refuse_to_come(f"--now {values['now']}", values["now"], int(time.time()))
    epoch = source_date_epoch(values["now"])
    try:
        return Settings(source_date_epoch=epoch, **values)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> RequestError:
    """What is wrong with the first option that cannot be used."""
    first = explain(error)[0]
    field = re.split(r"[.\[]", first.key)[0]
    for name in OPTIONS:
        if field_of(name) == field:
            place = f"--{name} {redacted(str(first.given))}"
    examples = Settings.model_fields[field].examples
    return RequestError(place, first.problem, f"write it like {examples[0]}" if examples else "")


def show_json(answer: Answer) -> None:
    """A result as JSON on standard output."""
    Shown.yet = True
    table = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    click.echo(printable_json(json.dumps(table, indent=2, ensure_ascii=False)))


def say(line: str) -> None:
    """A line of a result on standard output, whoever wrote the names in it."""
    click.echo(printable(line))
