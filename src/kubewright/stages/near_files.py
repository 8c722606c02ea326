"""Objects of a site as files of this machine, for as long as a command needs them: each is brought
once.
"""

from contextlib import ExitStack
from pathlib import Path

from kubewright.verification import Source


class NearFiles:
    """Files of the objects of a source; `until` ends their time."""

    def __init__(self, source: Source, until: ExitStack) -> None:
        self._source, self._until = source, until
        self._found: dict[str, Path] = {}

    def path(self, name: str, size: int) -> Path:
        """The file of an object of that size."""
        if name not in self._found:
            self._found[name] = self._until.enter_context(self._source.local(name, size))
        return self._found[name]
