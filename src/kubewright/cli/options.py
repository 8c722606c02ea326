"""The options that several verbs have, each stated once, and the settings that they become."""

import functools
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import ValidationError

from kubewright import log, needs
from kubewright.cli.buckets import fitting
from kubewright.cli.clock import refuse_to_come, source_date_epoch
from kubewright.cli.defaults import CONFIGURATION
from kubewright.cli.directories import cache_directory, expanded, log_directory, state_directory
from kubewright.errors import RequestError
from kubewright.log import redacted
from kubewright.mistakes import explain
from kubewright.models.base import Arch, Flavour, PackageCompression
from kubewright.printable import printable, printable_json
from kubewright.settings import Backend, Settings

Command = Callable[..., None]

CHOICE = (
    "upstream", "offline", "arch", "revision", "raise-companions", "flavour", "allow-unverified",
    "allow-changed", "jobs", "now",
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


def _parts(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
    """The words between the commas."""
    return (
        [part.strip() for part in given.split(",") if part.strip()]
        if isinstance(given, str)
        else given
    )


OPTIONS: dict[str, dict[str, Any]] = {
    "upstream": {
        "metavar": "DIR|URL",
        "help": "Read upstream files from a mirror (`kubewright mirror`).",
    },
    "dist": {"type": click.Path(path_type=Path), "help": "Where stages meet."},
    "cache": {
        "type": click.Path(path_type=Path),
        "show_default": "the user's",
        "help": "Where fetched files are kept.",
    },
    "site": {"metavar": "DIR|s3://…", "help": "The site to publish on: a directory or a bucket."},
    "s3-endpoint": {
        "metavar": "URL",
        "show_default": "Amazon's",
        "help": "Where a bucket is that is not Amazon's.",
    },
    "url": {"show_default": "none, everything is relative", "help": "The site's public base URL."},
    "registry": {"metavar": "PREFIX", "help": "Where images live."},
    "channel": {
        "field": "channels",
        "multiple": True,
        "help": "Publish in this channel; repeatable.",
    },
    "valid-for": {
        "type": int,
        "metavar": "DAYS",
        "show_default": "as before; 14 in a new channel of production keys",
        "help": "Let the channels expire, 0: never; `refresh` renews them.",
    },
    "note": {"metavar": "TEXT", "help": "Why: one line for `kubewright history`."},
    "again": {"is_flag": True, "help": "Publish a release again that was withdrawn."},
    "arch": {
        "field": "architectures",
        "type": click.UNPROCESSED,
        "callback": _parts,
        "metavar": "A,B",
        "show_default": ",".join(Arch.usual()),
        "help": f"Architectures of {', '.join(Arch)}, separated by commas.",
    },
    "revision": {"type": int, "help": "Package revision of Kubernetes' own packages."},
    "raise-companions": {
        "type": int,
        "metavar": "N",
        "help": "Add N to the revisions of all others, which a revoked key has signed.",
    },
    "repo-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "OpenPGP key, for repositories and rpms.",
    },
    "next-repo-key": {
        "metavar": "URI",
        "show_default": "none",
        "help": "Certificate of the OpenPGP key that signs after this one; handed out already.",
    },
    "second-repo-key": {
        "metavar": "URI",
        "show_default": "none",
        "help": "OpenPGP key that signs repositories too, while a rotation is under way.",
    },
    "artifact-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "ECDSA key, for images and manifest.",
    },
    "freshness-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "ECDSA key that says which publication is the newest, and signs nothing else.",
    },
    "root": {
        "field": "roots",
        "type": click.Path(path_type=Path),
        "multiple": True,
        "metavar": "FILE",
        "show_default": "the development root",
        "help": "TUF root that names the keys of the site; repeatable, to publish the next.",
    },
    "passphrase-file": {
        "type": click.Path(path_type=Path),
        "metavar": "FILE",
        "show_default": "none",
        "help": "What opens a locked key file, in its first line; /dev/fd/N reads a descriptor.",
    },
    "trust": {
        "type": click.Path(path_type=Path),
        "multiple": True,
        "metavar": "FILE",
        "help": "A public key that may have signed what is published already; repeatable.",
    },
    "state": {
        "type": click.Path(path_type=Path),
        "metavar": "DIR",
        "show_default": "the user's",
        "help": "Where is remembered what was seen of sites.",
    },
    "allow-development": {
        "is_flag": True,
        "help": "Let a development key sign for a public site, and production keys a sample.",
    },
    "allow-expired": {
        "is_flag": True,
        "help": "Go on from a publication whose metadata has expired, if you know it as the last.",
    },
    "allow-http": {
        "is_flag": True,
        "help": "Let production keys sign for an address without TLS.",
    },
    "allow-unverified": {
        "multiple": True,
        "metavar": "NAME",
        "help": "Accept a component that nothing vouches for.",
    },
    "allow-changed": {
        "multiple": True,
        "metavar": "NAME",
        "help": "Accept other bytes of a component than are pinned or published for its version.",
    },
    "offline": {"is_flag": True, "help": "Resolve from the catalog alone."},
    "backend": {"type": click.Choice(get_args(Backend)), "help": "What builds packages."},
    "maintainer": {"metavar": "'NAME <ADDRESS>'", "help": "Who packages name."},
    "compression": {
        "type": click.Choice(get_args(PackageCompression)),
        "show_default": "small; fast with a development key",
        "help": "How hard packages are compressed.",
    },
    "flavour": {
        "type": click.Choice(get_args(Flavour)),
        "help": "hyperkube: separate programs behind a script, or one program compiled by Go.",
    },
    "only": {"metavar": "GLOB", "help": "Build only these packages."},
    "jobs": {"type": int, "help": "How much to do at once."},
    "dry-run": {"is_flag": True, "help": "Say what would be written, and write nothing."},
    "now": {"type": int, "hidden": True, "help": "The publication clock, epoch seconds."},
}
"""Every option that becomes a setting, in the order of `--help`; `field` where the setting has
another name.
"""

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
        envvar=f"KUBEWRIGHT_{name.replace('-', '_').upper()}",
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
            context = click.get_current_context()
            if read := context.meta.get(CONFIGURATION):
                logging.getLogger(__name__).debug("%s: defaults of options are read from it", read)
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


def show_json(value: Any) -> None:
    """A result as JSON on standard output."""
    click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False)))


def say(line: str) -> None:
    """A line of a result on standard output, whoever wrote the names in it."""
    click.echo(printable(line))
