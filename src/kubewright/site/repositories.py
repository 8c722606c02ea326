"""Renders what a channel is served as: its apt suite, its yum repositories, marker and record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from kubewright import files
from kubewright.models.site import WITHDRAWN, Channel, Repodata
from kubewright.repos import apt, packed, yum
from kubewright.repos.packed import Hashed, Index, Packed
from kubewright.repos.yum import Repository
from kubewright.site import contents, freshness, layout
from kubewright.site.contents import Contents
from kubewright.site.freshness import Dates
from kubewright.site.keys import Shipped
from kubewright.site.objects import Kind, Object, Source, gone, immutable, pointer
from kubewright.site.references import indexes

HEADS: Final = (f"{yum.REPOMD}.asc", f"{yum.REPOMD}.key", yum.REPOMD)
"""What changes in a plain repository, in the order in which it is replaced."""


class Signer(Protocol):
    """What a publication needs of its keys; signatures are functions of the data and the time."""

    @property
    def fingerprint(self) -> str:
        """Of the OpenPGP key."""

    def clearsign(self, text: bytes, when: int) -> bytes:
        """InRelease: the text with its signature around it."""

    @property
    def second_fingerprint(self) -> str:
        """Of a key that signs repositories too; empty if there is none."""

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """An armored detached OpenPGP signature, by every key that signs repositories."""

    def artifact(self, data: bytes) -> bytes:
        """A detached ECDSA signature, base64."""


class Before(NamedTuple):
    """What a channel was in the publication before."""

    record: Channel
    listed: Contents
    written: bool = True
    """Whether all of it is surely there; else it is written with what is new."""


@dataclass(frozen=True)
class Rendered:
    """A channel's record, complete with digests, and every object that it is served as."""

    record: Channel
    data: bytes
    """The record as it is written."""
    copy: str
    """Where its immutable copy lies."""
    objects: tuple[Object, ...]


def render(
    record: Channel,
    listed: Contents,
    signer: Signer,
    keys: Shipped,
    before: Before | None,
    renewed: int = 0,
) -> Rendered:
    """Everything that follows from a channel's record and what it lists, on a site whose suites
    were `renewed` then (epoch seconds).

    What the channel had `before` is left out, and what the list was read from.
    """
    fresh = before is None
    there = before.listed.rpms if before and before.written else {}
    suite = _Suite(record, listed, signer, fresh)
    of = freshness.dates(record, renewed)
    objects = [*suite.immutables()]
    repodata = {}
    pointers = [*suite.pointers(of)]
    for base in map(contents.base_arch, record.architectures):
        repository = _Repository(record, base, listed, signer, keys)
        repodata[base] = repository.repodata
        objects += [*repository.immutables(), *repository.links(there.get(base, Repository()))]
        pointers += repository.pointers(fresh)
    complete = record.model_copy(
        update={"suite": suite.sha256, "packages": suite.packages, "repodata": repodata}
    )
    data = complete.to_bytes()
    copy = layout.channel_copy(complete.channel, complete.sequence, files.sha256(data))
    objects += signed_copy(copy, data, signer, complete.issued)
    pointers += _marker(complete, before)
    path = layout.channel_path(complete.channel)
    pointers.append(pointer(path, data, fresh=fresh))
    known = {*listed.there}
    if before and before.written:
        known |= {reference.path for reference in indexes(before.record)}
    new = (item for item in objects if item.path not in known)
    return Rendered(complete, data, copy, (*new, *pointers))


def _marker(record: Channel, before: Before | None) -> Iterator[Object]:
    """The text that says which version a channel offers; none where it offers nothing."""
    path = layout.marker_path(record.channel)
    if record.current is not None:
        text = f"v{record.current.kubernetes}".encode()
        yield pointer(path, text, fresh=before is None)
    elif before and before.record.current is not None:
        yield gone(path)


def signed_copy(path: str, data: bytes, signer: Signer, when: int) -> list[Object]:
    """An immutable document with both its signatures."""
    openpgp, ecdsa = layout.signatures(path)
    return [
        immutable(path, data),
        immutable(openpgp, signer.armored_detached(data, when), lasting=True),
        immutable(ecdsa, signer.artifact(data), lasting=True),
    ]


class _Suite:
    """The apt suite of a channel."""

    def __init__(self, record: Channel, listed: Contents, signer: Signer, fresh: bool) -> None:
        self.base = layout.suite_path(record.channel)
        self.record, self.fresh, self.signer = record, fresh, signer
        indexes = {
            str(arch): packed.join(listed.debs.get(arch, Index())) for arch in record.architectures
        }
        self.files = apt.suite(
            indexes,
            suite=record.channel,
            issued=record.issued,
            valid_until=record.valid_until,
            asked_for=record.channel == WITHDRAWN,
        )
        self.packages = {arch: index.data.sha256 for arch, index in indexes.items()}
        self.sha256 = self.files["Release"].sha256

    def immutables(self) -> Iterator[Object]:
        """The indexes by digest, which is what apt asks for."""
        for name, data in self.files.items():
            if "/by-hash/" in name:
                yield immutable(f"{self.base}/{name}", data, sha256=data.sha256)

    def pointers(self, of: Dates) -> Iterator[Object]:
        """The plain names, and InRelease last of all: it alone is what apt follows."""
        for name, data in self.files.items():
            if "/by-hash/" not in name and name != "Release":
                yield pointer(f"{self.base}/{name}", data, fresh=self.fresh, sha256=data.sha256)
        yield from release(self.record, self.files["Release"], of, self.signer, fresh=self.fresh)


def release_of(record: Channel, listed: Contents, signer: Signer) -> bytes:
    """`Release` of a channel as its record means it."""
    return _Suite(record, listed, signer, fresh=False).files["Release"]


def release(
    record: Channel, data: bytes, of: Dates, signer: Signer, *, fresh: bool = False
) -> Iterator[Object]:
    """`Release` (`data`) with other dates, and its signatures, which say the same."""
    dated = apt.dated(data, of.issued, of.valid_until)
    signed = {
        "Release": dated,
        "Release.gpg": Hashed(signer.armored_detached(dated, of.issued)),
        "InRelease": Hashed(signer.clearsign(dated, of.issued)),
    }
    for name, content in signed.items():
        path = f"{layout.suite_path(record.channel)}/{name}"
        yield pointer(path, content, fresh=fresh, sha256=content.sha256)


class _Repository:
    """The yum repository of a channel for one architecture, in both its forms."""

    def __init__(
        self, record: Channel, base: str, listed: Contents, signer: Signer, keys: Shipped
    ) -> None:
        self.record = record
        self.listed = listed.rpms.get(base, Repository())
        self.plain = layout.yum_path(record.channel, base)
        self.forms = {
            form: self._files(documents, signer, keys)
            for form, documents in yum.documents(self.listed).items()
        }
        parts = [self.forms["snapshot"][name] for name in HEADS]
        name = yum.snapshot_id(*parts)
        self.snapshot = layout.snapshot_path(record.channel, base, name)
        self.repodata = _described(name, self.forms)

    def _files(
        self, documents: Mapping[str, Packed], signer: Signer, keys: Shipped
    ) -> dict[str, Hashed]:
        """One form: the documents, then signature and keys, then repomd.xml, which dnf reads
        first.
        """
        record = self.record
        written = yum.repodata(documents, issued=record.issued, key_hint=record.key_hint)
        repomd = written.pop(yum.REPOMD)
        if record.key_hint:
            written[layout.hinted(record.key_hint)] = Hashed(keys.coming)
        return written | {
            f"{yum.REPOMD}.asc": Hashed(signer.armored_detached(repomd, record.issued)),
            f"{yum.REPOMD}.key": Hashed(keys.armored),
            yum.REPOMD: repomd,
        }

    def immutables(self) -> Iterator[Object]:
        """The snapshot, and the documents of the plain repository, which have digests as names."""
        for name, data in self.forms["snapshot"].items():
            yield immutable(f"{self.snapshot}/{name}", data, sha256=data.sha256)
        for name, data in self.forms["plain"].items():
            path = f"{self.plain}/{name}"
            if name in HEADS:
                continue
            if name in self.forms["snapshot"]:
                source = Source(f"{self.snapshot}/{name}")
                yield Object(path, Kind.immutable, source, len(data), data.sha256)
            else:
                yield immutable(path, data, sha256=data.sha256)

    def links(self, before: Repository) -> Iterator[Object]:
        """The packages that the plain repository did not have before: second names of those in the
        pool.
        """
        groups = [
            group
            for group, member in self.listed.plain.groups.items()
            if before.plain.groups.get(group) != member
        ]
        linked = {entry.name for entry in packed.listed(before.plain, groups, yum.parsed)}
        for entry in packed.listed(self.listed.plain, groups, yum.parsed):
            if entry.name not in linked:
                yield Object(
                    f"{self.plain}/{yum.FORMS['plain']}{entry.name}",
                    Kind.immutable,
                    Source(layout.rpm_path(entry.name)),
                    yum.package_size(entry),
                    entry.sha256,
                )

    def pointers(self, fresh: bool) -> Iterator[Object]:
        """The plain repository, then the one line that clients follow."""
        for name in HEADS:
            data = self.forms["plain"][name]
            yield pointer(f"{self.plain}/{name}", data, fresh=fresh, sha256=data.sha256)
        if self.record.url:
            line = mirrorlist(self.record, self.snapshot)
            yield pointer(f"{self.plain}/mirrorlist", line, fresh=fresh)


def mirrorlist(record: Channel, snapshot: str) -> bytes:
    """The line of a mirrorlist: where the snapshot is."""
    return f"{record.url.rstrip('/')}/{snapshot}/\n".encode()


def _described(snapshot: str, forms: Mapping[str, Mapping[str, Hashed]]) -> Repodata:
    """The digests of both forms: the documents are named by theirs."""
    found: dict[str, str] = {"snapshot": snapshot}
    for form, prefix in (("snapshot", ""), ("plain", "plain_")):
        found[f"{prefix}repomd"] = forms[form][yum.REPOMD].sha256
        for name in forms[form]:
            digest, dash, rest = name.removeprefix("repodata/").partition("-")
            kind = rest.removesuffix(".xml.gz")
            if dash and f"{prefix}{kind}" in Repodata.model_fields:
                found[f"{prefix}{kind}"] = digest
    return Repodata.model_validate(found)
