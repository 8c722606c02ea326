"""Reads XML of which nobody knows yet who wrote it: without entities, which could grow without end,
and without a tree of all that is in a large document.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree import ElementTree

from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY


def parsed(data: bytes, place: str) -> ElementTree.Element:
    """A small document. Raises VerificationFailed for what is none, or declares anything."""
    *_, (_, root) = _events([data], place)
    return root


def each(texts: Iterable[bytes], tag: str, place: str) -> Iterator[ElementTree.Element]:
    """The elements of a kind right below the root of a document that comes in parts, one after the
    other: each is gone when the next is asked for. Raises as `parsed` does, when it comes to it.
    """
    root: ElementTree.Element | None = None
    for event, element in _events(texts, place):
        if root is None:
            root = element
        elif event == "end" and element.tag == tag:
            yield element
            root.clear()


def _events(texts: Iterable[bytes], place: str) -> Iterator[tuple[str, ElementTree.Element]]:
    """The beginning and the end of each element. Every part ends between two characters."""
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("start", "end"))
    read: Callable[[], Iterator[Any]] = parser.read_events  # its type allows for other events
    before = ""
    try:
        for data in texts:
            text = data.decode()
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
