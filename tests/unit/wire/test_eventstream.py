"""AWS event streams: the frames, whatever the cuts; every mistake has words, and what is before it counts."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire.eventstream import EventStreamSplitter, event, exception, message, read_message
from dragoman.wire.sse import ErrorFrame

FIRST = event("messageStart", b'{"role":"assistant"}')
SECOND = event("contentBlockDelta", '{"delta":{"text":"é"}}'.encode())
STREAM = FIRST + SECOND + event("metadata", b"")
FRAMES = [
    b'{"messageStart":{"role":"assistant"}}',
    '{"contentBlockDelta":{"delta":{"text":"é"}}}'.encode(),
    b'{"metadata":{}}',
]


def frames(*chunks: bytes) -> list[bytes]:
    splitter = EventStreamSplitter()
    return [frame for chunk in chunks for frame in splitter.feed(chunk)] + splitter.close()


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_any_cuts_give_the_same_frames(cuts: list[int]) -> None:
    places = [0, *cuts, len(STREAM)]
    assert frames(*(STREAM[a:b] for a, b in itertools.pairwise(places))) == FRAMES


def test_byte_by_byte() -> None:
    assert frames(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == FRAMES


@pytest.mark.parametrize("at", range(len(SECOND)))
def test_each_changed_byte_is_noticed_after_the_messages_before(at: int) -> None:
    broken = bytearray(SECOND)
    broken[at] ^= 1
    found = []
    splitter = EventStreamSplitter()
    told = splitter.feed(FIRST + broken)
    found.append(next(told))
    with pytest.raises(WireError, match="checksum"):
        next(told)
    assert found == FRAMES[:1]


@pytest.mark.parametrize("at", range(1, len(SECOND)))
def test_a_stream_that_is_cut_off(at: int) -> None:
    with pytest.raises(WireError, match="ends within a message"):
        frames(FIRST + SECOND[:at])


def head(total: int, headers: int) -> bytes:
    prelude = struct.pack(">II", total, headers)
    return prelude + struct.pack(">I", zlib.crc32(prelude))


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (20, 5), (400_000, 300_000)])
def test_lengths_that_cannot_be(total: int, headers: int) -> None:
    with pytest.raises(WireError, match="impossible length"):
        frames(head(total, headers))


def test_a_message_above_the_limit_is_refused_when_its_length_is_known() -> None:
    with pytest.raises(WireError, match="larger than 100 bytes"):
        list(EventStreamSplitter(100).feed(head(101, 0)))
    assert list(EventStreamSplitter(100).feed(head(100, 0))) == []


def test_an_exception_is_an_error_with_its_name() -> None:
    (frame,) = frames(exception("throttlingException", b'{"message":"Slow down"}'))
    assert type(frame) is ErrorFrame
    assert json.loads(frame) == {"message": "Slow down", "type": "throttlingException"}
    (plain,) = frames(exception("internalServerException", b"no JSON"))
    assert json.loads(plain) == {"message": "no JSON", "type": "internalServerException"}


def test_an_error_without_a_payload() -> None:
    told = {":message-type": "error", ":error-code": "InternalError", ":error-message": "It broke"}
    (frame,) = frames(message(told, b""))
    assert type(frame) is ErrorFrame
    assert json.loads(frame) == {"message": "It broke", "type": "InternalError"}


def test_a_chunk_is_what_it_wraps() -> None:
    inner = b'{"type":"message_stop"}'
    wrapped = json.dumps({"bytes": base64.b64encode(inner).decode(), "p": "abc"}).encode()
    assert frames(event("chunk", wrapped)) == [inner]
    with pytest.raises(WireError, match="base64"):
        frames(event("chunk", b'{"bytes":"?"}'))
    with pytest.raises(WireError, match="base64"):
        frames(event("chunk", b'{"bytes":7}'))


def raw(headers: bytes, payload: bytes = b"") -> bytes:
    whole = head(16 + len(headers) + len(payload), len(headers)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


HEADERS: list[tuple[bytes, Any]] = [
    (b"\x00", True),
    (b"\x01", False),
    (b"\x02\xff", -1),
    (b"\x03\x01\x00", 256),
    (b"\x04\xff\xff\xff\xfe", -2),
    (b"\x05" + (2**40).to_bytes(8, "big"), 2**40),
    (b"\x06\x00\x02\xff\x00", b"\xff\x00"),
    (b"\x07\x00\x02\xc3\xa9", "é"),
    (b"\x08" + (1_785_000_000_000).to_bytes(8, "big"), 1_785_000_000_000),
    (b"\x09" + bytes(range(16)), bytes(range(16))),
]


def test_headers_of_all_types() -> None:
    written = b"".join(b"\x01%c%b" % (97 + at, value) for at, (value, _) in enumerate(HEADERS))
    headers, payload = read_message(raw(written, b"{}"))
    assert headers == {chr(97 + at): value for at, (_, value) in enumerate(HEADERS)}
    assert payload == b"{}"


@pytest.mark.parametrize(
    "headers", [b"\x05ab", b"\x01a\x07\x00\x09b", b"\x01a\x07\x00\x01\xff", b"\x01a\x05\x00"]
)
def test_malformed_headers(headers: bytes) -> None:
    with pytest.raises(WireError, match="headers of a message"):
        frames(raw(headers))


def test_unknown_types() -> None:
    with pytest.raises(WireError, match="unknown type 10"):
        frames(raw(b"\x01a\x0a"))
    with pytest.raises(WireError, match="a message has the unknown type None"):
        frames(raw(b""))


def test_the_judgement_of_botocore() -> None:
    """Botocore reads what we write, and we read the same."""
    judge = pytest.importorskip("botocore.eventstream", reason="botocore is not installed")
    buffer = judge.EventStreamBuffer()
    buffer.add_data(STREAM + exception("throttlingException", b'{"message":"m"}'))
    told = [(one.headers, one.payload) for one in buffer]
    assert [payload for _, payload in told[:2]] == [b'{"role":"assistant"}', SECOND[-4 - 23 : -4]]
    assert told[0][0][":event-type"] == "messageStart"
    assert told[3][0][":exception-type"] == "throttlingException"


def test_lengths_of_headers_are_in_bytes() -> None:
    assert read_message(message({"größe": "é", "next": "x"}, b"{}")) == ({"größe": "é", "next": "x"}, b"{}")
