"""Writes a deb: an ar archive of the format's number, the control files and the data (deb(5))."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from kubewright import files
from kubewright.archives import DEB_STYLE, DirectoryEntry, Entry, FileEntry, LinkEntry, tar_pieces
from kubewright.models.base import Format
from kubewright.models.description import Description, Payload, Script
from kubewright.packagers import relation_syntax
from kubewright.packing.contents import Contents
from kubewright.packing.joined import write_frame

_KIBIBYTE, _AR_HEADER = 1024, 60
_SCRIPTS: Final[tuple[Script, ...]] = ("preinst", "postinst", "prerm", "postrm")


def write(description: Description, contents: Contents, target: Path) -> None:
    """Write the deb `target`."""
    data, control_files = _entries(description), _control_files(description, contents)
    with target.open("w+b") as out:
        out.write(b"!<arch>\n")
        with _member("debian-binary", description, out):
            out.write(b"2.0\n")
        for name, entries in (("control.tar.zst", control_files), ("data.tar.zst", data)):
            with _member(name, description, out):
                _write_tar(entries, description, contents, out)


@contextmanager
def _member(name: str, description: Description, out: IO[bytes]) -> Iterator[None]:
    """A member of the archive: what the block writes. Its header has the size, so it comes last."""
    start = out.tell()
    out.write(bytes(_AR_HEADER))
    yield
    size = out.tell() - start - _AR_HEADER
    out.write(b"\n" * (size % 2))
    end = out.tell()
    out.seek(start)
    epoch = description.source_date_epoch
    out.write(f"{name:16}{epoch:<12}{0:<6}{0:<6}{'100644':8}{size:<10}`\n".encode())
    out.seek(end)


def _write_tar(
    entries: Sequence[tuple[Entry, files.Content]],
    description: Description,
    contents: Contents,
    out: IO[bytes],
) -> None:
    by_path = {entry.path: content for entry, content in entries}
    epoch = description.source_date_epoch
    tar = tar_pieces((entry for entry, _ in entries), epoch=epoch, style=DEB_STYLE)
    pieces = (by_path[piece.path] if isinstance(piece, FileEntry) else piece for piece in tar)
    write_frame(pieces, contents, out)


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
        **{name: (description.scripts.get(name, ""), 0o755) for name in _SCRIPTS},
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
