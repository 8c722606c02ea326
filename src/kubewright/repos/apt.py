"""An apt suite as bytes: the files of apt/dists/SUITE/, rendered from index entries."""

from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate

from debian.debian_support import Version

from kubewright import archives, files
from kubewright.errors import PublicationConflict
from kubewright.models.base import Arch
from kubewright.repos.deb import DebEntry

NAME = "Kubewright"
"""Origin and Label of every suite: what people pin on."""


def packages(entries: Iterable[DebEntry], arch: Arch) -> bytes:
    """The `Packages` file of `arch`: its own packages and those for all architectures.

    Sorted by package, then Debian version (oldest first), then file name. The same file listed
    twice is listed once; one name for two files raises PublicationConflict.
    """
    return _packages(_ordered(entries), arch)


def suite(
    entries: Iterable[DebEntry],
    *,
    suite: str,
    architectures: Sequence[Arch],
    issued: int,
    valid_until: int | None = None,
) -> dict[str, bytes]:
    """Every file below apt/dists/SUITE/ but the signatures, in the order in which to write them.

    `issued` and `valid_until` are seconds since 1970. `InRelease` and `Release.gpg` are made from
    the bytes of `Release`. Index files come first under their digest (by-hash), which is what apt
    asks for: a client that holds an older `Release` keeps finding what that lists.
    """
    ordered = _ordered(entries)
    indexes: dict[str, bytes] = {}
    for arch in sorted(architectures):
        index = f"main/binary-{arch}/Packages"
        indexes[index] = _packages(ordered, arch)
        indexes[f"{index}.gz"] = archives.gzipped(indexes[index])
    by_hash = {
        f"{name.rpartition('/')[0]}/by-hash/SHA256/{files.sha256(data)}": data
        for name, data in indexes.items()
    }
    fields = {
        "Origin": NAME,
        "Label": NAME,
        "Suite": suite,
        "Codename": suite,
        "Date": _date(issued),
        **({} if valid_until is None else {"Valid-Until": _date(valid_until)}),
        "Acquire-By-Hash": "yes",
        "Architectures": " ".join(sorted(architectures)),
        "Components": "main",
    }
    return by_hash | indexes | {"Release": _release(fields, indexes)}


def _ordered(entries: Iterable[DebEntry]) -> list[DebEntry]:
    unique: dict[str, DebEntry] = {}
    for entry in entries:
        other = unique.setdefault(entry.filename, entry)
        if other.sha256 != entry.sha256:
            raise PublicationConflict(
                f"{entry.filename}: stands for two files, {other.sha256} and {entry.sha256}; "
                "publish the changed package under a new --revision"
            )
    return sorted(
        unique.values(), key=lambda entry: (entry.package, Version(entry.version), entry.filename)
    )


def _packages(ordered: Iterable[DebEntry], arch: Arch) -> bytes:
    return "".join(
        f"{entry.stanza}\n" for entry in ordered if entry.architecture in (arch, "all")
    ).encode()


def _release(fields: Mapping[str, str], indexes: Mapping[str, bytes]) -> bytes:
    """`Release`: its fields, then digest, size and name of each index. SHA-256 alone is enough for
    every apt.
    """
    lines = [f"{field}: {value}" for field, value in fields.items()]
    lines.append("SHA256:")
    lines += [
        f" {files.sha256(data)} {len(data):>9} {name}" for name, data in sorted(indexes.items())
    ]
    return ("\n".join(lines) + "\n").encode()


def _date(seconds: int) -> str:
    """A point in time as `Release` writes it, in English whatever the locale."""
    return formatdate(seconds, usegmt=True).replace("GMT", "UTC")
