"""Reads and writes AWS event streams (`application/vnd.amazon.eventstream`): a sequence of messages.

    total length u32 | headers length u32 | CRC-32 of these two | headers | payload | CRC-32 of all before it

The total length counts every byte of the message. A CRC-32 is a u32; all numbers are big-endian. A header is:
length of the name u8, the name, the value's type u8, the value. Specification:
https://smithy.io/2.0/aws/amazon-eventstream.html, read in 2026-11; the same layout is in
`botocore/eventstream.py` 1.44.5.

A message of the type `event` becomes one frame of JSON, an object with the event's name as its only member:
`{"contentBlockDelta": PAYLOAD}`. The event `chunk` (of Bedrock's InvokeModelWithResponseStream) contains an
event of another protocol in base64; its frame is that event. A message of the type `exception` becomes an
`ErrorFrame`: the JSON object in its payload (or else the payload's text as `message`), with the exception's
name as `type`. A message of the type `error` becomes the `ErrorFrame` `{"type": CODE, "message": TEXT}`.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import MAX_EVENT, ErrorFrame, too_large

MIME: Final = "application/vnd.amazon.eventstream"
"""The content type of such a stream."""
Header: TypeAlias = bool | int | bytes | str
"""The value of a header by its type: text (type 7), bytes (6, and 9: a UUID), a number (2 to 5, and 8: Unix
milliseconds), or true and false (0, 1).
"""

_PRELUDE: Final = struct.Struct(">II")
_CHECKSUM: Final = struct.Struct(">I")
_HEAD: Final = 12
"""Bytes before the headers: the two lengths and their checksum."""
_LEAST: Final = 16
"""Bytes of a message without headers and payload."""
_MOST_HEADERS: Final = 128 * 1024
"""The most bytes of the headers of one message, as the specification limits them."""
_NUMBERS: Final = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}
"""Type of a header's value -> the format of its number."""
_CHUNK: Final = "chunk"
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class EventStreamSplitter:
    """Splits one stream into JSON frames, however the stream is cut into chunks. Both checksums of each
    message are verified before its content is used.

    max_event: the most bytes of one message. `feed` raises WireError (code `answer_too_large`) for a larger
    one, as soon as its length is known.
    """

    __slots__ = ("_held", "_max_event", "_total")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._held = bytearray()
        self._total = 0  # length of the message at the start of `_held`; 0 = not read yet

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Read `chunk`, and yield the frame of each message that it completes, in order. Nothing is read
        before the caller iterates; the caller must iterate to the end.

        Raises WireError, after the frames of the messages before, for a malformed message and for one above
        the limit. The JSON of an event is not checked. The splitter cannot be used after an error.
        """
        held = self._held
        held += chunk
        while len(held) >= (self._total or _HEAD):
            if not self._total:
                self._total = self._length(held)
                continue
            message = bytes(held[: self._total])
            del held[: self._total]
            self._total = 0
            yield _frame(*read_message(message))

    def close(self) -> list[bytes]:
        """End the stream. Returns an empty list. Raises WireError if the stream ends within a message."""
        if self._held:
            raise WireError("the stream ends within a message")
        return []

    def _length(self, held: bytearray) -> int:
        total, headers = _PRELUDE.unpack_from(held)
        if zlib.crc32(held[:8]) != _CHECKSUM.unpack_from(held, 8)[0]:
            raise WireError("the lengths of a message do not match their checksum")
        if total < _LEAST + headers or headers > _MOST_HEADERS:
            raise WireError("a message has an impossible length")
        if total > self._max_event:
            raise too_large("a message", self._max_event)
        return int(total)


def read_message(message: bytes) -> tuple[dict[str, Header], bytes]:
    """Return (headers by name, payload) of one complete message. Raises WireError if the checksum of the
    message is wrong, or if its headers are malformed. The checksum of the lengths is not verified here.
    """
    end = len(message) - 4
    if zlib.crc32(memoryview(message)[:end]) != _CHECKSUM.unpack_from(message, end)[0]:
        raise WireError("a message does not match its checksum")
    stop = _HEAD + _PRELUDE.unpack_from(message)[1]
    headers: dict[str, Header] = {}
    at = _HEAD
    try:
        while at < stop:
            after = at + 1 + message[at]
            name = message[at + 1 : after].decode()
            headers[name], at = _value(message, after)
    except (struct.error, IndexError, UnicodeDecodeError):
        at = -1
    if at != stop:
        raise WireError("the headers of a message cannot be parsed")
    return headers, message[stop:end]


def _value(message: bytes, at: int) -> tuple[Header, int]:
    """Return (value of a header, position after it). at: the position of the value's type. Raises WireError
    for an unknown type; also IndexError, struct.error or UnicodeDecodeError, which `read_message` catches.
    """
    kind, at = message[at], at + 1
    if kind in (0, 1):
        return kind == 0, at
    if (form := _NUMBERS.get(kind)) is not None:
        return struct.unpack_from(form, message, at)[0], at + struct.calcsize(form)
    if kind == 9:
        return message[at : at + 16], at + 16
    if kind not in (6, 7):
        raise WireError(f"a header of a message has the unknown type {kind}")
    size = struct.unpack_from(">H", message, at)[0]
    value = message[at + 2 : at + 2 + size]
    return value.decode() if kind == 7 else value, at + 2 + size


def _frame(headers: Mapping[str, Header], payload: bytes) -> bytes:
    kind = headers.get(":message-type")
    if kind == "event":
        name = str(headers.get(":event-type", ""))
        if name == _CHUNK:
            return _unwrapped(payload)
        return b"{%b:%b}" % (_encode(name), payload or b"{}")
    if kind == "exception":
        told: Any = _object(payload)
        return ErrorFrame(_encode({**told, "type": str(headers.get(":exception-type", ""))}))
    if kind == "error":
        code, text = headers.get(":error-code", ""), headers.get(":error-message", "")
        return ErrorFrame(_encode({"type": str(code), "message": str(text)}))
    raise WireError(f"a message has the unknown type {kind!r}")


def _unwrapped(payload: bytes) -> bytes:
    data = _object(payload).get("bytes")
    try:
        return base64.b64decode(data or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise WireError("a chunk must have `bytes`, a text in base64") from None


def _object(payload: bytes) -> dict[str, Any]:
    """Decode the payload as a JSON object. If it is not one, return an object with the payload's text as
    `message`.
    """
    try:
        value = _decode(payload)
    except UNDECODABLE:
        value = None
    return value if type(value) is dict else {"message": payload.decode(errors="replace")}


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return the bytes of one message with these headers, whose values become texts (type 7). A name must not
    have more than 255 bytes in UTF-8, a value not more than 65,535.
    """
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    written = b"".join(
        b"%c%b\x07%b%b" % (len(name), name, struct.pack(">H", len(value)), value) for name, value in encoded
    )
    prelude = _PRELUDE.pack(_LEAST + len(written) + len(payload), len(written))
    whole = b"%b%b%b%b" % (prelude, _CHECKSUM.pack(zlib.crc32(prelude)), written, payload)
    return whole + _CHECKSUM.pack(zlib.crc32(whole))


def event(name: str, payload: bytes) -> bytes:
    """Return the bytes of an event's message. name: the event's type. payload: the event's JSON."""
    return message(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload
    )


def exception(name: str, payload: bytes) -> bytes:
    """Return the bytes of an exception's message. An exception ends a stream. name: the exception's type.
    payload: its JSON, an object.
    """
    return message(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload
    )
