"""An apt suite as bytes: the files of apt/dists/SUITE/, rendered from index entries."""

import re
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate

from kubewright import files
from kubewright.repos import packed
from kubewright.repos.entries import DebEntry
from kubewright.repos.packed import Entry, Known, Packed

NAME = "Kubewright"
"""Origin and Label of every suite: what people pin on."""

_FIELD = re.compile(r"^(Package|Version|Filename|SHA256): (.*)$", re.MULTILINE)


def entries(debs: Iterable[DebEntry], arch: str) -> list[Entry]:
    """The entries of a `Packages` index: the packages of an architecture, and those for all."""
    return [
        _entry(deb.package, deb.version, deb.filename, deb.sha256, deb.stanza + "\n")
        for deb in debs
        if deb.architecture in (arch, "all")
    ]


def parsed(texts: Iterable[bytes]) -> Iterator[Entry]:
    """The entries in the members of an index that `packages` rendered."""
    for text in texts:
        for stanza in text.decode().split("\n\n"):
            if stanza:
                fields = dict(_FIELD.findall(stanza))
                yield _entry(
                    fields["Package"], fields["Version"], fields["Filename"], fields["SHA256"],
                    f"{stanza}\n\n",
                )  # fmt: skip


def _entry(package: str, version: str, filename: str, sha256: str, text: str) -> Entry:
    return Entry(filename, sha256, version, package, text)


def packages(listed: Iterable[Entry], known: Known) -> Packed:
    """A `Packages` index: by version, then package, each package once.

    Raises PublicationConflict for one file name of two files.
    """
    return packed.pack(packed.merged(listed), known)


def suite(
    indexes: Mapping[str, Packed], *, suite: str, issued: int, valid_until: int | None = None
) -> dict[str, bytes]:
    """Every file below apt/dists/SUITE/ but the signatures, in the order in which to write them.

    `indexes` are by architecture; `issued` and `valid_until` are seconds since 1970. `InRelease`
    and `Release.gpg` are made from the bytes of `Release`. The packed indexes come first under
    their digest (by-hash), which is what apt asks for: a client that holds an older `Release` keeps
    finding what that lists.
    """
    plain: dict[str, bytes] = {}
    by_hash: dict[str, bytes] = {}
    for arch, index in sorted(indexes.items()):
        name = f"main/binary-{arch}/Packages"
        plain |= {name: index.text, f"{name}.gz": index.data}
        by_hash[by_hash_name(arch, files.sha256(index.data))] = index.data
    fields = {
        "Origin": NAME,
        "Label": NAME,
        "Suite": suite,
        "Codename": suite,
        "Date": _date(issued),
        **({} if valid_until is None else {"Valid-Until": _date(valid_until)}),
        "Acquire-By-Hash": "yes",
        "Architectures": " ".join(sorted(indexes)),
        "Components": "main",
    }
    return by_hash | plain | {"Release": _release(fields, plain)}


def by_hash_name(arch: str, sha256: str) -> str:
    """Where the packed index with a digest lies for good, below apt/dists/SUITE/."""
    return f"main/binary-{arch}/by-hash/SHA256/{sha256}"


def _release(fields: Mapping[str, str], indexes: Mapping[str, bytes]) -> bytes:
    """`Release`: its fields, then digest, size and name of each index.

    SHA-256 alone is enough for every apt.
    """
    lines = [f"{field}: {value}" for field, value in fields.items()]
    lines.append("SHA256:")
    for name, data in sorted(indexes.items()):
        lines.append(f" {files.sha256(data)} {len(data):>9} {name}")
    return ("\n".join(lines) + "\n").encode()


def _date(seconds: int) -> str:
    """A point in time as `Release` writes it, in English whatever the locale."""
    return formatdate(seconds, usegmt=True).replace("GMT", "UTC")
