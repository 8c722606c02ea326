"""Checks an apt suite against its signatures, its channel and the packages that the channel's
releases have.
"""

from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.deb822 import Packages as PackagesFile
from debian.deb822 import Release

from kubewright.errors import VerificationFailed
from kubewright.models.base import Format
from kubewright.models.document import REMEDY
from kubewright.models.site import Channel
from kubewright.site import freshness, layout
from kubewright.verification.notes import Measure, Measures
from kubewright.verification.repositories import Wanted, same_unpacked, wanted
from kubewright.verification.source import DOCUMENT
from kubewright.verification.walk import Walk

OTHER = f"is not what the channel's record says; {REMEDY}"


def suite(walk: Walk, channel: Channel) -> None:
    """InRelease and what stands beside it, every index that it lists, and every package in
    those.
    """
    base = layout.suite_path(channel.channel)
    place = f"{base}/InRelease"
    text = _signed(walk, base, channel)
    if text is None:
        return
    with walk.tally.check(place):
        own = freshness.is_release(text, channel)
        walk.tally.require(place, own, OTHER)
        release = Release(text.decode())
        _fields(walk, place, release, channel)
        listed = {one["name"]: (int(one["size"]), one["sha256"]) for one in release["SHA256"]}
        expected = set()
        for arch in channel.architectures:
            index = f"main/binary-{arch}/Packages"
            expected |= {index, f"{index}.gz"}
        absent, more = sorted(expected - listed.keys()), sorted(listed.keys() - expected)
        walk.tally.require(place, not absent, f"lacks {', '.join(absent)}")
        walk.tally.require(
            place, not more, f"lists {', '.join(more)}, which is no index of these suites"
        )
        for name, promised in listed.items():
            _copies(walk, base, name, promised)
        for arch in channel.architectures:
            _index(
                walk, f"{base}/main/binary-{arch}/Packages", wanted(walk, channel, Format.deb, arch)
            )


def _signed(walk: Walk, base: str, channel: Channel) -> bytes | None:
    """What InRelease says, else Release, if one of them is signed; that both say the same is
    checked on the way.
    """
    text, plain = walk.clearsigned(f"{base}/InRelease"), walk.there(f"{base}/Release")
    if walk.undated:  # one of them may be renewed, and the other not yet
        own = plain is None or freshness.is_release(plain, channel)
        walk.tally.require(f"{base}/Release", own, OTHER)
        return text
    if plain is not None:
        signer = walk.openpgp(f"{base}/Release.gpg", plain)
        same = text is None or text.strip() == plain.strip()
        walk.tally.require(
            f"{base}/InRelease", same, f"differs from {base}/Release; run `kubewright repair`"
        )
        if text is None and signer is not None:
            return plain
    return text


def _fields(walk: Walk, place: str, release: Release, channel: Channel) -> None:
    """The suite is this channel's, made from its present record."""
    name = channel.channel
    ours = (release.get("Suite"), release.get("Codename")) == (name, name)
    walk.tally.require(
        place, ours, f"is the suite {release.get('Suite')}, not {name}; run `kubewright repair`"
    )
    of, until = freshness.dates(channel, walk.renewed), release.get("Valid-Until")
    if not walk.undated:
        _moment(walk, place, "Date", release.get("Date"), of.issued)
        _moment(walk, place, "Valid-Until", until, of.valid_until)
    if until is not None:
        left = int(parsedate_to_datetime(until).timestamp()) - walk.now
        walk.tally.require(place, left > 0, f"expired at {until}; run `kubewright refresh`")
        if left > 0 and freshness.is_due(channel, walk.renewed, walk.now):
            walk.tally.warnings.append(
                f"{place}: expires at {until}; run `kubewright refresh` before that"
            )


def _moment(walk: Walk, place: str, field: str, text: str | None, wanted: int | None) -> None:
    found = None if text is None else int(parsedate_to_datetime(text).timestamp())
    walk.tally.require(
        place,
        found == wanted,
        f"{field} is {text}, not what the channel's record says; run `kubewright repair`",
    )


def _copies(walk: Walk, base: str, name: str, promised: Measure) -> None:
    """An index by its name, and a packed one by its digest too."""
    walk.file(f"{base}/{name}", promised)
    if name.endswith(".gz"):
        walk.file(f"{base}/{name.rpartition('/')[0]}/by-hash/SHA256/{promised[1]}", promised)


def _index(walk: Walk, place: str, packages: Wanted) -> None:
    """What an index lists, plain and packed."""
    with walk.tally.check(place), walk.source.local(place, DOCUMENT) as file:
        if not file.exists():
            raise VerificationFailed(place, "missing", REMEDY)
        with walk.tally.check(place):
            listed = _listed(file)
            walk.tally.same(place, listed, packages.files, complete=packages.complete)
        with walk.tally.check(f"{place}.gz"), file.open("rb") as text:
            if not same_unpacked(walk.must(f"{place}.gz"), f"{place}.gz", text):
                raise VerificationFailed(
                    f"{place}.gz",
                    f"unpacks to something else than {place}",
                    "run `kubewright repair`",
                )


def _listed(index: Path) -> Measures:
    """The packages that an index lists, by their paths on the site."""
    found = Measures()
    with index.open("rb") as data:
        lines = (line.decode() for line in data)
        for stanza in PackagesFile.iter_paragraphs(lines, use_apt_pkg=False):
            found[f"apt/{stanza['Filename']}"] = (int(stanza["Size"]), stanza["SHA256"])
    return found
