"""Orders and messages on one line, however they are cut."""

from __future__ import annotations

import socket

import pytest

from dragoman.server.orders import CLOSE, DRAIN, END, Message, Orders, receive, send, written

SAID: list[bytes | Message] = [DRAIN, {"do": "use", "text": "dce{}\n"}, END, CLOSE, {}]
WRITTEN = b"".join(one if isinstance(one, bytes) else written(one) for one in SAID)


@pytest.mark.parametrize("size", [1, 2, 7, len(WRITTEN)])
def test_they_are_cut_apart(size: int) -> None:
    orders = Orders()
    pieces = [WRITTEN[place : place + size] for place in range(0, len(WRITTEN), size)]
    assert [one for piece in pieces for one in orders.feed(piece)] == SAID


def test_an_end_in_the_middle_of_a_message_gives_nothing() -> None:
    orders = Orders()
    assert list(orders.feed(b'{"do": "us')) == []
    assert list(orders.feed(b"")) == []


def test_a_line_that_is_full_or_gone_takes_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        assert send(ours, DRAIN)
        taken = [send(ours, b"x" * 65_536) for _ in range(100)]
        assert not taken[-1]
        theirs.close()
        assert not send(ours, DRAIN)


def test_who_is_killed_before_it_has_read_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        assert send(ours, written({"did": "prepare"}))
        theirs.close()  # what was sent is unread, so the line is reset
        assert receive(ours) == b""


def test_what_has_come_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert send(theirs, DRAIN + CLOSE)
        assert receive(ours) == DRAIN + CLOSE
