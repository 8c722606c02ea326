"""Writes a deb: an ar archive of the format's number, the control files and the data (deb(5))."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from kubewright import files
from kubewright.archives import DEB_STYLE, DirectoryEntry, Entry, FileEntry, LinkEntry, tar_pieces
from kubewright.models.base import Format
from kubewright.models.description import Description, Payload
from kubewright.packagers import relation_syntax
from kubewright.packing.contents import Contents
from kubewright.packing.joined import joined

_KIBIBYTE = 1024


def write(description: Description, contents: Contents, work: Path, target: Path) -> None:
    """Write the deb `target`."""
    data, control = work / "data.tar.zst", work / "control.tar.zst"
    _write_tar(_entries(description), description, contents, data)
    _write_tar(_control_files(description, contents), description, contents, control)
    members: list[tuple[str, files.Content]] = [
        ("debian-binary", b"2.0\n"), (control.name, control), (data.name, data),
    ]  # fmt: skip
    with target.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in members:
            _write_member(name, content, description.source_date_epoch, out)
    for path in (data, control):
        path.unlink()


def _write_tar(
    entries: Sequence[tuple[Entry, files.Content]],
    description: Description,
    contents: Contents,
    target: Path,
) -> None:
    by_path = {entry.path: content for entry, content in entries}
    epoch = description.source_date_epoch
    with target.open("w+b") as out, joined(contents, out) as frame:
        for piece in tar_pieces((entry for entry, _ in entries), epoch=epoch, style=DEB_STYLE):
            frame.add_content(by_path[piece.path] if isinstance(piece, FileEntry) else piece)


def _write_member(name: str, content: files.Content, epoch: int, out: IO[bytes]) -> None:
    size = files.size_of(content)
    out.write(f"{name:16}{epoch:<12}{0:<6}{0:<6}{'100644':8}{size:<10}`\n".encode())
    with files.opened(content) as stream:
        shutil.copyfileobj(stream, out, files.CHUNK)
    out.write(b"\n" * (size % 2))


def _entries(description: Description) -> list[tuple[Entry, files.Content]]:
    """What is installed, each with its content."""
    entries: list[tuple[Entry, files.Content]] = []
    for payload in description.payload:
        path = payload.target.lstrip("/")
        if payload.kind == "dir":
            entries.append((DirectoryEntry(path, payload.mode), b""))
        elif payload.kind == "link":
            entries.append((LinkEntry(path, payload.to), b""))
        elif payload.path is not None:
            entries.append((FileEntry.of(path, payload.path, payload.mode), payload.path))
    return entries


def _control_files(
    description: Description, contents: Contents
) -> list[tuple[Entry, files.Content]]:
    sums, conffiles = [], []
    for entry in description.payload:
        if entry.kind == "config":
            conffiles.append(f"{entry.target}\n")
        elif entry.path is not None:  # dpkg has the sums of configuration elsewhere
            sums.append(f"{contents.digest(entry.path, 'md5')}  {entry.target.lstrip('/')}\n")
    texts: dict[str, tuple[str, int]] = {
        "control": (control(description), 0o644),
        "conffiles": ("".join(conffiles), 0o644),
        "md5sums": ("".join(sums), 0o644),
        **{name: (text, 0o755) for name, text in description.scripts.items()},
    }
    made: list[tuple[Entry, files.Content]] = []
    for name, (text, mode) in texts.items():
        if text:
            data = text.encode()
            made.append((FileEntry.of(name, data, mode), data))
    return made


def control(description: Description) -> str:
    """The file `control`, its fields in dpkg-gencontrol's order."""
    fields = {
        "Package": description.name,
        "Version": description.full_version,
        "Architecture": description.package_arch,
        "Maintainer": description.maintainer,
        "Installed-Size": str(installed_size(description.payload)),
        **_relations(description),
        "Section": description.section,
        "Priority": "optional",
        "Homepage": description.home,
        "Description": f"{description.summary}\n{_indented(description.description)}".rstrip(),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _relations(description: Description) -> Mapping[str, str]:
    names = ("depends", "recommends", "conflicts", "replaces", "provides")
    related = {}
    for name in names:
        texts = relation_syntax.render(getattr(description, name), Format.deb)
        related[name.capitalize()] = ", ".join(texts)
    return related


def _indented(text: str) -> str:
    """Lines of a field after its first: an empty one is a dot."""
    return "\n".join(f" {line.strip() or '.'}" for line in text.splitlines())


def installed_size(payload: Sequence[Payload]) -> int:
    """Kibibytes as dpkg-gencontrol counts: each file and link rounded up, one for each directory,
    parents and root with them.
    """
    total = 0
    folders = {"/"}
    for entry in payload:
        path = Path(entry.target)
        folders |= {str(parent) for parent in path.parents}
        if entry.kind == "dir":
            folders.add(entry.target)
            continue
        size = len(entry.to.encode()) if entry.path is None else files.size_of(entry.path)
        total += -(-size // _KIBIBYTE)
    return total + len(folders)
