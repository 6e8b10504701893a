"""A line keeps messages whole, whatever their size, and whoever is killed at its ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

if sys.platform != "win32":
    from dragoman.server import lines
    from dragoman.server.lines import LARGEST, Line, pair

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="lines are made for forks")


async def until(true: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + 10
    while not true():
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() < end


async def test_messages_arrive_whole_and_in_order_both_ways() -> None:
    ours, theirs = pair()
    with ours, theirs:
        here: list[bytes] = []
        there: list[bytes] = []
        one, two = Line(ours, here.append), Line(theirs, there.append)
        sent = [b"", b"small", b"x" * 32_768, b"y" * 32_769, bytes(range(256)) * 4_000]
        assert [one.send(message) for message in sent] == [True] * len(sent)
        assert two.send(b"back")
        await until(lambda: len(there) == len(sent) and here)
        assert (there, here) == (sent, [b"back"])
        one.close()
        two.close()


async def test_what_the_other_end_does_not_read_waits_and_then_is_dropped() -> None:
    ours, theirs = pair()
    with ours, theirs:
        there: list[bytes] = []
        one = Line(ours, there.append)
        assert not one.send(b"x" * (LARGEST + 1)), "too large"
        taken = 0
        while one.send(bytes([taken % 256]) * 1_000_000):
            taken += 1
        assert 15 <= taken <= 17
        await asyncio.sleep(0)
        assert not one.send(b"x" * 1_000_000)
        two = Line(theirs, there.append)
        await until(lambda: len(there) == taken)
        assert [message[0] for message in there] == list(range(taken))
        assert one.send(b"again")
        await until(lambda: there[-1] == b"again")
        one.close()
        two.close()


async def test_a_message_of_which_a_piece_is_missing_harms_no_other() -> None:
    """As when a process is killed while it sends, or while it reads."""
    ours, theirs = pair()
    with ours, theirs:
        there: list[bytes] = []
        ours.send(lines._HEAD.pack(7, 1, 3) + b"the second piece for another process")
        ours.send(lines._HEAD.pack(8, 0, 2) + b"the first piece of one that was killed")
        ours.send(lines._HEAD.pack(1, 0, 2) + b"of its ")
        ours.send(lines._HEAD.pack(1, 1, 2) + b"replacement")
        ours.send(lines._HEAD.pack(2, 0, 3) + b"a piece")
        ours.send(lines._HEAD.pack(2, 2, 3) + b"out of order")
        one, two = Line(ours, there.append), Line(theirs, there.append)
        one.send(b"whole")
        await until(lambda: there[-1:] == [b"whole"])
        assert there == [b"of its replacement", b"whole"]
        one.close()
        two.close()


async def test_a_message_that_cannot_be_handled_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = pair()
    with ours, theirs:
        there: list[bytes] = []

        def hear(message: bytes) -> None:
            if message == b"bad":
                raise ValueError("bad")
            there.append(message)

        one, two = Line(ours, there.append), Line(theirs, hear)
        one.send(b"bad")
        one.send(b"good")
        await until(lambda: there)
        assert there == [b"good"]
        assert "could not be handled" in caplog.text
        one.close()
        two.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the end of such a line")
async def test_when_all_others_have_gone_nothing_comes_and_nothing_is_kept() -> None:
    ours, theirs = pair()
    with ours:
        there: list[bytes] = []
        one = Line(ours, there.append)
        theirs.close()
        await asyncio.sleep(0.01)
        assert one.send(b"to nobody")
        assert not one._waiting
        one.close()
