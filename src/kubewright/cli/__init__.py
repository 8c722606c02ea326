"""The console command: verbs, options, results on standard output, and one place that exits."""

import errno
import logging
import re
import sys
import tempfile
from pathlib import Path

import click

from kubewright import __version__
from kubewright.cli.configuration import VARIABLE
from kubewright.cli.shown import Shown
from kubewright.cli.verbs import Verbs, refused_option
from kubewright.errors import (
    DiskError,
    KubewrightError,
    RequestError,
    ToolFailed,
    VerificationFailed,
)
from kubewright.files import EXPLAINED, disk_error
from kubewright.log import ASIDE, console, file, redacted
from kubewright.printable import printable

DISK = EXPLAINED.keys() - {errno.ENOENT}
"""What the system says of places that people name. A file that is missing all of a sudden is a
mistake of ours.
"""

STOPPED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""

FULL = re.compile(
    r"no\s+space\s+left\s+on\s+device|file\s+too\s+large|disk\s+quota\s+exceeded|read-only\s+file\s+system",
    re.IGNORECASE,
)
"""The same in the last words of a tool, which may break its lines anywhere between them."""


@click.group(
    cls=Verbs,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "show_default": True,
    },
)
@click.version_option(__version__, prog_name="kubewright")
@click.option(
    "--config",
    envvar=VARIABLE,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    show_default="kubewright.toml here, or in the nearest folder above",
    help="Defaults of options.",
)
def kubewright(config: Path | None) -> None:
    """From one version word to signed apt and yum repositories, hyperkube images and a release
    manifest.
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the code that docs/errors.md explains."""
    Shown.yet, Shown.wanted = False, "--json" in (sys.argv if argv is None else argv)
    try:
        code = kubewright.main(argv, prog_name="kubewright", standalone_mode=False)
    except click.NoSuchOption as error:
        code = _explained(refused_option(error))
    except click.ClickException as error:
        error.show()
        code = _answered(_usage(error), RequestError.exit_code)
    except click.Abort:
        console().print("stopped", style="red")
        code = _answered(KubewrightError("stopped"), STOPPED)
    except KubewrightError as error:
        code = _explained(error)
    except Exception as error:  # the last resort: one line for people, the whole story with -v
        code = _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: KubewrightError, cause: Exception | None = None) -> int:
    """Say what went wrong; give the exit code. The log has where it came from."""
    lines = not isinstance(error, VerificationFailed)  # these quote what others have written
    words = printable(f"error: {error}", lines=lines)
    console().print(words, style="bold red", markup=False)
    logging.getLogger("kubewright").debug("%s", words, extra=ASIDE)
    story = cause or error
    logging.getLogger("kubewright").debug("where it came from:", exc_info=story, extra=ASIDE)
    if not isinstance(error, RequestError):  # that is all there is to say of a mistake
        _name_log()
    disk_full = isinstance(error, ToolFailed) and FULL.search(str(error))
    return _answered(error, DiskError.exit_code if disk_full else error.exit_code)


def _answered(error: KubewrightError, code: int) -> int:
    """Say the same as JSON on standard output where that is asked for, unless there is a result;
    give the exit code.
    """
    if Shown.wanted and not Shown.yet:
        from kubewright.cli.answers import Error, Failed
        from kubewright.cli.options import show_json

        said = {"place": error.place, "problem": error.problem, "remedy": error.remedy}
        show_json(Error(error=Failed(**said, exit_code=code)))
    return code


def _usage(error: click.ClickException) -> KubewrightError:
    """What click says of a command line that it cannot read."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    used = context.command_path if context else "kubewright"
    return RequestError(used, error.format_message(), f"`{used} --help` says how it is used")


def _unforeseen(error: Exception) -> int:
    """Say what no stage has explained; give the exit code."""
    if isinstance(error, OSError) and error.errno in DISK:
        place = (
            error.filename or f"a file in {tempfile.gettempdir()} (TMPDIR) or the working directory"
        )
        return _explained(disk_error(error, place), error)
    words = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
    said = KubewrightError("unexpected", words, "run again with -v and report it")
    console().print(printable(str(said)), style="bold red", markup=False)
    logging.getLogger("kubewright").debug("where it came from:", exc_info=error)
    _name_log()
    return _answered(said, said.exit_code)


def _name_log() -> None:
    """Say where all that was done is written down, if it is."""
    written = file()
    if written is not None:
        console().print(printable(f"the log of this run: {written}"), style="dim", markup=False)
