"""Reads XML of which nobody knows yet who wrote it: without entities, which could grow without end,
and without a tree of all that is in a large document.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from xml.etree import ElementTree

from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY

PIECE: Final = 1 << 16
"""Bytes of a document that are parsed at once."""


def parsed(data: bytes, place: str) -> ElementTree.Element:
    """A small document. Raises VerificationFailed for what is no XML, or declares anything, and
    ValueError for what is no text.
    """
    events = _events([data], place)
    _, root = next(events)
    for _ in events:
        pass  # each makes the root more complete
    return root


def each(texts: Iterable[bytes], tag: str, place: str) -> Iterator[ElementTree.Element]:
    """The elements of a kind right below the root of a document that comes in parts, one after the
    other: each is gone when the next is asked for. Raises as `parsed` does, when it comes to it.
    """
    root, depth = None, 0
    for event, element in _events(texts, place):
        root = element if root is None else root
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 1:
            if element.tag == tag:
                yield element
            root.clear()


def _events(texts: Iterable[bytes], place: str) -> Iterator[tuple[str, ElementTree.Element]]:
    """The beginning and the end of each element."""
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("start", "end"))
    read: Callable[[], Iterator[Any]] = parser.read_events  # its type allows for other events
    before = ""
    try:
        for text in _decoded(texts):
            if "<!" in before + text:
                raise VerificationFailed(
                    place, "XML with declarations, which repositories do not have", REMEDY
                )
            before = text[-1:] or before
            parser.feed(text)
            yield from read()
        parser.close()
        yield from read()
    except ElementTree.ParseError as error:
        raise VerificationFailed(place, f"not XML ({error})", REMEDY) from error


def _decoded(texts: Iterable[bytes]) -> Iterator[str]:
    """The same as text, in small pieces. Raises UnicodeDecodeError for anything but UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for data in texts:
        for start in range(0, len(data), PIECE):
            yield decoder.decode(data[start : start + PIECE])
    yield decoder.decode(b"", final=True)
