"""XML in parts: the same as whole, refused as whole, and never all there at once."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubewright.errors import VerificationFailed
from kubewright.verification.xml_documents import each, parsed


def cut(text: str, places: list[int]) -> list[bytes]:
    """A text in parts, which may end within a character."""
    data = text.encode()
    ends = sorted({min(place, len(data)) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


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
    for data in (hidden.encode("utf-16"), "<a>ä".encode()[:-1], b"<a>\xff</a>"):
        with pytest.raises(UnicodeDecodeError):
            parsed(data, "place")
    plain = '<?xml version="1.0" encoding="iso-8859-1"?><a b="ä"/>'
    assert parsed(plain.encode(), "place").get("b") == "ä"


def elements(count: int) -> list[bytes]:
    """The text of a document of so many elements, half of them of another kind."""
    one = b"<one><in>%s</in><one/></one>" % (b"x" * 500)
    return [b"<all>", *[one, b"<two><in/>%s</two>" % (b"y" * 500)] * (count // 2), b"</all>"]


@pytest.mark.parametrize("whole", [True, False], ids=["one part", "many parts"])
def test_the_memory_of_a_large_document_does_not_grow_with_it(*, whole: bool) -> None:
    def most(count: int) -> int:
        texts = [b"".join(elements(count))] if whole else elements(count)
        tracemalloc.start()
        try:
            assert sum(1 for _ in each(texts, "one", "place")) == count // 2
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(100)
    assert most(8000) < 1.5 * most(2000)


def test_elements_further_below_are_not_listed() -> None:
    assert len([*each(elements(6), "one", "place")]) == 3
    assert len([*each(elements(6), "in", "place")]) == 0
