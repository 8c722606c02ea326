"""Puts access to clusters into kubeconfig files and takes it out again; all else in them stays.

Entries of ours bear a mark. Files are edited as YAML's own tree, so that nothing is read as another
type than it was written as; comments are lost, as kubectl loses them.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Final, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kubewright import files
from kubewright.errors import RequestError

LISTS: Final = ("clusters", "contexts", "users")
_BODIES: Final = {"clusters": "cluster", "contexts": "context", "users": "user"}

EXTENSION: Final = "kubewright.local/cluster"
"""The name of the mark, an extension of an entry: kubectl keeps those."""

PATIENCE = 5.0
"""Seconds to wait for somebody else who is writing the file."""


class Mark(NamedTuple):
    """Whose an entry is."""

    cluster: str
    engine: str
    """The engine's ID: two machines may have a cluster of one name each."""


def merged(there: str, access: str, mark: Mark, context: str, place: str = "") -> str:
    """A kubeconfig with one cluster's access in it, which becomes the current context.

    Raises RequestError when `place`, the file, cannot be read or has the name for something else.
    """
    root, added = _read(there, place), _read(access, "the cluster's kubeconfig")
    for kind in LISTS:
        entries = _entries(root, kind, place)
        for entry in entries.value:
            if _name(entry) == context and _mark(entry, kind) != mark:
                raise RequestError(
                    place,
                    f"has another entry {context!r} in its {kind} already",
                    "give this cluster's entries another name: --context NAME",
                )
        others = [entry for entry in entries.value if _mark(entry, kind) != mark]
        new = _entries(added, kind, place).value
        for entry in new:
            _set(_body(entry, kind), "extensions", _extension(mark))
        entries.value = others + new
    _set(root, "current-context", _scalar(context))
    return _text(root)


def without(there: str, mark: Mark, place: str = "") -> str | None:
    """A kubeconfig without what bears a mark; None if nothing does. Raises as `merged`."""
    root, removed = _read(there, place), set[str]()
    for kind in LISTS:
        entries = _entries(root, kind, place)
        ours = [entry for entry in entries.value if _mark(entry, kind) == mark]
        entries.value = [entry for entry in entries.value if entry not in ours]
        removed |= {f"{kind}/{_name(entry)}" for entry in ours}
    if not removed:
        return None
    current = _get(root, "current-context")
    if isinstance(current, ScalarNode) and f"contexts/{current.value}" in removed:
        _set(root, "current-context", _scalar(""))
    return _text(root)


def merge(path: Path, access: str, mark: Mark, context: str) -> None:
    """Put access into a file, which is made if it is not there. Raises as `merged`, DiskError."""
    with _locked(path):
        _write(path, merged(_content(path), access, mark, context, str(path)))


def check(path: Path, mark: Mark, context: str) -> None:
    """Raise what `merge` would, for a cluster that is not there yet."""
    merged(_content(path), "", mark, context, str(path))


def remove(paths: Sequence[Path], mark: Mark) -> tuple[str, ...]:
    """Take what bears a mark out of files; those that had it. Raises as `merge`."""
    changed = []
    for path in paths:
        if EXTENSION not in _content(path):
            continue
        with _locked(path):
            kept = without(_content(path), mark, str(path))
            if kept is not None:
                _write(path, kept)
                changed.append(str(path))
    return tuple(changed)


# ── Files ────────────────────────────────────────────────────────────────────────────────────


def _content(path: Path) -> str:
    """What is in a file, nothing if it is not there."""
    with files.explained(path):
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise _unreadable(str(path), str(error)) from error


def _write(path: Path, text: str) -> None:
    """Replace a file whole, where a link leads to. It stays whose it was, also for `sudo`; a new
    file is for its owner alone, for it holds keys.
    """
    target = Path(os.path.realpath(path))
    with files.explained(target):
        before = target.stat() if target.exists() else None
        files.write(target, text.encode(), mode=S_IMODE(before.st_mode) if before else 0o600)
        if before and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(target, before.st_uid, before.st_gid)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep kubectl and others of ours from writing: kubectl's own lock, a file beside it."""
    lock = path.with_name(f"{path.name}.lock")
    deadline = time.monotonic() + PATIENCE
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                break
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise RequestError(
                        str(lock),
                        "somebody is writing the kubeconfig, or has died while doing so",
                        "remove this file if no kubectl is running, and try again",
                    ) from None
                time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────


def _read(text: str, place: str) -> MappingNode:
    """The tree of a kubeconfig; an empty file is an empty one."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _unreadable(place, " ".join(str(error).split())) from error
    if root is None or _is_null(root) or root.value == []:
        root = yaml.compose("apiVersion: v1\nkind: Config", Loader=yaml.SafeLoader)
    if not isinstance(root, MappingNode):
        raise _unreadable(place, "is not a mapping")
    return root


def _unreadable(place: str, why: str) -> RequestError:
    return RequestError(
        place, f"is no kubeconfig ({why})", "correct it, or name another file with KUBECONFIG"
    )


def _text(root: MappingNode) -> str:
    text: str = yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True, width=2**31)
    return text


def _entries(root: MappingNode, kind: str, place: str) -> SequenceNode:
    """One of the lists, which is made where it is not there."""
    found = _get(root, kind)
    if found is None or _is_null(found):
        found = SequenceNode("tag:yaml.org,2002:seq", [], flow_style=False)
        _set(root, kind, found)
    if not isinstance(found, SequenceNode):
        raise _unreadable(place, f"{kind} is not a list")
    if not found.value:
        found.flow_style = False  # it was written as []
    return found


def _is_null(node: Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _get(node: Node | None, key: str) -> Node | None:
    """The value of a key of a mapping; the last counts where it is there twice."""
    found = None
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if name.value == key:
                found = value
    return found


def _set(node: MappingNode, key: str, value: Node) -> None:
    for at, (name, _) in enumerate(node.value):
        if name.value == key:
            node.value[at] = (name, value)
            return
    node.value.append((_scalar(key), value))


def _scalar(text: str) -> ScalarNode:
    return ScalarNode("tag:yaml.org,2002:str", text)


def _name(entry: Node) -> str:
    found = _get(entry, "name")
    return str(found.value) if isinstance(found, ScalarNode) else ""


def _body(entry: Node, kind: str) -> MappingNode:
    body = _get(entry, _BODIES[kind])
    if not isinstance(body, MappingNode):
        raise _unreadable("the cluster's kubeconfig", f"an entry of {kind} says nothing")
    return body


def _extension(mark: Mark) -> SequenceNode:
    values = ", ".join(f"{key}: '{value}'" for key, value in mark._asdict().items())
    root = _read(f"extensions: [{{name: {EXTENSION}, extension: {{{values}}}}}]", "")
    return _entries(root, "extensions", "")


def _mark(entry: Node, kind: str) -> Mark | None:
    """The mark of an entry, or None for one of somebody else's."""
    extensions = _get(_get(entry, _BODIES[kind]), "extensions")
    for one in extensions.value if isinstance(extensions, SequenceNode) else ():
        if _name(one) == EXTENSION:
            said = [_get(_get(one, "extension"), key) for key in Mark._fields]
            return Mark(*(str(value.value) if value else "" for value in said))
    return None
