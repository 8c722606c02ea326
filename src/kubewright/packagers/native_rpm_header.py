"""Renders the header of an rpm: what is installed, what it needs, and what runs."""

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from kubewright import files, rpmfile
from kubewright.models.base import Format
from kubewright.models.description import Description, Relation, Script
from kubewright.packagers import relation_syntax
from kubewright.packagers.describe import BUILD_HOST
from kubewright.packing.contents import Contents
from kubewright.rpmfile import INT16, INT32, INT64, STRING, TRANSLATED, Value

ARCHITECTURES: Final = MappingProxyType(
    {
        "x86_64": (1, "x86-64"),
        "aarch64": (19, "aarch-64"),
        "ppc64le": (16, "ppc-64"),
        "s390x": (15, "s390-64"),
    }
)
"""The number of an architecture in the lead (rpmrc: arch_canon), and rpm's %{_isa} without
brackets.
"""

_SCRIPTS: Final[tuple[tuple[Script, int, int, int], ...]] = (
    ("preinst", 1023, 1085, 1 << 9),
    ("postinst", 1024, 1086, 1 << 10),
    ("prerm", 1025, 1087, 1 << 11),
    ("postrm", 1026, 1088, 1 << 12),
    ("posttrans", 1152, 1154, 1 << 5),
)
"""Debian's name, the tags of text and interpreter, and the flag of what the script needs."""

_SHELL = "/bin/sh"
_LESS, _GREATER, _EQUAL, _INTERPRETER, _RPMLIB = 2, 4, 8, 1 << 8, 1 << 24
_FLAGS = {"<<": _LESS, "<=": _LESS | _EQUAL, "=": _EQUAL, ">=": _GREATER | _EQUAL, ">>": _GREATER}
_CONFIG, _DOCUMENT, _KEEP, _LICENSE = 1, 2, 1 << 4, 1 << 7
_ALL, _SHA256 = 0xFFFFFFFF, 8
_RELATIONS = {
    "provides": (1047, 1112, 1113), "requires": (1049, 1048, 1050), "conflicts": (1054, 1053, 1055),
    "recommends": (5046, 5048, 5047),
}  # fmt: skip
"""Tags of names, flags and versions."""


@dataclass(frozen=True)
class File:
    """What the header says of a file, directory or link; `mode` has its type."""

    path: str
    mode: int
    size: int
    content: files.Content
    sha256: str = ""
    to: str = ""
    flags: int = 0


@dataclass(frozen=True)
class Packed:
    """The payload: SHA-256 of it and of what it is unpacked, and zstd's level."""

    sha256: str
    unpacked_sha256: str
    level: int


class _Stated(NamedTuple):
    """A relation; rpm looks for names by halving, so they are sorted."""

    name: str
    version: str = ""
    flags: int = 0


def listed(description: Description, contents: Contents) -> list[File]:
    """What a package installs, in rpm's order: by path."""
    made = []
    for entry in description.payload:
        flags = {"": 0, "doc": _DOCUMENT, "license": _DOCUMENT | _LICENSE}[entry.document]
        if entry.kind == "dir":
            made.append(File(entry.target, stat.S_IFDIR | entry.mode, 0, b""))
        elif entry.kind == "link":
            to = entry.to.encode()
            made.append(File(entry.target, stat.S_IFLNK | 0o777, len(to), to, to=entry.to))
        elif entry.path is not None:
            flags |= _CONFIG | _KEEP if entry.kind == "config" else 0
            sha256 = contents.digest(entry.path, "sha256")
            mode, size = stat.S_IFREG | entry.mode, files.size_of(entry.path)
            made.append(File(entry.target, mode, size, entry.path, sha256, flags=flags))
    return sorted(made, key=lambda file: file.path.encode())


def header(description: Description, entries: Sequence[File], packed: Packed) -> bytes:
    """The header, all of it inside the region that is signed."""
    values = _identity(description)
    values |= _files(entries, description.source_date_epoch)
    for kind, related in _relations(description).items():
        values |= _tagged(related, *_RELATIONS[kind])
    for name, text, interpreter, _ in _SCRIPTS:
        if name in description.scripts:
            values[text] = Value.strings(description.scripts[name], kind=STRING)
            values[interpreter] = Value.strings(_SHELL, kind=STRING)
    texts = {1124: "cpio", 1125: "zstd", 1126: str(packed.level)}
    values |= {tag: Value.strings(text, kind=STRING) for tag, text in texts.items()}
    values[5092] = Value.strings(packed.sha256)
    values[5093] = Value.numbers(INT32, _SHA256)
    values[5097] = Value.strings(packed.unpacked_sha256)
    return rpmfile.header(values, rpmfile.IMMUTABLE)


def _identity(description: Description) -> dict[int, Value]:
    """What it is, who made it, and when. rpm takes a package without SOURCERPM for a source."""
    source = f"{description.name}-{description.version}-{description.revision}.src.rpm"
    texts = {
        1000: description.name, 1001: description.version, 1002: description.revision,
        1007: BUILD_HOST, 1011: description.vendor, 1014: description.license,
        1015: description.maintainer, 1020: description.home, 1021: "linux",
        1022: description.package_arch, 1044: source, 1064: BUILD_HOST, 5062: "utf-8",
    }  # fmt: skip
    values = {tag: Value.strings(text, kind=STRING) for tag, text in texts.items()}
    values[100] = Value.strings("C")
    values[1004] = Value.strings(description.summary, kind=TRANSLATED)
    values[1005] = Value.strings(description.description, kind=TRANSLATED)
    values[1006] = Value.numbers(INT32, description.source_date_epoch)
    if description.changes:
        values[1080] = Value.numbers(INT32, description.source_date_epoch)
        values[1081] = Value.strings(description.changed_by)
        values[1082] = Value.strings("\n".join(f"- {text}" for text in description.changes))
    if description.epoch:
        values[1003] = Value.numbers(INT32, description.epoch)
    return values


def _files(entries: Sequence[File], epoch: int) -> dict[int, Value]:
    """The lists of files; a package without any has none, and a size."""
    total = sum(entry.size for entry in entries if stat.S_ISREG(entry.mode))
    size = Value.numbers(INT64, total) if total >= 1 << 32 else Value.numbers(INT32, total)
    values = {5009 if size.kind == INT64 else 1009: size}
    if not entries:
        return values
    folders, names = zip(*(entry.path.rsplit("/", 1) for entry in entries), strict=True)
    unique = sorted({f"{folder}/" for folder in folders}, key=str.encode)
    places = {folder: place for place, folder in enumerate(unique)}
    count = len(entries)
    numbers: dict[int, tuple[int, Iterable[int]]] = {
        1028: (INT32, (entry.size for entry in entries)),
        1030: (INT16, (entry.mode for entry in entries)),
        1033: (INT16, [0] * count),
        1034: (INT32, [epoch] * count),
        1037: (INT32, (entry.flags for entry in entries)),
        1045: (INT32, [_ALL] * count),
        1095: (INT32, [1] * count),
        1096: (INT32, range(1, count + 1)),
        1116: (INT32, (places[f"{folder}/"] for folder in folders)),
        5011: (INT32, [_SHA256]),
    }
    texts: dict[int, Iterable[str]] = {
        1035: (entry.sha256 for entry in entries),
        1036: (entry.to for entry in entries),
        1039: ["root"] * count,
        1040: ["root"] * count,
        1097: [""] * count,
        1117: names,
        1118: unique,
    }
    values |= {tag: Value.numbers(kind, *items) for tag, (kind, items) in numbers.items()}
    return values | {tag: Value.strings(*items) for tag, items in texts.items()}


def _relations(description: Description) -> dict[str, list[_Stated]]:
    provides = [_Stated(description.name, description.full_version, _EQUAL)]
    if description.package_arch in ARCHITECTURES:
        _, isa = ARCHITECTURES[description.package_arch]
        own = f"{description.name}({isa})"
        provides.append(_Stated(own, description.full_version, _EQUAL))
    return {
        "provides": [*provides, *map(_stated, description.provides)],
        "requires": _requires(description),
        "conflicts": [_stated(relation) for relation in description.conflicts],
        "recommends": [_stated(relation) for relation in description.recommends],
    }


def _stated(relation: Relation) -> _Stated:
    """A relation as rpm has it: one of several alternatives is a name in brackets."""
    if len(relation.alternatives) > 1:
        [rich] = relation_syntax.render([relation], Format.rpm)
        return _Stated(rich)
    [only] = relation.alternatives
    return _Stated(only.name, only.version, _FLAGS[only.operator] if only.operator else 0)


def _requires(description: Description) -> list[_Stated]:
    """What it needs: packages, the shell for its scripts, and an rpm that can read it."""
    needed = [_stated(relation) for relation in description.depends]
    flags = [flag for name, _, _, flag in _SCRIPTS if name in description.scripts]
    if flags:
        needed = [one for one in needed if one != _Stated(_SHELL)]
        needed.append(_Stated(_SHELL, "", _INTERPRETER | sum(flags)))
    features = {
        "CompressedFileNames": "3.0.4-1", "FileDigests": "4.6.0-1",
        "PayloadFilesHavePrefix": "4.0-1", "PayloadIsZstd": "5.4.18-1",
    }  # fmt: skip
    stated = [*needed, *map(_stated, (*description.provides, *description.conflicts))]
    versions = "".join(one.version for one in stated) + description.full_version
    weak = map(_stated, description.recommends)
    if any(one.name.startswith("(") for one in (*stated, *weak)):
        features["RichDependencies"] = "4.12.0-1"
    if "~" in versions:
        features["TildeInVersions"] = "4.10.0-1"
    if "^" in versions:
        features["CaretInVersions"] = "4.15.0-1"
    for name, version in features.items():
        needed.append(_Stated(f"rpmlib({name})", version, _LESS | _EQUAL | _RPMLIB))
    return needed


def _tagged(related: Iterable[_Stated], names: int, flags: int, versions: int) -> dict[int, Value]:
    """Relations under their three tags."""
    ordered = sorted(set(related))
    if not ordered:
        return {}
    return {
        names: Value.strings(*(one.name for one in ordered)),
        flags: Value.numbers(INT32, *(one.flags for one in ordered)),
        versions: Value.strings(*(one.version for one in ordered)),
    }
