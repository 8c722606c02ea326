"""A yum repository's metadata as bytes: the files of repodata/, rendered from index entries."""

from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import quoteattr

from kubewright import archives, files
from kubewright.errors import PublicationConflict
from kubewright.repos.rpm import LOCATION, RpmEntry

REPOMD = "repodata/repomd.xml"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DUKE = "http://linux.duke.edu/metadata"
"""Prefix of the XML namespaces that every client of the format expects."""


def repodata(entries: Iterable[RpmEntry], *, href_prefix: str, issued: int) -> dict[str, bytes]:
    """Every file below a repository's root but packages and signature, in the order in which to
    write them.

    `entries` are the packages of one base architecture, noarch included. `href_prefix` and a
    package's file name make its href, seen from the root: `../../../../pool/` or `Packages/`.
    `issued` is in seconds since 1970. A package given twice is listed once; one file name for two
    packages raises PublicationConflict. `repodata/repomd.xml.asc` is made from the bytes of
    `repodata/repomd.xml`.
    """
    ordered = _ordered(entries)
    documents = {
        "primary": _document(
            "metadata",
            f'xmlns="{DUKE}/common" xmlns:rpm="{DUKE}/rpm"',
            [_located(entry, href_prefix) for entry in ordered],
        ),
        "filelists": _document(
            "filelists", f'xmlns="{DUKE}/filelists"', [entry.filelists for entry in ordered]
        ),
        "other": _document(
            "otherdata", f'xmlns="{DUKE}/other"', [entry.other for entry in ordered]
        ),
    }
    written: dict[str, bytes] = {}
    records = []
    for kind, document in documents.items():
        packed = archives.gzipped(document)
        location = f"repodata/{files.sha256(packed)}-{kind}.xml.gz"
        written[location] = packed
        records.append(_record(kind, location, document, packed, issued))
    return written | {REPOMD: _repomd(records, issued)}


def snapshot_id(files_of_repository: Mapping[str, bytes]) -> str:
    """What the snapshot that holds these files is called: 16 hexadecimal digits of repomd.xml's
    SHA-256.

    repomd.xml lists the digests of the rest and when it was issued, so the name stands for all of
    it.
    """
    return files.sha256(files_of_repository[REPOMD])[:16]


def _ordered(entries: Iterable[RpmEntry]) -> list[RpmEntry]:
    """By file name: clients compare versions themselves, so any fixed order will do."""
    unique: dict[str, RpmEntry] = {}
    for entry in entries:
        other = unique.setdefault(entry.basename, entry)
        if other.sha256 != entry.sha256:
            raise PublicationConflict(
                f"{entry.basename}: stands for two files, {other.sha256} and {entry.sha256}; "
                "publish the changed package under a new --revision"
            )
    return [unique[basename] for basename in sorted(unique)]


def _located(entry: RpmEntry, href_prefix: str) -> str:
    href = quoteattr(href_prefix + entry.basename)
    # The whole element: a description may hold the bare token, but never an unescaped `<`.
    return entry.primary.replace(f'<location href="{LOCATION}"/>', f"<location href={href}/>")


def _document(element: str, attributes: str, fragments: Sequence[str]) -> bytes:
    head = f'{DECLARATION}<{element} {attributes} packages="{len(fragments)}">\n'
    return f"{head}{''.join(fragments)}</{element}>\n".encode()


def _record(kind: str, location: str, document: bytes, packed: bytes, issued: int) -> str:
    return (
        f'  <data type="{kind}">\n'
        f'    <checksum type="sha256">{files.sha256(packed)}</checksum>\n'
        f'    <open-checksum type="sha256">{files.sha256(document)}</open-checksum>\n'
        f'    <location href="{location}"/>\n'
        f"    <timestamp>{issued}</timestamp>\n"
        f"    <size>{len(packed)}</size>\n"
        f"    <open-size>{len(document)}</open-size>\n"
        f"  </data>\n"
    )


def _repomd(records: Iterable[str], issued: int) -> bytes:
    head = f'<repomd xmlns="{DUKE}/repo" xmlns:rpm="{DUKE}/rpm">\n  <revision>{issued}</revision>\n'
    return f"{DECLARATION}{head}{''.join(records)}</repomd>\n".encode()
