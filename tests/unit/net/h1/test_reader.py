"""The parser of answers: the same result however the bytes are cut, and nothing that two parsers may read
differently.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.net.failures import Failure, HeadTooLarge, Malformed
from dragoman.net.h1.reader import MAX_HEAD, MAX_HEADERS, AnswerReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*parts: bytes, eof: bool = False, bodiless: bool = False) -> AnswerReader:
    """The reader after these parts."""
    reader = AnswerReader()
    reader.begin(bodiless=bodiless)
    for part in parts:
        reader.feed(part)
    if eof:
        reader.eof()
    return reader


def told(reader: AnswerReader) -> tuple[object, ...]:
    """What a reader has to say of an answer."""
    return (
        reader.headed,
        reader.status,
        list(reader.headers.items()),
        b"".join(reader.pieces),
        reader.complete,
        reader.reusable,
    )


def test_the_lines_of_a_list_are_one_list() -> None:
    """RFC 9110, section 5.3."""
    lines = b"RateLimit: a;r=1\r\nX-A: first\r\nratelimit: b;r=2\r\nX-A: last\r\n"
    reader = read(OK + lines + b"Content-Length: 0\r\n\r\n")
    assert dict(reader.headers) == {"ratelimit": "a;r=1, b;r=2", "x-a": "last", "content-length": "0"}


ANSWERS: dict[str, tuple[bytes, bool, bytes, bool]] = {
    # what is sent, whether the connection ends then, the body, whether the connection is used again
    "length": (OK + b"Content-Length: 5\r\nA: b\r\n\r\nhello", False, b"hello", True),
    "nothing": (OK + b"Content-Length: 0\r\n\r\n", False, b"", True),
    "chunks": (
        CHUNKED + b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
        False,
        b"abc0123456789abcdef",
        True,
    ),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nT: v\r\nU: w\r\n\r\n", False, b"abc", True),
    "until the end": (OK + b"A: b\r\n\r\nhello", True, b"hello", False),
    "old": (b"HTTP/1.0 200 OK\r\n\r\nhello", True, b"hello", False),
    "old, kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        False,
        b"hello",
        True,
    ),
    "closing": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", False, b"hello", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", False, b"", True),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 2\r\n\r\nhi",
        False,
        b"hi",
        True,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_the_same_however_it_is_cut(name: str) -> None:
    data, eof, body, reusable = ANSWERS[name]
    whole = told(read(data, eof=eof))
    assert whole[3:] == (body, True, reusable)
    assert "T" not in dict(read(data, eof=eof).headers)
    for cut in range(1, len(data)):
        assert told(read(data[:cut], data[cut:], eof=eof)) == whole
    assert told(read(*[data[at : at + 1] for at in range(len(data))], eof=eof)) == whole


@pytest.mark.parametrize("name", ANSWERS)
def test_an_end_completes_only_a_body_without_a_length(name: str) -> None:
    data, eof, body, _ = ANSWERS[name]
    for cut in range(len(data)):
        reader = read(data[:cut])
        before = reader.complete
        reader.eof()
        assert reader.complete == (before or (eof and cut >= len(data) - len(body)))


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Malformed),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Malformed),
        (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", Malformed),
        (OK + b"Content-Length: +5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 5, 5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 0x5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 99999999999999999999999\r\n\r\nhello", Malformed),
        (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", Malformed),
        (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", Malformed),
        (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\nabc", Malformed),
        (CHUNKED + b"3\r\nabcXX0\r\n\r\n", Malformed),
        (CHUNKED + b"3\nabc\n0\n\n", Malformed),
        (b"HTTP/1.1 200 OK\nA: b\n\nhello", Malformed),
        (OK + b"A : b\r\n\r\n", Malformed),
        (OK + b"A: b\r\n c\r\n\r\n", Malformed),
        (OK + b"A\x00: b\r\n\r\n", Malformed),
        (OK + b"A: b\x00c\r\n\r\n", Malformed),
        (b"HTTP/2 200 OK\r\n\r\n", Malformed),
        (b"SSH-2.0-OpenSSH\r\n", Malformed),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 40, Malformed),
        (OK + b"A: " + b"x" * MAX_HEAD, HeadTooLarge),
        (OK + b"A" * (MAX_HEAD + 100), HeadTooLarge),
        (OK + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", HeadTooLarge),
        (CHUNKED + b"0\r\nContent-Length: 9\r\n\r\n", Malformed),
        (CHUNKED + b"3\r\nabc\r\n0\r\n" + b"T: v\r\n" * (MAX_HEADERS + 1) + b"\r\n", HeadTooLarge),
        (CHUNKED + b"3\r\nabc\r\n0\r\nT: " + b"x" * MAX_HEAD + b"\r\n\r\n", HeadTooLarge),
    ],
)
@pytest.mark.parametrize("size", [1_000_000, 999, 1])
def test_what_is_no_answer_is_refused(data: bytes, failure: type[Failure], size: int) -> None:
    with pytest.raises(failure):
        read(*[data[at : at + size] for at in range(0, len(data), size)])


@pytest.mark.parametrize("endless", [b"3;" + b"x" * 2 * MAX_HEAD, b"0\r\n" + b"A: b\r\n" * MAX_HEAD])
@pytest.mark.parametrize("size", [999, 1])
def test_what_goes_on_without_a_body_is_refused(endless: bytes, size: int) -> None:
    """Within one read it may be longer: reads are bounded."""
    data = CHUNKED + endless
    with pytest.raises(HeadTooLarge):
        read(*[data[at : at + size] for at in range(0, len(data), size)])


@pytest.mark.parametrize("more", [b"X", OK + b"Content-Length: 6\r\n\r\nSTOLEN", b"\r\n\r\nX"])
@pytest.mark.parametrize("name", ["length", "chunks", "no content", "not modified", "closing"])
def test_bytes_behind_an_answer_are_noticed_and_never_part_of_one(name: str, more: bytes) -> None:
    data, _, body, _ = ANSWERS[name]
    for parts in ([data + more], [data, more], [data[:-1], data[-1:] + more]):
        reader = read(*parts)
        assert b"".join(reader.pieces) == body
        assert reader.complete
        assert reader.surplus
        assert not reader.reusable


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    reader = read(OK + b"Content-Length: 7\r\n\r\n", bodiless=True)
    assert (reader.complete, reader.reusable, reader.pieces) == (True, False, [])


@pytest.mark.parametrize("more", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_another_protocol_is_an_answer_after_which_nothing_is_sent(more: bytes) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    reader = read(head + more)
    assert (reader.status, reader.complete, reader.reusable, reader.pieces) == (101, True, False, [])


def test_reset_content_has_no_body_and_is_the_last_answer() -> None:
    reader = read(b"HTTP/1.1 205 Reset Content\r\n\r\n")
    assert (reader.complete, reader.reusable) == (True, False)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_body_where_none_may_be_is_a_surplus_and_no_part_of_the_answer(cut: int) -> None:
    data = OK + b"Content-Length: 7\r\n\r\nsmuggle"
    reader = read(data[:-cut], data[-cut:], bodiless=True)
    assert (reader.complete, reader.reusable, reader.surplus, reader.pieces) == (True, False, True, [])


def test_one_reader_reads_one_answer_after_another() -> None:
    reader = AnswerReader()
    for number in range(3):
        reader.begin()
        reader.feed(CHUNKED + b"1\r\n%d\r\n0\r\n\r\n" % number)
        assert (reader.complete, reader.reusable, reader.pieces) == (True, True, [b"%d" % number])
        assert not reader.surplus


def test_what_comes_before_a_request_is_a_surplus() -> None:
    reader = AnswerReader()
    reader.feed(OK)
    assert reader.surplus


def in_chunks(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in sizes:
        piece = body[at : at + size]
        at += size
        if piece:
            out += b"%x\r\n%b\r\n" % (len(piece), piece)
    return out + (b"%x\r\n%b\r\n" % (len(body) - at, body[at:]) if at < len(body) else b"") + b"0\r\n\r\n"


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300),
    st.lists(st.integers(1, 60), max_size=9),
    st.lists(st.integers(0, 600), max_size=9),
)
def test_any_body_comes_through_in_any_chunks_and_any_cuts(
    body: bytes, sizes: list[int], cuts: list[int]
) -> None:
    for data in (CHUNKED + in_chunks(body, sizes), OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)):
        places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
        reader = read(*[data[one:two] for one, two in pairwise(places)])
        assert b"".join(reader.pieces) == body
        assert reader.held <= len(data)
        assert reader.complete
        assert reader.reusable


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(ANSWERS)), st.integers(0, 200), st.binary(max_size=6))
def test_damage_is_an_answer_or_a_failure_and_nothing_else(name: str, place: int, damage: bytes) -> None:
    data, eof, *_ = ANSWERS[name]
    place %= len(data)
    try:
        read(data[:place] + damage + data[place + len(damage) :], eof=eof)
    except Failure:
        return


@pytest.mark.parametrize("behind", [b"", b"JUNK", OK])
def test_a_body_that_may_not_be_there_is_not_given(behind: bytes) -> None:
    for head, bodiless in ((b"HTTP/1.1 205 Reset\r\n", False), (OK, True)):
        reader = read(head + b"Content-Length: 3\r\n\r\nabc" + behind, bodiless=bodiless)
        assert reader.pieces == []
        assert not (reader.complete and reader.reusable)
