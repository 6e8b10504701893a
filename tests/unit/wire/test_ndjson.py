"""A value a line: the lines, whatever the cuts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire.ndjson import NDJSONSplitter, line

STREAM = '{"a":"é\u2028\\n"}\r\n\n  \n{"b":[1,\t2]}\n{"c":3}'.encode()
LINES = ['{"a":"é\u2028\\n"}'.encode(), b'{"b":[1,\t2]}', b'{"c":3}']


def lines(*chunks: bytes) -> list[bytes]:
    splitter = NDJSONSplitter()
    found = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return found + splitter.close()


def test_lines_end_in_lf_alone_and_blank_ones_say_nothing() -> None:
    assert lines(STREAM) == LINES
    assert lines(b"") == lines(b"\n\r\n \n") == []


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_any_cuts_give_the_same_lines(cuts: list[int]) -> None:
    places = [0, *cuts, len(STREAM)]
    assert lines(*(STREAM[a:b] for a, b in itertools.pairwise(places))) == LINES


def test_byte_by_byte() -> None:
    assert lines(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == LINES


def test_a_line_is_given_as_soon_as_it_ends() -> None:
    splitter = NDJSONSplitter()
    assert splitter.feed(b'{"a":1}') == []
    assert splitter.feed(b'\n{"b"') == [b'{"a":1}']
    assert splitter.feed(b":2}\n") == [b'{"b":2}']
    assert splitter.close() == []


@pytest.mark.parametrize(
    "chunks", [[b"123456789"], [b"12345", b"6789"], [b"12345", b"6789\n1"], [b"123456789\n"]]
)
def test_a_line_above_the_limit_is_refused_as_soon_as_it_is_seen(chunks: list[bytes]) -> None:
    splitter = NDJSONSplitter(8)
    for chunk in chunks[:-1]:
        splitter.feed(chunk)
    with pytest.raises(WireError, match="larger than 8 bytes"):
        splitter.feed(chunks[-1])


def test_many_short_lines_are_no_long_one() -> None:
    assert NDJSONSplitter(8).feed(b"1234\n" * 100) == [b"1234"] * 100


def test_a_value_with_line_ends_is_written_as_one_line() -> None:
    assert line(b'{"a":\n1}') == b'{"a": 1}\n'
    assert line(b"{}") == b"{}\n"
