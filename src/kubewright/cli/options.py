"""The options that every verb takes, and the settings that they become."""

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import ValidationError

from kubewright import log
from kubewright.errors import RequestError
from kubewright.models.base import Arch
from kubewright.models.image import Flavour
from kubewright.packagers import PACKAGERS
from kubewright.settings import Settings
from kubewright.upstream import redacted

Command = Callable[..., None]


def _option(flag: str, field: str = "", **more: Any) -> Callable[[Command], Command]:
    """The option of a field of Settings, with the field's default; KUBEWRIGHT_REPO_KEY stands for
    --repo-key too.
    """
    name = flag.removeprefix("--").replace("-", "_")
    stated = Settings.model_fields[field or name]
    default = None if stated.is_required() else stated.default
    return click.option(
        flag, field or name, envvar=f"KUBEWRIGHT_{name.upper()}", default=default, **more
    )


def _parts(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
    """What stands between the commas."""
    return (
        [part.strip() for part in given.split(",") if part.strip()]
        if isinstance(given, str)
        else given
    )


SHARED = (
    _option(
        "--upstream",
        metavar="DIR|URL",
        help="Read upstream files from a mirror (`kubewright mirror`).",
    ),
    _option("--dist", type=click.Path(path_type=Path), help="Where stages meet."),
    _option(
        "--cache",
        type=click.Path(path_type=Path),
        show_default="the user's",
        help="Where fetched files are kept.",
    ),
    _option("--site", metavar="DIR", help="The site to publish on."),
    _option(
        "--url", show_default="none, everything is relative", help="The site's public base URL."
    ),
    _option("--registry", metavar="PREFIX", help="Where images live."),
    _option("--channel", "channels", multiple=True, help="Publish in this channel; repeatable."),
    _option(
        "--valid-for",
        type=int,
        metavar="DAYS",
        help="Let the channels expire, 0: never; `refresh` renews them.",
    ),
    _option(
        "--arch",
        "architectures",
        type=click.UNPROCESSED,
        callback=_parts,
        metavar="A,B",
        show_default=",".join(Arch),
        help="Architectures, separated by commas.",
    ),
    _option("--revision", type=int, help="Package revision of Kubernetes' own packages."),
    _option(
        "--repo-key",
        metavar="URI",
        show_default="a development key",
        help="OpenPGP key, for repositories and rpms.",
    ),
    _option(
        "--artifact-key",
        metavar="URI",
        show_default="a development key",
        help="ECDSA key, for images and manifest.",
    ),
    _option(
        "--allow-development", is_flag=True, help="Let a development key sign for a public site."
    ),
    _option(
        "--allow-unverified",
        multiple=True,
        metavar="NAME",
        help="Accept a component that nothing vouches for.",
    ),
    _option("--offline", is_flag=True, help="Resolve from the catalog alone."),
    _option("--backend", type=click.Choice(sorted(PACKAGERS)), help="What builds packages."),
    _option(
        "--flavour",
        type=click.Choice(get_args(Flavour)),
        help="hyperkube: separate programs behind a script, or one program compiled by Go.",
    ),
    _option("--only", metavar="GLOB", help="Build only these packages."),
    _option("--jobs", type=int, help="How much to do at once."),
    _option("--dry-run", is_flag=True, help="Say what would be written, and write nothing."),
    _option("--now", type=int, hidden=True, help="The publication clock, epoch seconds."),
    click.option("--json", "as_json", is_flag=True, help="Results as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Only warnings and results."),
    click.option("-v", "--verbose", is_flag=True, help="Every command that is run."),
)


def shared(command: Command) -> Command:
    """Give a verb the shared options; it gets them as one `settings`, beside its own."""

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        as_json = given.pop("as_json")
        quiet, verbose = given.pop("quiet"), given.pop("verbose")
        log.configure(int(verbose) - int(quiet))
        own = {name: given.pop(name) for name in list(given) if name not in Settings.model_fields}
        command(settings=settings(given), as_json=as_json, **own)

    decorated: Command = wrapper
    for option in reversed(SHARED):
        decorated = option(decorated)
    return decorated


def settings(given: dict[str, Any]) -> Settings:
    """Settings from what click has read. Raises RequestError that names the option."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None and not epoch.isdigit():
        raise RequestError(
            f"SOURCE_DATE_EPOCH={epoch}: not a number of seconds; unset it or correct it"
        )
    values = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(
            source_date_epoch=int(epoch) if epoch else None,
            **{"cache": cache_directory(), "now": int(time.time()), **values},
        )
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> RequestError:
    """What is wrong with the first option that cannot be."""
    first = error.errors()[0]
    field = first["loc"][0]
    flag = next(
        one.opts[0] for one in click.get_current_context().command.params if one.name == field
    )
    said = first["msg"].removeprefix("Value error, ")
    example = "".join(
        f"; write it like {one}" for one in Settings.model_fields[str(field)].examples or ()
    )
    return RequestError(f"{flag} {redacted(str(first['input']))}: {said}{example}")


def cache_directory() -> Path:
    """The user's cache directory for this program (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kubewright"


def refuse_dry_run(settings: Settings, verb: str) -> None:
    """Raise RequestError where a dry run is asked of a verb that has none."""
    if settings.dry_run:
        raise RequestError(f"--dry-run: `{verb}` has no dry run; leave the option out")


def show_json(value: Any) -> None:
    """A result as JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
