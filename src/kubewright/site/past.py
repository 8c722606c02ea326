"""The earlier publications of a channel: each is read when it is asked for, and by a short way."""

from collections.abc import Iterator

from kubewright.models.site import Channel, Copy
from kubewright.site import layout
from kubewright.site.reader import Reader


class Past:
    """A channel's publications from the present one back to the oldest that the site still has.

    Its methods raise VerificationFailed for a record that is lost or damaged.
    """

    def __init__(self, reader: Reader, newest: Channel, oldest: int) -> None:
        self.reader, self.newest, self.oldest = reader, newest, oldest

    @property
    def numbers(self) -> range:
        """The publications that the site still has."""
        return range(self.oldest, self.newest.sequence + 1)

    def at(self, number: int) -> Channel | None:
        """The publication with a number; None where the site has no such."""
        if number not in self.numbers:
            return None
        record = self.newest
        while record.sequence > number:
            record = self._read(nearest(record, number))
        return record

    def below(self, number: int) -> Iterator[Channel]:
        """The publications with lower numbers, newest first."""
        record = self.at(min(number, self.newest.sequence + 1) - 1)
        while record is not None:
            yield record
            record = self._before(record)

    def _before(self, record: Channel) -> Channel | None:
        number = record.sequence - 1
        if number < self.oldest or record.parent is None:
            return None
        return self._read(Copy(sequence=number, sha256=record.parent))

    def _read(self, copy: Copy) -> Channel:
        path = layout.channel_copy(self.newest.channel, copy.sequence, copy.sha256)
        return self.reader.document(Channel, copy.sha256, path)


def nearest(record: Channel, number: int) -> Copy:
    """Of the records that this one names the lowest that is not below a number."""
    return min(
        (one for one in known(record) if one.sequence >= number), key=lambda one: one.sequence
    )


def known(record: Channel) -> list[Copy]:
    """The records before it that a record names: its parent, and older ones."""
    if record.parent is None:
        return []
    return [Copy(sequence=record.sequence - 1, sha256=record.parent), *record.earlier]


def landmarks(previous: Channel) -> tuple[Copy, ...]:
    """What the record that follows this one names besides its parent: for each power of two the
    newest record before with a number that it divides.

    So few lead from any record to any other: who goes back reads about twice as many records as
    the number of publications has binary digits.
    """
    number = previous.sequence
    wanted = {number >> power << power for power in range(1, number.bit_length())}
    return tuple(one for one in known(previous) if one.sequence in wanted - {number})
