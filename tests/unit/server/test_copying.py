"""What a client gets is copied into the record on its way, if it is text."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from dragoman.engine.client import Headers
from dragoman.exchange import KeptBodies
from dragoman.server.copying import Copying


class Wire:
    """A channel that remembers what was written."""

    def __init__(self) -> None:
        self.begun = self.lost = False
        self.written = b""

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        self.begun = True
        return self.write(body)

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        self.begun = True
        return None

    def write(self, data: bytes) -> Awaitable[None] | None:
        self.written += data
        return None

    def end(self, data: bytes) -> Awaitable[None] | None:
        return self.write(data)


JSON = [(b"content-type", b"application/json; charset=utf-8")]


def test_a_whole_answer() -> None:
    wire, bodies = Wire(), KeptBodies(100)
    copying = Copying(wire, bodies)
    assert copying.begun is False
    copying.whole(200, JSON, b"{}")
    assert (copying.begun, wire.written, bytes(bodies.answer)) == (True, b"{}", b"{}")


def test_a_stream_up_to_the_bound() -> None:
    wire, bodies = Wire(), KeptBodies(5)
    copying = Copying(wire, bodies)
    copying.begin(200, [(b"content-type", b"text/event-stream")])
    copying.write(b"abc")
    copying.write(b"def")
    copying.end(b"g")
    assert (wire.written, bytes(bodies.answer), bodies.answer_size) == (b"abcdefg", b"abcde", 7)


@pytest.mark.parametrize("headers", [[(b"content-type", b"audio/mpeg")], []])
def test_sound_and_whatever_says_nothing_of_itself_is_not_copied(headers: Headers) -> None:
    wire, bodies = Wire(), KeptBodies(100)
    Copying(wire, bodies).whole(200, headers, b"sound")
    assert (wire.written, bodies.answer_size) == (b"sound", 0)


def test_it_knows_whether_the_client_has_gone() -> None:
    wire = Wire()
    wire.lost = True
    assert Copying(wire, KeptBodies(100)).lost
