"""The console command: verbs, options, results on standard output, and one place that exits."""

import errno
import logging
import re
import sys
import tempfile

import click

from kubewright import __version__
from kubewright.cli.verbs import Verbs, refused_option
from kubewright.errors import (
    DiskError,
    KubewrightError,
    RequestError,
    ToolFailed,
    VerificationFailed,
)
from kubewright.files import disk_error
from kubewright.log import console, redacted
from kubewright.printable import printable

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""What the system says when the disk is full or not ours to write."""

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
    try:
        code = kubewright.main(argv, prog_name="kubewright", standalone_mode=False)
    except click.NoSuchOption as error:
        code = _explained(refused_option(error))
    except click.ClickException as error:
        error.show()
        code = RequestError.exit_code
    except click.Abort:
        console().print("stopped", style="red")
        code = 1
    except KubewrightError as error:
        code = _explained(error)
    except Exception as error:  # the last resort: one line for people, the whole story with -v
        code = _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: KubewrightError, cause: Exception | None = None) -> int:
    """Say what went wrong, with -v also where; give the exit code."""
    lines = not isinstance(error, VerificationFailed)  # these quote what others have written
    words = printable(f"error: {error}", lines=lines)
    console().print(words, style="bold red", markup=False)
    logging.getLogger("kubewright").debug("where it came from:", exc_info=cause or error)
    disk_full = isinstance(error, ToolFailed) and FULL.search(str(error))
    return DiskError.exit_code if disk_full else error.exit_code


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
    return 1
