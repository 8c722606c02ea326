"""The console command: verbs, options, results on standard output, and one place that exits."""

import logging
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from kubewright import __version__
from kubewright.cli import build, site, tools
from kubewright.errors import KubewrightError, RequestError
from kubewright.log import console

CONFIG = Path("kubewright.toml")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kubewright")
def kubewright() -> None:
    """From one version word to signed apt and yum repositories, hyperkube images and a release manifest."""


for command in (*build.COMMANDS, *site.COMMANDS, *tools.COMMANDS):
    kubewright.add_command(command)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the code that docs/errors.md explains."""
    try:
        code = kubewright.main(argv, prog_name="kubewright", standalone_mode=False, default_map=defaults())
    except click.ClickException as error:
        error.show()
        code = RequestError.exit_code
    except click.Abort:
        console.print("stopped", style="red")
        code = 1
    except KubewrightError as error:
        console.print(f"error: {error}", style="bold red", markup=False)
        logging.getLogger("kubewright").debug("where it came from:", exc_info=error)
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def defaults() -> dict[str, Any]:
    """Defaults from `kubewright.toml` in the working directory: option names, the same for every verb."""
    if not CONFIG.is_file():
        return {}
    try:
        table = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{CONFIG}: not TOML: {error}") from error
    known = {parameter.name for command in kubewright.commands.values() for parameter in command.params}
    unknown = sorted(key for key in table if key.replace("-", "_") not in known)
    if unknown:
        raise RequestError(f"{CONFIG}: {unknown[0]}: unknown option; `kubewright release --help` lists them")
    values = {key.replace("-", "_"): value for key, value in table.items()}
    return dict.fromkeys(kubewright.commands, values)
