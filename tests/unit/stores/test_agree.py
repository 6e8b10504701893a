"""The store in memory and the one in a database answer alike, whatever is asked of them in whatever order."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import Conversation, Item, Status, Store, StoredResponse, StoreFailed
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.memory import MemoryStore
from dragoman.stores.sql.store import SqlStore
from tests.unit.stores.conftest import NOW, Clock

LIMITS = Limits(session_count=4, session_size=8)
STATUSES: tuple[Status, ...] = ("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")


class Chooser:
    """Makes the steps of one run: few names, so that they meet."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._random = random.Random(seed)
        self._clock = clock
        self._events = 0

    def one_of(self, *values: Any) -> Any:
        return self._random.choice(values)

    def items(self, most: int = 3) -> tuple[Item, ...]:
        names = self._random.sample("abcdef", self._random.randint(0, most))
        return tuple(Item(name, name.encode() * 3) for name in names)

    def tenant(self) -> str:
        return self.one_of("t", "t", "t", "u")

    def until(self) -> float | None:
        return self.one_of(None, self._clock.now + 5, self._clock.now + 20)

    def response(self) -> StoredResponse:
        given = self.items(6)
        cut = self._random.randint(0, len(given))
        return StoredResponse(
            id=self.one_of(*"123456"),
            tenant=self.tenant(),
            created=self._clock.now,
            status=self.one_of(*STATUSES),
            body=self.one_of(b"x", b"y"),
            input=given[:cut],
            output=given[cut:],
            previous=None,
            deployment=self.one_of(None, "p/m"),
            expires=self.until(),
            lease=self.one_of(None, self._clock.now + 3),
        )

    def step(self) -> tuple[str, Callable[[Store], Awaitable[Any]]]:
        """A method's name, and a call of it that is the same for every store."""
        t, id_, session, now = self.tenant(), self.one_of(*"123456"), self.one_of(*"pqrsvw"), self._clock.now
        response, items, until = self.response(), self.items(), self.until()
        continued = self.one_of(*"123456")
        linked = StoredResponse(
            id=f"{continued}+{self._random.random()}",
            tenant=t,
            created=now,
            status="completed",
            body=b"",
            previous=continued,
        )
        name, turn, end = self.one_of(*"abcdef"), bytes(self._random.randint(1, 8)), now + self.one_of(3, 30)
        self._events += 2
        first = self._events
        conversation = Conversation(id=id_, tenant=t, created=now, expires=until)

        async def continues(store: Store) -> Any:
            await store.responses.save(linked)
            return await store.responses.history(linked.tenant, linked.id, expires=until)

        steps: tuple[tuple[str, Callable[[Store], Awaitable[Any]]], ...] = (
            ("save", lambda store: store.responses.save(response)),
            ("settle", lambda store: store.responses.settle(response)),
            ("settle if", lambda store: store.responses.settle(response, lease=now + 9)),
            ("get", lambda store: store.responses.get(t, id_)),
            ("continue", continues),
            ("history", lambda store: store.responses.history(t, id_, expires=until)),
            ("items", lambda store: store.responses.items(t, "abcdef")),
            ("delete", lambda store: store.responses.delete(t, id_)),
            ("events+", lambda store: store.responses.append(id_, first, [b"1", b"2"])),
            ("events", lambda store: store.responses.events(t, id_, after=first // 2, limit=3)),
            ("last event", lambda store: store.responses.last_event(t, id_)),
            ("renew", lambda store: store.responses.renew("1234567", now + 9)),
            ("leases", lambda store: store.responses.leases()),
            ("talk", lambda store: store.conversations.create(conversation, items)),
            ("talk?", lambda store: store.conversations.get(t, id_)),
            ("talk=", lambda store: store.conversations.update(t, id_, turn)),
            ("talk-", lambda store: store.conversations.delete(t, id_)),
            ("talk+", lambda store: store.conversations.append(t, id_, items, expires=until)),
            ("talk items", lambda store: store.conversations.items(t, id_)),
            ("talk item-", lambda store: store.conversations.remove(t, id_, name)),
            ("turn", lambda store: store.sessions.append(t, session, turn, now=now, expires=end)),
            ("turns", lambda store: store.sessions.turns(t, session)),
            ("sessions", lambda store: store.sessions.listed(self_or_all)),
            ("session-", lambda store: store.sessions.delete(session, self_or_all)),
            ("count", lambda store: store.sessions.count()),
            ("sweep", lambda store: store.sweep(now)),
        )
        self_or_all = self.one_of(t, None)
        return self._random.choice(steps)


def plain(value: Any) -> Any:
    """What is told, without the kind of collection that tells it."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return sorted(value) if isinstance(value, set) else value


@pytest.fixture
async def stores(place: Location, clock: Clock) -> AsyncIterator[tuple[Store, Store]]:
    seams = Seams(clock, clock, SYSTEM.random_id, SYSTEM.uniform)
    sql = await SqlStore.open(place, LIMITS, seams)
    yield MemoryStore(LIMITS, seams), sql
    await sql.close()


@pytest.mark.parametrize("seed", range(6))
async def test_they_agree(stores: tuple[Store, Store], clock: Clock, seed: int) -> None:
    chooser = Chooser(seed, clock)
    told: set[str] = set()
    for number in range(250):
        clock.now += chooser.one_of(0.001, 0.5, 2)
        name, call = chooser.step()
        said: list[Any] = []
        for store in stores:
            try:
                said.append(plain(await call(store)))
            except StoreFailed as failed:
                said.append(type(failed))
        if name == "leases":
            said = [sorted(one, key=lambda lease: str(lease.id)) for one in said]
        assert said[0] == said[1], (seed, number, name)
        if said[0] not in (None, False, 0, [], {}):
            told.add(name)
    assert len(told) >= 8  # it met something, again and again
    assert clock.now > NOW + 100
