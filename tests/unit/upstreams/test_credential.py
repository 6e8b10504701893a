"""Credentials that change: one refresh for all, the old one as long as it is valid, and then a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.errors import RequestFailed
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Lease, NotRenewed, Refreshing, State


class Source:
    """Gives leases when it is told to, and counts how often it was asked."""

    def __init__(self, *, expires: float | None = 100.0, every: float | None = None) -> None:
        self.seconds = 0.0
        self.asked = 0
        self.told: list[str] = []
        self.next: list[Lease | str | None] = []
        self.open = asyncio.Event()
        first = Lease(Secret("the-first-secret"), expires)
        self.credential = Refreshing(
            "up[0]", "up", first, self.fetch, lambda: self.seconds, early=10.0, every=every
        )
        self.credential.follow("told", self.heard)

    def heard(self, lease: Lease) -> None:
        assert lease.secret is not None
        self.told.append(lease.secret.tail)

    async def fetch(self, lease: Lease) -> Lease:
        self.asked += 1
        await self.open.wait()
        given = self.next.pop(0) if self.next else None
        if isinstance(given, str):
            raise NotRenewed(given)
        return given or lease

    async def current(self) -> str:
        lease = await self.credential.current()
        assert lease.secret is not None
        return lease.secret.tail


def lease(tail: str, expires: float | None = None) -> Lease:
    return Lease(Secret(f"another-secret-{tail}"), expires)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_twenty_requests_after_the_end_cause_one_refresh() -> None:
    source = Source()
    source.seconds = 100.0
    source.next = [lease("2222", 200.0)]
    requests = [asyncio.ensure_future(source.current()) for _ in range(20)]
    await settled()
    assert not any(request.done() for request in requests)
    source.open.set()
    assert await asyncio.gather(*requests) == ["2222"] * 20
    assert (source.asked, source.told) == (1, ["2222"])


async def test_before_the_end_requests_do_not_wait_for_the_refresh() -> None:
    source = Source()
    source.next = [lease("2222", 200.0)]
    source.seconds = 89.0
    assert (await source.current(), source.asked) == ("cret", 0)
    source.seconds = 90.0
    assert [await source.current() for _ in range(20)] == ["cret"] * 20
    await settled()
    assert source.asked == 1
    source.open.set()
    await settled()
    assert await source.current() == "2222"


async def test_one_that_fails_serves_until_its_end_and_then_names_the_provider() -> None:
    source = Source()
    source.open.set()
    source.next = ["the token service says no", "still no", "and no"]
    source.seconds = 95.0
    assert await source.current() == "cret"
    await settled()
    assert source.credential.state == State("up[0]", "cret", 100.0, "the token service says no")
    assert await source.current() == "cret"
    await settled()
    assert source.asked == 1, "not again within a second"
    source.seconds = 100.0
    with pytest.raises(RequestFailed) as failed:
        await source.current()
    fault = failed.value.fault
    assert (fault.kind, fault.code, fault.blame) == ("upstream", "credential_expired", "gateway")
    assert "'up'" in fault.message
    assert "still no" in fault.message
    assert source.asked == 2
    with pytest.raises(RequestFailed):
        await source.current()
    assert source.asked == 2, "nobody asks in vain again within a second"
    source.seconds = 101.5
    source.next = [lease("2222", 300.0)]
    assert await source.current() == "2222"
    assert source.credential.state == State("up[0]", "2222", 300.0, None)


async def test_who_stops_waiting_does_not_stop_the_refresh() -> None:
    source = Source()
    source.seconds = 100.0
    source.next = [lease("2222", 200.0)]
    one, other = (asyncio.ensure_future(source.current()) for _ in range(2))
    await settled()
    one.cancel()
    await settled()
    source.open.set()
    assert await other == "2222"
    assert source.asked == 1


async def test_a_refused_one_is_looked_for_once() -> None:
    source = Source(expires=None)
    source.open.set()
    first = source.credential.lease
    source.next = [lease("2222")]
    assert await asyncio.gather(*(source.credential.refused(first) for _ in range(20))) == [True] * 20
    assert source.asked == 1
    assert await source.credential.refused(first), "somebody else has found it"
    assert source.asked == 1
    assert not await source.credential.refused(source.credential.lease)
    assert (source.asked, source.told) == (2, ["2222"])


async def test_a_look_that_began_before_the_refusal_is_not_enough() -> None:
    source = Source(expires=None, every=5.0)
    source.seconds = 5.0
    first = await source.credential.current()
    await settled()
    assert source.asked == 1, "it looks, and finds the old one"
    source.next = [None, lease("2222")]
    refused = [asyncio.ensure_future(source.credential.refused(first)) for _ in range(20)]
    await settled()
    source.open.set()
    assert await asyncio.gather(*refused) == [True] * 20
    assert (source.asked, source.told) == (2, ["2222"])


async def test_what_does_not_expire_is_looked_at_now_and_then() -> None:
    source = Source(expires=None, every=5.0)
    source.open.set()
    seen: list[int] = []
    for seconds in (1.0, 5.0, 6.0, 9.9, 10.0):
        source.seconds = seconds
        await source.current()
        await settled()
        seen.append(source.asked)
    assert seen == [0, 1, 1, 1, 2]


async def test_without_a_time_it_is_never_looked_at() -> None:
    source = Source(expires=None)
    source.seconds = 1e9
    assert await source.current() == "cret"
    await settled()
    assert source.asked == 0


async def test_a_later_follower_replaces_the_one_of_its_name() -> None:
    source = Source(expires=None)
    source.open.set()
    noted: list[Any] = []
    note: Callable[[Lease], None] = noted.append
    source.credential.follow("told", note)
    source.next = [found := lease("2222")]
    await source.credential.refused(source.credential.lease)
    assert (noted, source.told) == ([found], [])


async def test_who_has_left_is_told_nothing() -> None:
    source = Source()
    source.open.set()
    source.next = [lease("new-1"), lease("new-2")]
    assert await source.credential.refused(source.credential.lease)
    source.credential.leave()
    assert await source.credential.refused(source.credential.lease)
    assert len(source.told) == 1
    assert source.credential.state.tail == lease("new-2").secret.tail  # type: ignore[union-attr]
