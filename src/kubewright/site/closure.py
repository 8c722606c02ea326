"""All that the documents of a site name: what is not among it, nobody needs."""

from collections.abc import Collection, Iterator

from kubewright.metadata import chain
from kubewright.metadata.chain import Followed
from kubewright.models.site import Channel, Pointer, State
from kubewright.site import layout
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.references import copied, indexes, linked, references, served


def closure(reader: Reader, present: Present, dropped: Collection[str] = ()) -> set[str]:
    """The paths of everything that a present state leads to, as far back as it says; of releases
    that are `dropped` only what older documents name.

    Raises VerificationFailed where a document is lost: then nobody knows what it named.
    """
    state, digest = present.state, present.sha256
    if state is None or digest is None:
        return set()
    reader.foresee_history()
    found = {*layout.POINTERS, layout.FINISHED, layout.STATE}
    found |= {reference.path for reference in references(state)}
    for older, sha256 in reader.states(state, digest):
        pointer = Pointer(number=older.number, sha256=sha256)
        found |= {reference.path for reference in references(pointer)}
    for index, sha256 in reader.indexes(state):
        found |= {*_paths(layout.index_copy(index.sequence, sha256), sha256)}
        found |= {reference.path for reference in references(index)}
    for release in reader.index(state).releases:
        if release.name in dropped:
            continue
        manifest = reader.manifest(release.manifest_url, release.manifest_sha256)
        found |= {reference.path for reference in references(manifest)}
    for record in reader.channels(state).values():
        found |= {reference.path for reference in served(record)}
        copy = state.channels[record.channel]
        oldest = state.history.oldest(record.channel)
        for one, sha256 in reader.records(record, copy.sha256, oldest):
            found |= {*_of_record(reader, one, sha256, state)}
    found |= {*_of_metadata(reader, present, state.history.snapshot)}
    return found


def _paths(path: str, sha256: str) -> Iterator[str]:
    for reference in copied(path, sha256):
        yield reference.path


def _of_record(reader: Reader, record: Channel, sha256: str, state: State) -> Iterator[str]:
    """A record, its indexes, and where its plain repositories have the packages."""
    yield from _paths(layout.channel_copy(record.channel, record.sequence, sha256), sha256)
    for reference in indexes(record):
        yield reference.path
    for release in record.served:
        manifest = reader.manifest(release.manifest_url, release.manifest_sha256)
        for reference in linked(record, manifest.packages, state.revoked):
            yield reference.path


def _of_metadata(reader: Reader, present: Present, oldest: int) -> Iterator[str]:
    """The snapshots and targets, with their second copies, and the roots."""
    found: Followed | None = present.word.published if present.word else None
    while found is not None:
        yield from found.files
        yield layout.metadata_backup(str(found.version))
        found = chain.before(found, reader.at, oldest)
    yield from reader.roots.files if reader.roots else ()
