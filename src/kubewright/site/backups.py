"""Second copies of all documents that come with a state: so none of them is lost for good."""

import base64
import binascii
import json
from collections.abc import Mapping

from kubewright.files import canonical_json
from kubewright.models.site import State
from kubewright.site import layout
from kubewright.site.objects import Object, immutable

_BINARY = "base64:"
"""What the text of a document begins with that is not text."""


def backup(state: str, copies: Mapping[str, bytes]) -> Object:
    """The second place for documents, by path, that come with the state with a copy at `state`."""
    return immutable(layout.backup_copy(state), _written(copies))


def metadata(name: str, copies: Mapping[str, bytes]) -> Object:
    """The second place for files of TUF metadata, by path, under a name."""
    return immutable(layout.metadata_backup(name), _written(copies), numbered=True)


def read(data: bytes) -> dict[str, bytes]:
    """The documents in a backup, by path. Raises ValueError for one that is damaged."""
    table = json.loads(data)
    if not isinstance(table, dict) or canonical_json(table) != data:
        raise ValueError("not a backup")
    return {str(path): _decoded(str(text)) for path, text in table.items()}


def new_files(state: State, older: State | None) -> list[str]:
    """The files new with a state that need a second place: pages can be made again."""
    before = older.files if older else {}
    return [
        path
        for path, digest in state.files.items()
        if before.get(path) != digest and not layout.is_page(path)
    ]


def _written(copies: Mapping[str, bytes]) -> bytes:
    return canonical_json({path: _encoded(data) for path, data in copies.items()})


def _encoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _BINARY + base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    if not text.startswith(_BINARY):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_BINARY), validate=True)
    except binascii.Error as error:
        raise ValueError("not a backup") from error
