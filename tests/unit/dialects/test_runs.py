"""Runs of events that differ in one text: found as bytes, and never one event too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.runs import Alike, strings

NAMED = (b'event: said\ndata: {"text":', b"}\n\n")
PLAIN = (b'data: {"text":', b',"end":null}\n\n')


def events(form: tuple[bytes, bytes], *texts: bytes) -> bytes:
    return b"".join(form[0] + text + form[1] for text in texts)


@pytest.mark.parametrize("form", [NAMED, PLAIN])
@pytest.mark.parametrize(
    "rest", [b"", b"data: [DONE]\n\n", b"\n", b'data: {"text":"c', b'data: {"text":"c"}\n']
)
def test_the_texts_of_all_events_alike_are_found(form: tuple[bytes, bytes], rest: bytes) -> None:
    alike = Alike.around(*form)
    said = events(form, b'"a"', b'"b"')
    assert alike.first(said + rest) == ([b'"a"', b'"b"'], len(said))
    assert alike.only(said) is None
    if rest and not rest.startswith(form[0]):
        assert alike.first(rest + said) == ([], 0)


@pytest.mark.parametrize("form", [NAMED, PLAIN])
def test_a_single_event_is_found(form: tuple[bytes, bytes]) -> None:
    alike = Alike.around(*form)
    assert alike.only(events(form, b'"a"')) == b'"a"'
    for odd in (b'"a\r"', b'"a"\n', b'\n"a"'):
        assert alike.only(events(form, odd)) is None
    for cut in range(len(form[0] + form[1])):
        assert not alike.only((form[0] + form[1])[:cut])


@given(
    st.lists(st.sampled_from([*(events(NAMED, text) for text in (b"1", b'"a"', b"")), b"data: 1\n\n", b"\n"]))
)
def test_a_run_ends_before_the_first_other_event(pieces: list[bytes]) -> None:
    read = b"".join(pieces)
    expected = 0
    while read.startswith(NAMED[0], expected) and (end := read.find(NAMED[1], expected)) >= 0:
        expected = end + len(NAMED[1])
    texts, size = Alike.around(*NAMED).first(read)
    assert events(NAMED, *texts) == read[:size]
    assert size == expected


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([b'"a"', b'"\\n"'], ["a", "\n"]),
        ([b'"a","b"', b""], None),
        ([b'"a"', b"1"], None),
        ([b'"\xff"'], None),
        ([b'"a"', b'"'], None),
    ],
)
def test_texts_are_one_string_each(texts: list[bytes], found: list[str] | None) -> None:
    assert strings(texts) == found
