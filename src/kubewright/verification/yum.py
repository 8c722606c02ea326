"""Checks yum repositories against their signatures, their channel and the packages that its
releases have.
"""

import posixpath
from xml.etree import ElementTree

from kubewright.errors import VerificationFailed
from kubewright.models.base import Format
from kubewright.models.document import REMEDY
from kubewright.models.site import Channel
from kubewright.repos import packed, yum
from kubewright.signing import keyring
from kubewright.site import contents, layout
from kubewright.verification import keys, xml_documents
from kubewright.verification.notes import Measures
from kubewright.verification.repositories import Wanted, wanted
from kubewright.verification.walk import Walk

_REPO = f"{{{yum.DUKE}/repo}}"
_COMMON = f"{{{yum.DUKE}/common}}"
_KINDS = {"primary", "filelists", "other"}


def repositories(walk: Walk, channel: Channel) -> None:
    """The plain repository and the snapshot that mirrorlist names, for each architecture."""
    for arch in channel.architectures:
        base = contents.base_arch(arch)
        repodata = channel.repodata.get(base)
        path = layout.channel_path(channel.channel)
        if not walk.tally.require(path, repodata is not None, f"has no repository for {base}"):
            continue
        expected = wanted(walk, channel, Format.rpm, arch)
        plain = layout.yum_path(channel.channel, base)
        _repository(walk, plain, channel, expected)
        with walk.tally.check(f"{plain}/mirrorlist"):
            _mirrorlist(walk, f"{plain}/mirrorlist", channel, base)
        if repodata is not None:
            snapshot = layout.snapshot_path(channel.channel, base, repodata.snapshot)
            _repository(walk, snapshot, channel, expected)


def _mirrorlist(walk: Walk, place: str, channel: Channel, base: str) -> None:
    """One line: the address of this channel's present snapshot."""
    if not channel.url:
        absent = walk.source.read(place) is None
        walk.tally.require(place, absent, f"is here, although the channel has no URL; {REMEDY}")
        return
    snapshot = layout.snapshot_path(channel.channel, base, channel.repodata[base].snapshot)
    line = walk.must(place)
    if line != f"{channel.url.rstrip('/')}/{snapshot}/\n".encode():
        shown = line.decode(errors="replace").strip()
        raise VerificationFailed(place, f"names {shown!r}, not {snapshot}", REMEDY)


def _repository(walk: Walk, base: str, channel: Channel, packages: Wanted) -> None:
    """repomd.xml with its signature and key, every file that it lists, and the packages in
    those.
    """
    place = f"{base}/{yum.REPOMD}"
    with walk.tally.check(place):
        repomd = walk.must(place)
        signer = walk.openpgp(f"{place}.asc", repomd)
        _key(walk, f"{place}.key", signer)
        if signer is None:
            return  # anybody may have written it, so nothing is read because of it
        root = xml_documents.parsed(repomd, place)
        records = {str(one.get("type")): one for one in root.iter(f"{_REPO}data")}
        walk.tally.require(
            place,
            records.keys() == _KINDS,
            f"lists {', '.join(sorted(records))}; run `kubewright repair`",
        )
        times = {
            root.findtext(f"{_REPO}revision"),
            *(one.findtext(f"{_REPO}timestamp") for one in records.values()),
        }
        now = times == {str(channel.issued)}
        walk.tally.require(
            place, now, "is not of when the channel's record was issued; run `kubewright repair`"
        )
        for kind, record in sorted(records.items()):
            with walk.tally.check(place):
                path = f"{base}/{_attribute(record.find(f'{_REPO}location'), 'href')}"
                promised = (
                    int(record.findtext(f"{_REPO}size") or 0),
                    record.findtext(f"{_REPO}checksum") or "",
                )
                if kind == "primary":
                    _primary(walk, base, path, walk.sound(path, promised), packages)
                else:
                    walk.file(path, promised)


def _key(walk: Walk, place: str, signer: str | None) -> None:
    """The key that dnf offers to import: keys of this site alone, and among them the one that
    signed.
    """
    with walk.tally.check(place):
        data = walk.must(place)
        held = keys.certificates(data, place)
        strange = sorted(held.keys() - walk.keys.on_site)
        walk.tally.require(
            place,
            not strange,
            f"holds {', '.join(strange)}, no key of this site; run `kubewright repair`",
        )
        walk.tally.require(
            place,
            signer is None or signer in held,
            f"lacks {signer}, which signed; run `kubewright repair`",
        )
        same = data == walk.source.read(layout.KEYRING_ARMORED)
        walk.tally.require(
            place, same, f"is not byte for byte {layout.KEYRING_ARMORED}; run `kubewright repair`"
        )
        trusted = keyring.certificates(b"".join(walk.keys.certificates), place=place)
        refused = sorted(held.keys() - trusted.keys() - set(strange))
        walk.tally.require(
            place, not refused, f"holds {', '.join(refused)}, which is none of the keys given"
        )


def _primary(walk: Walk, base: str, place: str, data: bytes | None, packages: Wanted) -> None:
    """The packages that a repository lists, in the pool and where the repository says."""
    if data is None:
        return
    listed = Measures()
    with walk.tally.check(place):
        texts = (member.text for member in packed.unpack(data, place))
        for element in xml_documents.each(texts, f"{_COMMON}package", place):
            path = posixpath.normpath(
                f"{base}/{_attribute(element.find(f'{_COMMON}location'), 'href')}"
            )
            size = int(_attribute(element.find(f"{_COMMON}size"), "package"))
            promised = (size, element.findtext(f"{_COMMON}checksum") or "")
            listed[layout.rpm_path(posixpath.basename(path))] = promised
            walk.file(path, promised)
        walk.tally.same(place, listed, packages.files, complete=packages.complete)


def _attribute(element: ElementTree.Element | None, name: str) -> str:
    value = None if element is None else element.get(name)
    if value is None:
        raise VerificationFailed(f"no {name} where one is required; run `kubewright repair`")
    return value
