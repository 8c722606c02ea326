"""The console command: verbs, options, results on standard output, and one place that exits."""

import difflib
import errno
import logging
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kubewright import __version__
from kubewright.cli import build, catalog, explain, site, tools
from kubewright.cli import hyperkube as compiling
from kubewright.errors import DiskError, KubewrightError, RequestError, ToolFailed
from kubewright.files import disk_error
from kubewright.log import console

CONFIG = Path("kubewright.toml")

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""What the system says when the disk is full or not ours to write."""

FULL = re.compile(
    "no space left on device|file too large|disk quota exceeded|read-only file system",
    re.IGNORECASE,
)
"""The same in the last words of a tool."""


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "show_default": True,
    }
)
@click.version_option(__version__, prog_name="kubewright")
def kubewright() -> None:
    """From one version word to signed apt and yum repositories, hyperkube images and a release
    manifest.
    """


for room in (build, explain, site, tools, catalog, compiling):
    for command in room.COMMANDS:
        kubewright.add_command(command)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the code that docs/errors.md explains."""
    try:
        code = kubewright.main(
            argv, prog_name="kubewright", standalone_mode=False, default_map=defaults()
        )
    except click.ClickException as error:
        error.show()
        code = RequestError.exit_code
    except click.Abort:
        console.print("stopped", style="red")
        code = 1
    except KubewrightError as error:
        console.print(f"error: {error}", style="bold red", markup=False)
        logging.getLogger("kubewright").debug("where it came from:", exc_info=error)
        code = (
            DiskError.exit_code
            if isinstance(error, ToolFailed) and FULL.search(str(error))
            else error.exit_code
        )
    except Exception as error:  # the last resort: one line for people, the whole story with -v
        code = _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _unforeseen(error: Exception) -> int:
    """Say what no stage has explained; give the exit code."""
    if isinstance(error, OSError) and error.errno in DISK:
        place = (
            error.filename or f"a file in {tempfile.gettempdir()} (TMPDIR) or the working directory"
        )
        said, code = str(disk_error(error, place)), DiskError.exit_code
    else:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        said, code = f"unexpected: {words}; run again with -v and report it", 1
    console.print(f"error: {said}" if code != 1 else said, style="bold red", markup=False)
    logging.getLogger("kubewright").debug("where it came from:", exc_info=error)
    return code


def defaults() -> dict[str, Any]:
    """Defaults from `kubewright.toml` in the working directory: option names, the same for every
    verb that has them.

    Raises RequestError for a name that no verb knows, and for a list where one value is wanted.
    """
    if not CONFIG.is_file():
        return {}
    try:
        table = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{CONFIG}: not TOML: {error}") from error
    table = {key.replace("_", "-"): value for key, value in table.items()}
    known = _names(kubewright)
    for key in sorted(table.keys() - known):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`kubewright release --help` lists them"
        raise RequestError(f"{CONFIG}: {key}: unknown option; {hint}")
    return _defaults(kubewright, table)


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options of a verb by their long names; positional arguments have no default."""
    return {
        name.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
        if name.startswith("--")
    }


def _names(command: click.Command) -> set[str]:
    """The long names of all options of a verb and the verbs below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = set() if isinstance(command, click.Group) else set(_options(command))
    return own.union(*map(_names, below))


def _defaults(command: click.Command, table: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of a verb as click wants them: by parameter, and one level deeper for a
    group.
    """
    if isinstance(command, click.Group):
        return {name: _defaults(verb, table) for name, verb in command.commands.items()}
    return {
        str(option.name): _value(name, option, table[name])
        for name, option in _options(command).items()
        if name in table
    }


def _value(name: str, option: click.Option, value: Any) -> Any:
    values = value if option.multiple and isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | bool) for one in values):
        wanted = (
            "text, or a list of texts" if option.multiple else "a single value, not a list or table"
        )
        raise RequestError(f"{CONFIG}: {name}: {value!r} is not right here; give {wanted}")
    return values if option.multiple else value
