"""Challenges of servers, read as RFC 9110 has them: whatever a server may write means the same."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubewright.challenges import Challenge, challenges
from kubewright.registry_http import scopes_for

WORD = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORDS = st.text(WORD, min_size=1, max_size=12)
VALUES = st.text(WORD + ' \t"\\,=;/:?&()[]{}<>@üß€', max_size=20)
BLANKS = st.text(" \t", max_size=2)
TOKEN68 = st.builds(
    str.__add__, st.text(WORD[15:] + "/", min_size=1, max_size=20), st.sampled_from(["", "=", "=="])
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Challenge]:
    """A challenge as a server may write it, and what it means."""
    scheme = draw(WORDS)
    if draw(st.booleans()):
        word = draw(st.just("") | TOKEN68)
        return f"{scheme} {word}".rstrip(" "), Challenge(scheme.lower(), {}, word)
    parameters = draw(st.dictionaries(WORDS.map(str.lower), VALUES, min_size=1, max_size=4))
    pieces = []
    for name, value in parameters.items():
        plain = bool(value) and set(value) <= set(WORD) and draw(st.booleans())
        shown = value if plain else quoted(value, every=draw(st.booleans()))
        spelt = name.upper() if draw(st.booleans()) else name
        pieces.append(f"{spelt}{draw(BLANKS)}={draw(BLANKS)}{shown}")
    joined = "".join(f"{draw(BLANKS)},{draw(BLANKS)}{piece}" for piece in pieces[1:])
    return f"{scheme} {draw(BLANKS)}{pieces[0]}{joined}", Challenge(scheme.lower(), parameters)


def quoted(value: str, *, every: bool) -> str:
    """A quoted string; with `every` character escaped, as a server may."""
    return '"' + "".join(f"\\{c}" if every or c in '"\\' else c for c in value) + '"'


@given(st.lists(written(), max_size=4), st.lists(st.sampled_from([",", ", ", " ,,\t, "])))
def test_every_way_of_writing_means_the_same(
    both: list[tuple[str, Challenge]], gaps: list[str]
) -> None:
    text = "".join(
        f"{gaps[number % len(gaps)] if gaps else ', '}{said}"
        for number, (said, _) in enumerate(both)
    )
    assert challenges(text) == tuple(meant for _, meant in both)


@given(st.text(max_size=200) | st.text('ab=,"\\ \t', max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    for challenge in challenges(text):
        assert challenge.scheme


@pytest.mark.parametrize("piece", ['a="', "a ", "a=", 'a="b",', "\\", '"', "Bearer realm,", "= "])
def test_a_long_field_takes_no_long_time(piece: str) -> None:
    begun = time.process_time()
    challenges(piece * (60_000 // len(piece)))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("Bearer", (Challenge("bearer"),)),
        ('realm="nobody"', ()),
        (
            'Bearer realm=https://auth.example/token?a=b,service=reg',
            (Challenge("bearer", {"realm": "https://auth.example/token?a=b", "service": "reg"}),),
        ),
        (
            'Bearer realm="https://auth.example" service="reg"',
            (Challenge("bearer", {"realm": "https://auth.example", "service": "reg"}),),
        ),
        ('Basic realm="never ends', (Challenge("basic", {"realm": "never ends"}),)),
        ('Basic realm="a", realm="b"', (Challenge("basic", {"realm": "a"}),)),
        ('Digest realm="Basic a=1, B"', (Challenge("digest", {"realm": "Basic a=1, B"}),)),
        ('Basic realm="a" ; a="U-8"', (Challenge("basic", {"realm": "a", "a": "U-8"}),)),
    ],
)  # fmt: skip
def test_what_servers_write_beside_the_standard_is_read(
    text: str, found: tuple[Challenge, ...]
) -> None:
    assert challenges(text) == found


A, B, OTHER = "repository:kube/a", "repository:kube/b", "repository:other/a"


@pytest.mark.parametrize(
    ("stated", "asked"),
    [
        ("", [(f"{A}:pull,push",), ()]),
        (f"{A}:pull", [(f"{A}:pull,push",), (f"{A}:pull",)]),
        (f"{A}:pull,push", [(f"{A}:pull,push",)]),
        (f"{A}:push", [(f"{A}:push,pull",), (f"{A}:push",)]),
        (f"{OTHER}:pull", [(f"{OTHER}:pull,push",), (f"{OTHER}:pull",)]),
        (f"{B}:pull {A}:pull", [(f"{B}:pull", f"{A}:pull,push"), (f"{B}:pull", f"{A}:pull")]),
        ("repository(plugin):kube/a:pull", [
            ("repository(plugin):kube/a:pull,push",), ("repository(plugin):kube/a:pull",)
        ]),
    ],
)  # fmt: skip
def test_a_token_is_for_a_whole_push_of_the_repository_and_for_nothing_more(
    stated: str, asked: list[tuple[str, ...]]
) -> None:
    challenge = Challenge("bearer", {"realm": "https://auth.example", "scope": stated})
    assert list(scopes_for(challenge, "kube/a")) == asked
