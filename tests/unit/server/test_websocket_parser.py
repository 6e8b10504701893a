"""What the parser of frames counts, however the bytes come in."""

from __future__ import annotations

import pytest
from websockets.http11 import Request

from dragoman.server.websocket_parser import WebSocketParser

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: YWFhYWFhYWFhYWFhYWFhYQ==\r\n\r\n"
)
PING = b"\x89\x82\0\0\0\0ab"
FIRST, NEXT, LAST = b"\x01\x82\0\0\0\0ab", b"\x00\x80\0\0\0\0", b"\x80\xfe\0\x03\0\0\0\0abc"
WHOLE = b"\x82\x81\0\0\0\0x"


def opened() -> WebSocketParser:
    parser = WebSocketParser(max_size=1000)
    parser.receive_data(HANDSHAKE)
    (request,) = parser.events_received()
    assert isinstance(request, Request)
    parser.send_response(parser.accept(request))
    return parser


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_messages_and_control_frames_are_counted_apart(step: int) -> None:
    parser = opened()
    came = PING + WHOLE + FIRST + PING + NEXT + LAST + WHOLE
    for at in range(0, len(came), step):
        parser.receive_data(came[at : at + step])
    assert list(parser.sizes) == [len(WHOLE), len(FIRST + NEXT + LAST), len(WHOLE)]
    assert parser.take_control() == 2 * len(PING)
    assert parser.take_control() == 0
    assert parser.incomplete == 0
    assert parser.complete == 4  # three messages, and the ping between two


def test_what_is_incomplete_is_known_to_the_byte() -> None:
    parser = opened()
    assert parser.incomplete == 0
    parser.receive_data(FIRST[:1])
    assert parser.incomplete == 1
    parser.receive_data(FIRST[1:] + PING[:5])
    assert parser.incomplete == len(FIRST) + 5
    parser.receive_data(PING[5:])
    assert parser.incomplete == len(FIRST)
    assert parser.complete == 0
    parser.receive_data(LAST + PING[:2])
    assert parser.incomplete == 2
    assert parser.complete == 1
