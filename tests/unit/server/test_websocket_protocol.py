"""Frames that are written by hand are those that a client of the library reads."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHeaderValue, InvalidMethod
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from dragoman.server.faults import WRONG_VERSION
from dragoman.server.websocket_protocol import framed, wrong_handshake


def read(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536, 1_000_000])
def test_a_message_is_one_frame_of_text(size: int) -> None:
    messages = [b"{" + b"x" * (size - 1), b"{}"]
    frames = read(b"".join(map(framed, messages)))
    assert [bytes(frame.data) for frame in frames] == messages
    assert {(frame.opcode, frame.fin) for frame in frames} == {(Opcode.TEXT, True)}


def test_what_is_no_utf8_becomes_some() -> None:
    frames = read(framed("é".encode()) + framed(b"\xff"))
    assert [bytes(frame.data).decode() for frame in frames] == ["é", "\ufffd"]


def test_what_a_wrong_handshake_is_told() -> None:
    assert wrong_handshake(InvalidHeaderValue("Sec-WebSocket-Version", "8")) is WRONG_VERSION
    assert wrong_handshake(InvalidMethod("POST")).message.startswith("A WebSocket must be opened by a GET")
    told = wrong_handshake(InvalidHeaderValue("Sec-WebSocket-Key", "YWFh")).message
    assert told == "The WebSocket handshake is invalid: invalid Sec-WebSocket-Key header: YWFh."
