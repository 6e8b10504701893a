"""Connections are counted, idle ones make room, and whoever does not read loses his time."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import pytest

from dragoman.config.serving import Server
from dragoman.server.connections import (
    Connections,
    Peer,
    connection_limit,
    descriptor_limit,
    raise_descriptor_limit,
)

LOCAL = "127.0.0.1"


class Transport:
    """A transport with so many bytes that wait to be written."""

    def __init__(self, waiting: int = 0, *, closing: bool = False) -> None:
        self.waiting = waiting
        self.closing = closing
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True


class Visitor:
    """A connection from an address, idle since a time or busy (None)."""

    def __init__(self, house: Connections, host: str | None, since: float | None) -> None:
        self.peer = house.peer(host)
        self.transport: Any = Transport()
        self.since = since
        self.abandoned = False
        self.looks = 0

    def idle_since(self) -> float | None:
        return self.since

    def look(self, now: float) -> None:
        self.looks += 1

    def abandon(self) -> None:
        self.abandoned = True


def house(reached: list[str], **settings: Any) -> Connections:
    return Connections(Server(**settings), lambda name, _detail: reached.append(name))


async def test_the_longest_idle_of_the_heaviest_address_makes_room() -> None:
    reached: list[str] = []
    rooms = house(reached, max_connections=4)
    rare = Visitor(rooms, "10.0.0.9", 1.0)
    heavy = [Visitor(rooms, "10.0.0.1", since) for since in (5.0, 3.0, None)]
    newcomer = Visitor(rooms, "10.0.0.2", 9.0)
    for visitor in (rare, *heavy, newcomer):
        assert rooms.admit(visitor)
    assert [visitor.abandoned for visitor in (rare, *heavy, newcomer)] == [False, False, True, False, False]
    assert reached == ["idle_connections"]
    assert rooms.state() == {"open": 4, "limit": 4}


async def test_busy_connections_stay_and_the_newcomer_goes() -> None:
    reached: list[str] = []
    rooms = house(reached, max_connections=2)
    busy = [Visitor(rooms, LOCAL, None) for _ in range(2)]
    assert all(rooms.admit(visitor) for visitor in busy)
    assert not rooms.admit(Visitor(rooms, LOCAL, 0.0))
    assert reached == ["connections"]
    rooms.leave(busy[0])
    rooms.leave(busy[0])
    assert rooms.admit(Visitor(rooms, LOCAL, 0.0))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::ffff"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::2%eth0"),
    ],
)
async def test_one_address_has_a_limit_of_its_own(one: str, other: str) -> None:
    reached: list[str] = []
    rooms = house(reached, max_connections=100, max_connections_per_address=1, shared_addresses=())
    first = Visitor(rooms, one, None)
    assert rooms.admit(first)
    assert not rooms.admit(Visitor(rooms, other, None))
    assert rooms.admit(Visitor(rooms, "198.51.100.1", None))
    assert reached == ["connections_of_address"]
    first.since = 1.0  # an idle connection of the same address makes room
    assert rooms.admit(Visitor(rooms, other, None))
    assert first.abandoned


@pytest.mark.parametrize("host", [LOCAL, "10.1.2.3", "172.20.0.1", "fd00::1", None])
async def test_addresses_that_many_share_have_none(host: str | None) -> None:
    rooms = house([], max_connections=100, max_connections_per_address=1)
    for _ in range(50):
        assert rooms.admit(Visitor(rooms, host, None))


async def test_a_change_of_protocol_keeps_the_count() -> None:
    rooms = house([], max_connections=10)
    before, after = Visitor(rooms, LOCAL, None), Visitor(rooms, LOCAL, None)
    assert rooms.admit(before)
    rooms.hand_over(before, after)
    rooms.leave(before)
    assert rooms.state()["open"] == 1
    rooms.leave(after)
    assert rooms.state()["open"] == 0


async def test_connections_are_looked_at_while_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.connections._TICK", 0.01)
    rooms = house([])
    visitor = Visitor(rooms, LOCAL, None)
    assert rooms.admit(visitor)
    await asyncio.sleep(0.1)
    assert visitor.looks >= 2
    rooms.leave(visitor)
    await asyncio.sleep(0.03)
    seen = visitor.looks
    await asyncio.sleep(0.03)
    assert visitor.looks == seen
    assert rooms.admit(visitor)
    await asyncio.sleep(0.1)
    assert visitor.looks > seen


def stalled_at(peer: Peer, transport: Transport, steps: list[int]) -> int | None:
    """The first second at which a peer stalls, with so many bytes waiting at each."""
    for second, waiting in enumerate(steps):
        transport.waiting = waiting
        if peer.stalls(transport, float(second)):  # type: ignore[arg-type]
            return second
    return None


def test_time_passes_while_nothing_is_read_and_comes_back_with_what_is() -> None:
    settings = Server(write_timeout=5, min_rate=100)  # type: ignore[arg-type]
    peer = Peer("a", settings)
    assert stalled_at(peer, Transport(), [1000] * 20) is None  # nobody has told us to wait
    peer.paused = True
    assert stalled_at(peer, Transport(), [100_000] * 20) == 5
    drips = [100_000 - 10 * second for second in range(40)]
    peer.resumed()
    peer.paused = True
    assert stalled_at(peer, Transport(), drips) == 6
    reads = [100_000 - 101 * second for second in range(200)]
    peer.resumed()
    peer.paused = True
    assert stalled_at(peer, Transport(), reads) is None


def test_any_byte_will_do_without_a_rate_and_for_ever_is_for_ever() -> None:
    peer = Peer("a", Server(write_timeout=5, min_rate=0))  # type: ignore[arg-type]
    peer.paused = True
    assert stalled_at(peer, Transport(), [1000 - second // 4 for second in range(100)]) is None
    patient = Peer("a", Server(write_timeout=0))  # type: ignore[arg-type]
    patient.paused = True
    assert stalled_at(patient, Transport(), [1000] * 1000) is None


def test_a_connection_that_is_being_closed_has_no_more_time_than_others() -> None:
    peer = Peer("a", Server(write_timeout=5))  # type: ignore[arg-type]
    assert stalled_at(peer, Transport(closing=True), [1000] * 20) == 5
    assert stalled_at(peer, Transport(closing=True), [0] * 20) is None


def test_half_of_the_descriptors_are_for_clients() -> None:
    assert connection_limit(Server(), 128) == 32
    assert connection_limit(Server(), 1064) == 500
    assert connection_limit(Server(), 10) == 16
    assert connection_limit(Server(max_connections=7), 128) == 7
    assert connection_limit(Server()) == max(16, (descriptor_limit() or 20_064) - 64 >> 1)


def test_the_limit_of_descriptors_is_raised_as_far_as_the_system_lets_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = max(256, min(before[0], 512)) if before[0] != resource.RLIM_INFINITY else 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, before[1]))
    try:
        raised = raise_descriptor_limit()
        assert raised is not None
        assert raised >= lower
        assert descriptor_limit() == raised
        if before[1] == resource.RLIM_INFINITY or before[1] >= 65_536:
            assert raised == 65_536
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_what_has_not_begun_takes_a_bounded_space_together() -> None:
    reached: list[str] = []
    rooms = house(reached, head_space=100_000)
    old, young, busy, newest = (Visitor(rooms, LOCAL, since) for since in (1.0, 2.0, None, 3.0))
    for visitor in (old, young, busy, newest):
        assert rooms.admit(visitor)
    rooms.keep(young, 30_000)
    rooms.keep(old, 40_000)
    rooms.keep(busy, 20_000)
    assert reached == []
    rooms.keep(newest, 20_000)
    assert reached == ["heads_too_large_together"]
    assert [visitor.abandoned for visitor in (old, young, busy, newest)] == [True, False, False, False]
    rooms.keep(old, 90_000)  # it has gone
    rooms.keep(newest, 0)
    rooms.keep(young, 60_000)
    assert reached == ["heads_too_large_together"]


async def test_one_connection_alone_has_its_room_and_none_beside_busy_ones() -> None:
    rooms = house([], head_space=100_000)
    busy, newest = Visitor(rooms, LOCAL, None), Visitor(rooms, LOCAL, 1.0)
    for visitor in (busy, newest):
        assert rooms.admit(visitor)
    rooms.keep(newest, 150_000)
    assert [newest.abandoned, busy.abandoned] == [False, False]
    rooms.keep(busy, 50_000)
    assert [newest.abandoned, busy.abandoned] == [True, False]
    late = Visitor(rooms, LOCAL, 2.0)
    assert rooms.admit(late)
    rooms.keep(late, 60_000)
    assert late.abandoned
