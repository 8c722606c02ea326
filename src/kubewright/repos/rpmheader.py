"""What an rpm's headers say for an index, by the rules of createrepo_c, which every yum client is
used to.
"""

import re
from collections.abc import Iterator, Set
from typing import NamedTuple

from kubewright.repos.rpmxml import Change, Listed, Package, Relation, is_primary
from kubewright.rpmfile import RpmHeader, RpmHeaders

CHANGES = 10
"""How many entries of a changelog an index carries, the newest: createrepo_c's default."""

NAME, VERSION, RELEASE, EPOCH, SUMMARY, DESCRIPTION, BUILD_TIME, BUILD_HOST = range(1000, 1008)
SIZE, VENDOR, LICENSE, PACKAGER, GROUP, URL, ARCH, SOURCE_RPM = (
    1009,
    1011,
    1014,
    1015,
    1016,
    1020,
    1022,
    1044,
)
ARCHIVE_SIZE, LONG_SIZE, LONG_ARCHIVE_SIZE, SOURCE_PACKAGE = 1046, 5009, 271, 1106
SIGNED_ARCHIVE_SIZE = 1007
OLD_FILE_NAMES, FILE_MODES, FILE_FLAGS, DIR_INDEXES, BASE_NAMES, DIR_NAMES = (
    1027,
    1030,
    1037,
    1116,
    1117,
    1118,
)
CHANGE_TIMES, CHANGE_AUTHORS, CHANGE_TEXTS = 1080, 1081, 1082
RELATION_TAGS = {
    "provides": (1047, 1112, 1113), "requires": (1049, 1048, 1050), "conflicts": (1054, 1053, 1055),
    "obsoletes": (1090, 1114, 1115), "suggests": (5049, 5051, 5050), "enhances": (5055, 5057, 5056),
    "recommends": (5046, 5048, 5047), "supplements": (5052, 5054, 5053),
}  # fmt: skip
"""Tags of names, flags and versions of each kind of relation."""

_FLAGS = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
_PRE = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 10  # %posttrans, prereq, %pretrans, %pre, %post
_MISSING_OK = 1 << 19
_GHOST = 1 << 6
_DIRECTORY = 0o040000
_LONGEST_LIST = 64 << 20  # bytes: a header names a directory once, and a list once per file


class _Stated(NamedTuple):
    """A relation as the header has it."""

    name: str
    flags: int
    version: str

    @property
    def compared(self) -> str:
        return _FLAGS.get(self.flags & 0xF, "")

    @property
    def pre(self) -> bool:
        return bool(self.flags & _PRE)


def package(headers: RpmHeaders, *, size: int, sha256: str) -> Package:
    """The package whose file has these headers. Raises ValueError for headers that contradict
    themselves.
    """
    main = headers.main
    files = list(_files(main))
    return Package(
        name=_text(main, NAME),
        epoch=_number(main, EPOCH),
        version=_text(main, VERSION),
        release=_text(main, RELEASE),
        arch="src" if _number(main, SOURCE_PACKAGE) else _text(main, ARCH),
        sha256=sha256,
        summary=_text(main, SUMMARY),
        description=_text(main, DESCRIPTION),
        packager=_text(main, PACKAGER),
        url=_text(main, URL),
        built=_number(main, BUILD_TIME),
        size=size,
        installed=_number(main, LONG_SIZE, SIZE),
        archive=_archive_size(headers),
        license=_text(main, LICENSE),
        vendor=_text(main, VENDOR),
        group=_text(main, GROUP),
        buildhost=_text(main, BUILD_HOST),
        sourcerpm=_text(main, SOURCE_RPM),
        header=(main.start, main.end),
        relations=_relations(main, {file.path for file in files}),
        files=files,
        changes=_changes(main),
    )


def decoded(data: bytes) -> str:
    """A header's text: UTF-8, or else Latin-1 without the characters 128 to 191, as createrepo_c
    takes it.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return re.sub(rb"[\x80-\xbf]", b"", data).decode("latin-1")


def _text(header: RpmHeader, tag: int) -> str:
    return next(map(decoded, header.strings(tag)), "")


def _number(header: RpmHeader, *tags: int) -> int:
    """The first number of the first of the tags that the header has."""
    for tag in tags:
        for number in header.numbers(tag):
            return number
    return 0


def _archive_size(headers: RpmHeaders) -> int:
    return _number(headers.main, LONG_ARCHIVE_SIZE, ARCHIVE_SIZE) or _number(
        headers.signature, LONG_ARCHIVE_SIZE, SIGNED_ARCHIVE_SIZE
    )


def _files(header: RpmHeader) -> Iterator[Listed]:
    if OLD_FILE_NAMES in header.index:
        raise ValueError("its file list is of a kind that rpm 3 wrote")
    folders = header.strings(DIR_NAMES)
    names, inside = header.strings(BASE_NAMES), header.numbers(DIR_INDEXES)
    if inside and max(inside) >= len(folders):
        raise ValueError("it has a file in a directory that it does not name")
    if sum(len(folders[folder]) for folder in inside) > _LONGEST_LIST:
        raise ValueError("its file list is longer than any rpm's")
    for name, folder, mode, flags in zip(
        names, inside, header.numbers(FILE_MODES), header.numbers(FILE_FLAGS), strict=True
    ):
        kind = "dir" if mode & 0o170000 == _DIRECTORY else "ghost" if flags & _GHOST else ""
        yield Listed(decoded(folders[folder] + name), kind)


def _relations(header: RpmHeader, own: Set[str]) -> dict[str, list[Relation]]:
    stated = {kind: list(_stated(header, *tags)) for kind, tags in RELATION_TAGS.items()}
    provided = {(one.name, one.compared, one.version) for one in stated["provides"]}
    needed = [
        one for one in stated["requires"]
        if not one.name.startswith("rpmlib(")
        and not (one.name in own and is_primary(one.name))
        and (one.name, one.compared, one.version) not in provided
    ]  # fmt: skip
    stated["requires"], optional = _required(needed)
    stated["recommends"] = optional + stated["recommends"]
    relations: dict[str, list[Relation]] = {}
    for kind, related in stated.items():
        required = kind == "requires"
        relations[kind] = [_relation(one, pre=one.pre and required) for one in related]
    return relations


def _stated(header: RpmHeader, names: int, flags: int, versions: int) -> Iterator[_Stated]:
    named, compared = map(decoded, header.strings(names)), map(decoded, header.strings(versions))
    for name, flag, version in zip(named, header.numbers(flags), compared, strict=True):
        yield _Stated(name, flag, version)


def _required(stated: list[_Stated]) -> tuple[list[_Stated], list[_Stated]]:
    """What is required, and what may be missing, which is an old way to write a recommendation.

    Left out is what the one before of the same name says already; of libc only the newest symbols
    stay, last.
    """
    kept: list[_Stated] = []
    optional: list[_Stated] = []
    libc: list[_Stated] = []
    said: dict[str, tuple[str, str, bool]] = {}
    for one in stated:
        says = (one.compared, one.version, one.pre)
        if said.get(one.name) == says:
            continue
        if one.flags & _MISSING_OK:
            optional.append(one)
        elif one.name.startswith("libc.so.6"):
            libc.append(one)
        else:
            kept.append(one)
            said[one.name] = says
    return kept + ([max(libc, key=_libc_rank)] if libc else []), optional


def _libc_rank(one: _Stated) -> tuple[bool, bool, list[int]]:
    """Puts `libc.so.6` before `libc.so.6()`, then `libc.so.6(GLIBC_PRIVATE)`, `…(GLIBC_2.4)`,
    `…(GLIBC_2.34)`.
    """
    _, opened, rest = one.name.partition("(")
    symbol = rest.partition(")")[0]
    return bool(opened), bool(symbol), [int(digits) for digits in re.findall(r"[0-9]+", symbol)]


def _relation(one: _Stated, *, pre: bool) -> Relation:
    epoch, colon, version = one.version.partition(":")
    if not colon:
        epoch, version = "", one.version
    if epoch and not (epoch.isascii() and epoch.isdigit()):
        raise ValueError(f"{one.name} {one.version}: the epoch of a version is a number")
    version, _, release = version.partition("-")
    return Relation(
        one.name, one.compared, epoch or ("0" if one.version else ""), version, release, pre
    )


def _changes(header: RpmHeader) -> list[Change]:
    """The newest, oldest first.

    Entries of one day have one time in the header; here each is a second after the one before,
    because clients sort them by time.
    """
    times, authors, texts = (
        header.numbers(CHANGE_TIMES),
        header.strings(CHANGE_AUTHORS),
        header.strings(CHANGE_TEXTS),
    )
    newest = list(zip(times, authors, texts, strict=True))[:CHANGES]
    changes: list[Change] = []
    before = 0
    for time, author, text in reversed(newest):
        clash = changes and before <= time <= changes[-1].date
        date = changes[-1].date + 1 if clash else time
        changes.append(Change(decoded(author).rstrip(" "), date, decoded(text)))
        before = time
    return changes
