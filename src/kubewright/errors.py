"""Errors that stop the pipeline; each family has its own exit code.

A message starts with the place (`recipes/packages/kubelet.toml: contents[2].mode: …`), says what is
wrong there and ends with what to do about it. What nobody on the way can act on ends in
`kubewright.cli`.
"""

from typing import ClassVar


class KubewrightError(Exception):
    """Something this program understands well enough to explain: `place: problem; remedy`.

    `place` is a file with its key, an option or an address; `problem` says what is wrong there;
    `remedy` says what to do. Where only one text is given, it is the whole message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, place: str, problem: str = "", remedy: str = "") -> None:
        self.place = place if problem else ""
        self.problem = problem or place
        self.remedy = remedy
        head = f"{place}: {problem}" if problem else place
        super().__init__(f"{head}; {remedy}" if remedy else head)


class RequestError(KubewrightError):
    """The request or a configuration file cannot be acted on."""

    exit_code = 2


class ToolMissing(KubewrightError):
    """A program that this step runs is not installed."""

    exit_code = 3


class ToolFailed(KubewrightError):
    """A program ran and reported failure."""

    exit_code = 4


class VerificationFailed(KubewrightError):
    """Bytes are not what their digest or signature says."""

    exit_code = 5


class PublicationConflict(KubewrightError):
    """A published name already stands for other bytes, or somebody else published first."""

    exit_code = 6


class UpstreamUnreachable(KubewrightError):
    """An upstream host did not answer, or not usefully."""

    exit_code = 7


class DiskError(KubewrightError):
    """The local disk is full, read-only or not ours to write."""

    exit_code = 8
