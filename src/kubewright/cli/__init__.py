"""The console command: verbs, options, results on standard output, and one place that exits."""

import errno
import json
import logging
import re
import sys
import tempfile

import click

from kubewright import __version__
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
from kubewright.printable import printable, printable_json

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
def kubewright() -> None:
    """From one version word to signed apt and yum repositories, hyperkube images and a release
    manifest.
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the code that docs/errors.md explains."""
    as_json, Shown.yet = "--json" in (sys.argv if argv is None else argv), False
    try:
        code = kubewright.main(argv, prog_name="kubewright", standalone_mode=False)
    except click.NoSuchOption as error:
        code = _explained(refused_option(error), as_json=as_json)
    except click.ClickException as error:
        error.show()
        code = RequestError.exit_code
    except click.Abort:
        console().print("stopped", style="red")
        code = STOPPED
    except KubewrightError as error:
        code = _explained(error, as_json=as_json)
    except Exception as error:  # the last resort: one line for people, the whole story with -v
        code = _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(
    error: KubewrightError, cause: Exception | None = None, *, as_json: bool = False
) -> int:
    """Say what went wrong, as JSON on standard output too where that is asked for; give the exit
    code. The log has where it came from.
    """
    lines = not isinstance(error, VerificationFailed)  # these quote what others have written
    words = printable(f"error: {error}", lines=lines)
    console().print(words, style="bold red", markup=False)
    logging.getLogger("kubewright").debug("%s", words, extra=ASIDE)
    story = cause or error
    logging.getLogger("kubewright").debug("where it came from:", exc_info=story, extra=ASIDE)
    if not isinstance(error, RequestError):  # that is all there is to say of a mistake
        _name_log()
    disk_full = isinstance(error, ToolFailed) and FULL.search(str(error))
    code = DiskError.exit_code if disk_full else error.exit_code
    if as_json and not Shown.yet:
        facts = {"place": error.place, "problem": error.problem, "remedy": error.remedy}
        click.echo(printable_json(json.dumps({"error": facts | {"exit_code": code}}, indent=2)))
    return code


def _unforeseen(error: Exception) -> int:
    """Say what no stage has explained; give the exit code."""
    if isinstance(error, OSError) and error.errno in DISK:
        place = (
            error.filename or f"a file in {tempfile.gettempdir()} (TMPDIR) or the working directory"
        )
        return _explained(disk_error(error, place), error)
    words = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
    message = f"unexpected: {words}; run again with -v and report it"
    console().print(printable(message), style="bold red", markup=False)
    logging.getLogger("kubewright").debug("where it came from:", exc_info=error)
    _name_log()
    return 1


def _name_log() -> None:
    """Say where all that was done is written down, if it is."""
    written = file()
    if written is not None:
        console().print(printable(f"the log of this run: {written}"), style="dim", markup=False)
