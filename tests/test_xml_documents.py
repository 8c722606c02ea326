"""XML in parts: the same as whole, refused as whole, and never all there at once."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubewright.errors import VerificationFailed
from kubewright.verification.xml_documents import each, parsed

ROOM = 4096
"""Bytes of an element of a large document."""


def cut(text: str, places: list[int]) -> list[bytes]:
    """A text in parts."""
    ends = sorted({min(place, len(text)) for place in places})
    return [
        text[start:end].encode() for start, end in zip([0, *ends], [*ends, len(text)], strict=True)
    ]


CUTS = st.lists(st.integers(0, 80), max_size=6)
NAMES = st.lists(st.text('aäß字 <&"', max_size=3), max_size=5)


@given(names=NAMES, places=CUTS)
def test_the_parts_of_a_document_are_read_as_the_whole_is(
    names: list[str], places: list[int]
) -> None:
    shown = [
        name.replace("&", "&amp;").replace("<", "&lt;").replace(chr(34), "&quot;") for name in names
    ]
    text = f"<all>{''.join(f'<one name={chr(34)}{name}{chr(34)}/><two/>' for name in shown)}</all>"
    found = [element.get("name") for element in each(cut(text, places), "one", "place")]
    assert found == names
    assert [element.get("name") for element in parsed(text.encode(), "place").iter("one")] == names


@given(places=CUTS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<!DOCTYPE all [<!ENTITY a "b">]><all><one>&a;</one></all>', "XML with declarations"),
        ("<all><one/><!-- a comment --></all>", "XML with declarations"),
        ("<all><one/><![CDATA[<one/>]]></all>", "XML with declarations"),
        ("<all><one/></al>", "not XML"),
        ("<all><one/>", "not XML"),
        ("<all/><all/>", "not XML"),
        ("", "not XML"),
        ("no XML", "not XML"),
        ("<all>&a;</all>", "not XML"),
    ],
)
def test_what_is_refused_as_a_whole_is_refused_in_parts(
    text: str, problem: str, places: list[int]
) -> None:
    with pytest.raises(VerificationFailed, match=problem) as raised:
        list(each(cut(text, places), "one", "a place"))
    assert raised.value.place == "a place"
    with pytest.raises(VerificationFailed, match=problem) as raised:
        parsed(text.encode(), "a place")
    assert raised.value.place == "a place"


def test_an_encoding_that_a_document_states_does_not_hide_what_it_declares() -> None:
    hidden = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    with pytest.raises(VerificationFailed, match="declarations"):
        parsed(hidden.encode(), "place")
    with pytest.raises(UnicodeDecodeError):
        parsed(hidden.encode("utf-16"), "place")
    plain = '<?xml version="1.0" encoding="iso-8859-1"?><a b="ä"/>'
    assert parsed(plain.encode(), "place").get("b") == "ä"


@pytest.mark.parametrize("count", [100, 1000])
def test_the_memory_of_a_large_document_is_that_of_an_element(count: int) -> None:
    def texts() -> Iterator[bytes]:
        yield b"<all>"
        for number in range(count):
            yield b"<one>%d<in>%s</in></one>" % (number, b"x" * ROOM)
        yield b"</all>"

    tracemalloc.start()
    try:
        assert sum(1 for _ in each(texts(), "one", "place")) == count
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * ROOM
