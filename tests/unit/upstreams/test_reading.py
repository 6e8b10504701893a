"""The reads of a stream: in runs and frame by frame they give the same events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT as ANTHROPIC
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.gemini import DIALECT as GEMINI
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.answers import DEFAULT_LIMITS, AnswerLimits
from dragoman.upstreams.reading import Reading, events
from dragoman.wire.sse import SSESplitter

SMALL = AnswerLimits(event=1000)
"""Limits with which every event is measured alone, so that there are no runs."""


def told(
    dialect: Dialect, limits: AnswerLimits, reads: Sequence[bytes], *, closes: bool = True
) -> tuple[list[ir.Event], str]:
    """The events of these reads, and the mistake in them ("" = none)."""
    decoder = dialect.stream.decoder(STANDARD)
    reading = Reading(SSESplitter(limits.event), decoder, limits)
    batch: list[ir.Event] = []
    try:
        for read in reads:
            reading.read(read, batch)
        if closes:
            reading.close(batch)
    except WireError as error:
        return batch, str(error)
    return batch, ""


def named(kind: str, more: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b",%b}\n\n' % (kind.encode(), kind.encode(), more)


def said(number: int, kind: bytes, member: bytes, text: bytes) -> bytes:
    delta = b'"index":%d,"delta":{"type":"%b","%b":%b}' % (number, kind, member, text)
    return named("content_block_delta", delta)


def opened(number: int, block: bytes) -> bytes:
    return named("content_block_start", b'"index":%d,"content_block":{%b}' % (number, block))


BEGUN = named("message_start", b'"message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":1}}')
TEXT = opened(0, b'"type":"text","text":""')
TEXTS = (
    b'"a"',
    b'""',
    b'"\\"b\\n\\u00e9"',
    b'"\xc3\xa9"',
    b'"\xff"',
    b'"\t"',
    b"1",
    b'"a","b":"c"',
    b'"a"  ',
)
PIECES = [
    *(said(0, b"text_delta", b"text", text) for text in TEXTS),
    *[said(0, b"text_delta", b"text", b'"w"')] * 8,
    said(1, b"text_delta", b"text", b'"a"'),
    *[said(1, b"input_json_delta", b"partial_json", b'"{"')] * 2,
    said(2, b"thinking_delta", b"thinking", b'"hm"'),
    said(2, b"signature_delta", b"signature", b'"s"'),
    TEXT,
    opened(1, b'"type":"tool_use","id":"t","name":"f","input":{}'),
    opened(2, b'"type":"thinking","thinking":""'),
    *(named("content_block_stop", b'"index":%d' % number) for number in range(3)),
    b"event: ping\ndata: {}\n\n",
    b": comment\n\n",
    b"event: error\ndata: {}\n\n",
    named("message_delta", b'"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}'),
    named("message_stop", b'"x":1'),
]


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.lists(st.integers(0, 5000), max_size=6))
def test_a_stream_of_anthropic_is_read_alike_in_runs_and_frame_by_frame(
    pieces: list[bytes], places: list[int]
) -> None:
    stream = b"".join([BEGUN, TEXT, *pieces])
    assert told(ANTHROPIC, DEFAULT_LIMITS, cut(stream, places)) == told(ANTHROPIC, SMALL, [stream])


def test_deltas_of_anthropic_are_read_without_their_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    delta = said(0, b"text_delta", b"text", b'"w"')
    decoder = ANTHROPIC.stream.decoder(STANDARD)
    reading = Reading(SSESplitter(), decoder, DEFAULT_LIMITS)
    batch: list[ir.Event] = []
    reading.read(BEGUN + TEXT + delta, batch)
    assert reading.run is not None
    assert reading.between
    assert reading.run(delta) == ([ir.TextDelta(0, "w")], len(delta))
    assert reading.run(delta * 3 + BEGUN) == ([ir.TextDelta(0, "w")] * 3, 3 * len(delta))
    reading.read(named("content_block_stop", b'"index":0'), batch)
    assert reading.run(delta) == ([], 0)


def chunk(text: bytes, *, more: bytes = b"", index: int = 0, counts: bytes | None = b'{"a":1}') -> bytes:
    said = b'{"candidates":[{"content":{"parts":[{"text":%b%b}],"role":"model"},"index":%d}]' % (
        text,
        more,
        index,
    )
    usage = b"" if counts is None else b',"usageMetadata":%b' % counts
    return b'data: %b%b,"modelVersion":"g"}\r\n\r\n' % (said, usage)


COUNTS = (b'{"promptTokenCount":7}', b'{"a":{"b":"]"}}', b"null", b"{", b"1 2", b'{"a":1},"x":1', b"{\r\n}")
CHUNKS = [
    *[chunk(b'"w"')] * 8,
    *(chunk(text) for text in TEXTS),
    *(chunk(b'"w"', counts=counts) for counts in COUNTS),
    *[chunk(b'"w"', counts=None)] * 2,
    *[chunk(b'"hm"', more=b',"thought":true')] * 3,
    chunk(b'"w"', index=1),
    chunk(b'"w"').replace(b'"index"', b'"finishReason":"STOP","index"'),
    chunk(b'"w"').replace(b"\r\n", b"\n"),
    chunk(b'"w"').replace(b'"g"', b'"h"'),
    chunk(b'"},"usageMetadata":{}"'),
    chunk(b"1").replace(b'"text":1', b'"functionCall":{"name":"f","args":{}}'),
    b'data: {"error":{"message":"No."}}\r\n\r\n',
]


@given(
    st.lists(st.sampled_from(CHUNKS), max_size=20), st.lists(st.integers(0, 5000), max_size=4), st.booleans()
)
def test_a_stream_of_gemini_is_read_alike_in_runs_and_frame_by_frame(
    chunks: list[bytes], places: list[int], alone: bool
) -> None:
    stream = b"".join(chunks)
    reads = chunks if alone else cut(stream, places)
    assert told(GEMINI, DEFAULT_LIMITS, reads) == told(GEMINI, SMALL, [stream])


def test_words_of_gemini_are_read_without_their_frames() -> None:
    reading = Reading(SSESplitter(), GEMINI.stream.decoder(STANDARD), DEFAULT_LIMITS)
    batch: list[ir.Event] = []
    for _ in range(2):
        reading.read(chunk(b'"w"'), batch)
    assert reading.run is not None
    for end in (b"\r\n", b"\n"):
        following = chunk(b'"\\"x"', counts=b'{"promptTokenCount":7}').replace(b"\r\n", end)
        assert reading.run(following) == ([ir.TextDelta(0, '"x')], len(following))
    assert reading.run(chunk(b'""')) == ([], 0)
    reading.close(batch)


class _Streamed:
    """An answer that comes event by event."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    def __init__(self, *events: bytes) -> None:
        self._events = [*events, b""]

    async def chunk(self) -> bytes:
        return self._events.pop(0)


async def test_what_was_told_is_not_told_again_with_an_error() -> None:
    head = (
        b'data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c"'
    )
    start = head + b',"content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    opened = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    said = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"w%d"}}\n\n'
    limits = AnswerLimits(stream=1500)
    answer = cast("Answer", _Streamed(start, opened, *(said % number for number in range(30))))
    decoder = ANTHROPIC.stream.decoder(STANDARD)
    read = [event async for batch in events(answer, SSESplitter(), decoder, limits, "up") for event in batch]
    texts = [event.text for event in read if isinstance(event, ir.TextDelta)]
    assert texts == [f"w{number}" for number in range(len(texts))]
    assert isinstance(read[-1], ir.Error)
