"""The splitter gives what the specification says, for every split of the bytes, and four things beyond it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire import sse
from dragoman.wire.sse import ErrorFrame, SSECutter, SSESplitter


def split(*chunks: bytes, max_event: int = sse.MAX_EVENT) -> list[bytes]:
    splitter = SSESplitter(max_event)
    frames = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return frames + splitter.close()


def three_ways(stream: bytes) -> list[bytes]:
    """The frames of a stream, the same whole, byte by byte and cut at random."""
    whole = split(stream)
    assert split(*(stream[i : i + 1] for i in range(len(stream)))) == whole
    for seed in range(20):
        cuts = random.Random(seed)
        places = sorted(cuts.randrange(len(stream) + 1) for _ in range(cuts.randrange(8)))
        chunks = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
        assert split(*chunks) == whole, f"seed {seed}"
    return whole


CASES = [
    ("one event", b'data: {"a":1}\n\n', [b'{"a":1}']),
    ("two events", b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    ("no space after the colon", b"data:1\n\n", [b"1"]),
    ("only one space is removed", b"data:  1\n\n", [b" 1"]),
    ("named event", b"event: ping\ndata: {}\n\n", [b"{}"]),
    ("name after data", b"data: {}\nevent: ping\n\n", [b"{}"]),
    ("several data lines", b"data: {\ndata:  1\ndata:}\n\n", [b"{\n 1\n}"]),
    ("an empty line of data among others", b"data: a\ndata\ndata: b\n\n", [b"a\n\nb"]),
    ("id and retry", b"id: 7\nretry: 10\ndata: 1\n\n", [b"1"]),
    ("unknown field", b"data: 1\nfoo: bar\nbaz\n\n", [b"1"]),
    ("comments", b": hello\n\n:\n\ndata: 1\n: there\n\n", [b"1"]),
    ("comment inside several lines", b"data: 1\n: x\ndata: 2\n\n", [b"1\n2"]),
    ("no data", b"event: ping\n\nretry: 1\n\ndata: 1\n\n", [b"1"]),
    ("empty data", b"data:\n\ndata: \n\ndata\n\ndata: 1\n\n", [b"1"]),
    ("many blank lines", b"\n\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n\n", [b"1", b"2"]),
    ("CRLF", b"event: x\r\ndata: 1\r\n\r\ndata: 2\r\ndata: 3\r\n\r\n", [b"1", b"2\n3"]),
    ("CR", b"data: 1\r\rdata: 2\rdata: 3\r\r", [b"1", b"2\n3"]),
    ("mixed line ends", b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\ndata: 4\n\r", [b"1", b"2", b"3", b"4"]),
    ("byte order mark", b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    ("byte order mark before a comment", b"\xef\xbb\xbf: x\ndata: 1\n\n", [b"1"]),
    ("byte order mark in the middle", b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [b"1", b"2"]),
    ("padding", b'data: {"a":1}      \n\n', [b'{"a":1}      ']),
    (
        "characters that str.splitlines cuts at",
        'data: "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"\n\n'.encode(),
        ['"\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"'.encode()],
    ),
    ("terminator", b"data: [DONE]\n\n", [b"[DONE]"]),
    ("nothing", b"", []),
]


@pytest.mark.parametrize(("stream", "frames"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_events(stream: bytes, frames: list[bytes]) -> None:
    assert three_ways(stream) == frames
    assert not any(isinstance(frame, ErrorFrame) for frame in three_ways(stream))


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        (b"data: 1\n\ndata: 2\n", [b"1", b"2"]),
        (b"data: 1\n\ndata: 2", [b"1", b"2"]),
        (b"data: 1\n\ndata: 2\r", [b"1", b"2"]),
        (b"data: 1\n\ndata: 2\r\n", [b"1", b"2"]),
        (b"data: 1\n\nevent: x\ndata: 2\ndata: 3", [b"1", b"2\n3"]),
        (b"data: 1\n\ndat", [b"1"]),
        (b"data: 1\n\n: comment", [b"1"]),
    ],
)
def test_an_event_that_the_end_cuts_off_is_returned(stream: bytes, frames: list[bytes]) -> None:
    assert three_ways(stream) == frames


def test_events_come_as_soon_as_they_are_complete() -> None:
    splitter = SSESplitter()
    assert splitter.feed(b"data: 1\n") == []
    assert splitter.feed(b"\nda") == [b"1"]
    assert splitter.feed(b"ta: 2\r\r") == [b"2"]
    assert splitter.feed(b"\ndata: 3") == []
    assert splitter.close() == [b"3"]
    assert splitter.close() == []


@pytest.mark.parametrize(
    ("stream", "payload"),
    [
        (b'event: error\ndata: {"error":{}}\n\n', b'{"error":{}}'),
        (b"event: error\ndata: upstream timed out\n\n", b"upstream timed out"),
        (b"event:error\r\ndata:oops\r\n\r\n", b"oops"),
        (b"data: late\nevent: error\n\n", b"late"),
        (b'error: {"code":500}\n\n', b'{"code":500}'),
        (b'{"error":{"message":"no"}}', b'{"error":{"message":"no"}}'),
        (b'{\n  "error": "no"\n}\n', b'{\n  "error": "no"\n}'),
        (b'\xef\xbb\xbf[{"error": "no"}]\n\n', b'[{"error": "no"}]'),
    ],
)
def test_an_error_is_recognisable(stream: bytes, payload: bytes) -> None:
    frames = three_ways(b"data: {}\n\n" + stream)
    assert frames == [b"{}", payload]
    assert [type(frame) for frame in frames] == [bytes, ErrorFrame]


def test_the_event_after_an_error_is_plain_again() -> None:
    frames = three_ways(b"event: error\ndata: x\n\ndata: y\n\n")
    assert [type(frame) for frame in frames] == [ErrorFrame, bytes]


@pytest.mark.parametrize(
    "stream",
    [
        b"data: 56789\n\n",
        b"data: 56789",
        b"data: 5\ndata: 12345\n\n",
        b": 345678901\n\n",
        b"event: 8901\ndata: 1\n\n",
        b"id: 5\nid: 01\n\n",
    ],
)
def test_the_size_of_an_event_is_bounded(stream: bytes) -> None:
    """`max_event` counts a line with its field name, and all lines of an event that has several kinds."""
    with pytest.raises(WireError, match="larger than 10 bytes"):
        split(stream, max_event=10)
    with pytest.raises(WireError, match="larger than 10 bytes"):
        split(*(stream[i : i + 1] for i in range(len(stream))), max_event=10)


def test_an_event_of_exactly_the_limit_passes() -> None:
    stream = b"data: 6789\n\n" * 3
    assert split(stream, max_event=10) == [b"6789"] * 3
    assert split(*(stream[i : i + 1] for i in range(len(stream))), max_event=10) == [b"6789"] * 3


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    """Pieces are joined once. Joining at every feed would copy 8 GB here and hang."""
    payload = b"x" * (16 * 1024 * 1024)
    stream = b"data: " + payload + b"\n\n"
    assert split(*(stream[i : i + 16384] for i in range(0, len(stream), 16384))) == [payload]


LINES = [b"data: 1", b"data:2", b"event: x", b"event: error", b":c", b"{", b"id", b""]


@given(st.lists(st.sampled_from(LINES)), st.sampled_from([b"\r\n", b"\r"]))
def test_every_line_end_means_the_same(lines: list[bytes], end: bytes) -> None:
    assert split(b"".join(line + end for line in lines)) == split(b"".join(line + b"\n" for line in lines))


@given(st.lists(st.sampled_from([*LINES, b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf"])))
def test_any_pieces_give_the_frames_of_the_whole(pieces: list[bytes]) -> None:
    assert split(*pieces) == split(b"".join(pieces))


@pytest.mark.parametrize("read", [b"data: 1\n\n", b": ping\n\n", b"data: 1\r\n\r\n\n", b"event: x\n\n"])
def test_it_is_known_where_an_event_has_ended(read: bytes) -> None:
    splitter = SSESplitter()
    assert splitter.between()
    splitter.feed(read)
    assert splitter.between()
    for begun in (b"d", b"data: 1", b"data: 1\n", b"x\n", b"\r"):
        splitter = SSESplitter()
        splitter.feed(read + begun)
        assert not splitter.between()


@pytest.mark.parametrize("payload", [b'{"a":1}', b"two\nlines", b"\n", "é\u2028".encode()])
def test_what_is_written_is_read_back(payload: bytes) -> None:
    assert three_ways(sse.data(payload) + b": ping\n\n" + sse.event("x", payload)) == [payload, payload]


def test_the_written_form() -> None:
    assert sse.data(b"{}") == b"data: {}\n\n"
    assert sse.event("ping", b"{}") == b"event: ping\ndata: {}\n\n"
    assert sse.data(b"a\nb") == b"data: a\ndata: b\n\n"


def test_a_carriage_return_cannot_be_written() -> None:
    with pytest.raises(WireError, match="carriage return"):
        sse.data(b"a\rb")


# --- Whole events ----------------------------------------------------------------------------------------


def cut(*chunks: bytes) -> list[bytes]:
    cutter = SSECutter()
    return [event for chunk in chunks for event in cutter.feed(chunk)] + cutter.close()


@pytest.mark.parametrize(("stream", "frames"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_events_are_cut_as_they_stand(stream: bytes, frames: list[bytes]) -> None:
    """Whatever arrives together: joined they are the stream, and each but the last is whole."""
    for size in range(1, len(stream) + 1):
        events = cut(*(stream[start : start + size] for start in range(0, len(stream), size)))
        assert b"".join(events) == stream
        splitter = SSESplitter()
        told = [frame for event in events for frame in [*splitter.feed(event), *splitter.feed(b": ping\n\n")]]
        assert told == frames


def test_events_are_cut_at_blank_lines_only() -> None:
    assert cut(b"data: 1\r", b"\ndata: 2\r\n", b"\r\n: x\n\nda") == [
        b"data: 1\r\ndata: 2\r\n\r\n",
        b": x\n\n",
        b"da",
    ]


def test_an_event_to_be_cut_has_a_limit() -> None:
    cutter = SSECutter(9)
    assert cutter.feed(b"data: 1\n\ndata: 2") == [b"data: 1\n\n"]
    with pytest.raises(WireError, match="larger than 9 bytes"):
        cutter.feed(b"345")


def test_a_flood_of_lines_is_as_large_as_what_it_takes_in_memory() -> None:
    """A line of two bytes takes twenty times as much."""
    with pytest.raises(WireError, match="larger than 100000 bytes"):
        split(b"id\n" * 5_000, max_event=100_000)
