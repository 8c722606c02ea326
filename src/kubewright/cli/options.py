"""The options that every verb takes, and the settings and keys that they become."""

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from kubewright import log
from kubewright.errors import RequestError
from kubewright.models.base import Arch
from kubewright.packagers import PACKAGERS
from kubewright.settings import Settings
from kubewright.signing.keys import artifact_key, made, repo_key
from kubewright.stages.sign import Keys

Command = Callable[..., None]

FLAVOURS = ("dispatcher", "monolith")
"""Separate programs behind a script, or one program compiled by Go."""


def _option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option whose default may also come from the environment: --repo-key, KUBEWRIGHT_REPO_KEY."""
    long = next(name for name in names if name.startswith("--"))
    variable = "KUBEWRIGHT_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **more)


SHARED = (
    _option("--upstream", metavar="DIR|URL", help="Read upstream files from a mirror (`kubewright mirror`)."),
    _option("--dist", type=click.Path(path_type=Path), default=Path("dist"), help="Where stages meet [dist]."),
    _option("--cache", type=click.Path(path_type=Path), help="Where fetched files are kept [the user's cache]."),
    _option("--site", metavar="DIR", default="site", help="The site to publish on [site]."),
    _option("--url", default="", help="The site's public base URL; without it everything is relative."),
    _option("--registry", metavar="PREFIX", default="registry.k8s.io", help="Where images live."),
    _option("--channel", "channels", multiple=True, help="Publish in this channel; repeatable."),
    _option("--valid-for", type=int, metavar="DAYS", help="Let the channels expire, 0: never; `refresh` renews them."),
    _option("--arch", default="amd64,arm64", help="Architectures, separated by commas."),
    _option("--revision", type=int, default=1, help="Package revision of Kubernetes' own packages [1]."),
    _option("--repo-key", metavar="URI", help="OpenPGP key for repositories and rpms [a development key]."),
    _option("--artifact-key", metavar="URI", help="ECDSA key for images and manifest [a development key]."),
    _option("--allow-development", is_flag=True, help="Let a development key sign for a public site."),
    _option("--allow-unverified", multiple=True, metavar="NAME", help="Accept a component that nothing vouches for."),
    _option("--offline", is_flag=True, help="Resolve from the catalog alone."),
    _option("--backend", type=click.Choice(sorted(PACKAGERS)), default="nfpm", help="What builds packages [nfpm]."),
    _option(
        "--flavour", type=click.Choice(FLAVOURS), default="dispatcher", help="hyperkube: separate, or one program."
    ),
    _option("--only", metavar="GLOB", default="*", help="Build only these packages."),
    _option("--jobs", type=int, default=os.cpu_count() or 2, help="How much to do at once."),
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
        own = {name: given.pop(name) for name in list(given) if name not in Settings.model_fields and name != "arch"}
        command(settings=settings(given), as_json=as_json, **own)

    decorated: Command = wrapper
    for option in reversed(SHARED):
        decorated = option(decorated)
    return decorated


def settings(given: dict[str, Any]) -> Settings:
    """Settings from what click has read. Raises RequestError that names the option."""
    names = [name.strip() for name in given.pop("arch").split(",") if name.strip()]
    unknown = [name for name in names if name not in Arch.__members__]
    if unknown or not names:
        raise RequestError(f"--arch {','.join(unknown)}: unknown; known are {', '.join(Arch)}")
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None and not epoch.isdigit():
        raise RequestError(f"SOURCE_DATE_EPOCH={epoch}: not a number of seconds; unset it or correct it")
    values = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(
            architectures=tuple(Arch(name) for name in names),
            source_date_epoch=int(epoch) if epoch else None,
            **{"cache": cache_directory(), "now": int(time.time()), **values},
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from error


def cache_directory() -> Path:
    """The user's cache directory for this program (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kubewright"


def keys(settings: Settings) -> Keys:
    """The keys that the settings name, or the development keys, which a dry run does not make."""
    if settings.dry_run and not made(settings.repo_key, settings.artifact_key):
        raise RequestError(
            "--dry-run: there is no development key yet, and a dry run makes none; "
            "name keys with --repo-key and --artifact-key"
        )
    return Keys(
        repo=repo_key(settings.repo_key, now=settings.now),
        artifact=artifact_key(settings.artifact_key),
    )


def show_json(value: Any) -> None:
    """A result as JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
