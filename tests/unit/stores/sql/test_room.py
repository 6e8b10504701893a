"""Space on the disk: what is written stays below the bound, and is shared by all tenants."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from alembic import command
from sqlalchemy import create_engine

from dragoman.seams.clock import SYSTEM
from dragoman.state.store import Conversation, Item, StoredResponse
from dragoman.stores.address import Location, PostgresUrl
from dragoman.stores.limits import DEFAULT_LIMITS, Limits
from dragoman.stores.sql import room
from dragoman.stores.sql.migrate import configuration
from dragoman.stores.sql.schema import RESPONSES
from dragoman.stores.sql.store import SqlStore
from tests.unit.stores.conftest import ask

replace = msgspec.structs.replace


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    yield store
    await store.close()


def answer(id_: str, **more: object) -> StoredResponse:
    return StoredResponse(id=id_, tenant="t", created=1.0, status="completed", body=b"{}", **more)  # type: ignore[arg-type]


BOUND = 2_000_000


LOG = 28_000_000


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("state.db*"))


async def fill(stores: Sequence[SqlStore], folder: Path, times: int) -> int:
    """Write so many times the bound through several connections, while somebody reads; the most on disk."""
    body, peak, done = os.urandom(20_000), 0, asyncio.Event()

    async def read(store: SqlStore) -> None:
        while not done.is_set():
            await store.responses.history("t0", "none", expires=None)

    async def write(store: SqlStore, number: int) -> None:
        nonlocal peak
        kept, talks = store.responses, store.conversations
        for count in range(times * BOUND // (len(stores) * 4 * 8 * 20_000)):
            name, tenant = f"{number}-{count}", f"t{number % 3}"
            running = {"status": "in_progress", "background": True, "lease": 1.0}
            given = StoredResponse(id=name, tenant=tenant, created=1.0, body=b"{}", **running)  # type: ignore[arg-type]
            await kept.save(replace(given, input=(Item(f"i{name}", body),)))
            await kept.append(name, 0, [body, body])
            await kept.settle(
                replace(given, status="completed", lease=None, output=(Item(f"o{name}", body),))
            )
            await talks.create(Conversation(id=name, tenant=tenant, created=1.0), [Item("a", body)])
            await talks.append(tenant, name, [Item("b", body)], expires=None)
            await store.sessions.append(tenant, name, body, now=float(count), expires=9e9)
            assert store.seals is not None
            await store.seals.keep([name.encode()], body, owner=tenant.encode())
            peak = max(peak, on_disk(folder))

    readers = [asyncio.ensure_future(read(store)) for store in stores]
    await asyncio.gather(*[write(stores[number % len(stores)], number) for number in range(4 * len(stores))])
    done.set()
    await asyncio.gather(*readers)
    return peak


async def test_the_bound_holds_on_disk(tmp_path: Path) -> None:
    """25 times as much is written, by two processes' worth of connections; then all of it leaves."""
    limits = Limits(size=BOUND, seals_size=BOUND)
    stores = [await SqlStore.open(tmp_path / "state.db", limits, SYSTEM) for _ in range(2)]
    peak = await fill(stores, tmp_path, 25)
    print(f"at most {peak / 1e6:.1f} MB, then {on_disk(tmp_path) / 1e6:.1f} MB")
    both = 2 * BOUND  # what is kept, and seals
    assert peak < 2 * both + LOG
    assert (tmp_path / "state.db").stat().st_size < 2 * both + 2_000_000
    await stores[0].sweep(time.time())
    assert on_disk(tmp_path) < 2 * both + 2_000_000
    await asyncio.gather(*[store.sweep(time.time() + 9e9) for store in stores])
    for kind in (stores[0].responses, stores[0].conversations):
        drop = [kind.delete(f"t{n % 3}", f"{n}-{count}") for n in range(8) for count in range(80)]
        await asyncio.gather(*drop)
    await stores[0].sweep(time.time() + 9e9)
    print(f"empty: {on_disk(tmp_path) / 1e6:.1f} MB")
    assert on_disk(tmp_path) < 3_000_000
    await asyncio.gather(*[store.close() for store in stores])


async def test_what_is_not_written_takes_no_room(place: Location) -> None:
    """A response that is settled already, or was never there, and a conversation that is gone."""
    store = await SqlStore.open(place, Limits(size=20_000), SYSTEM)
    body, done = b"b" * 15_000, answer("done")
    await store.responses.save(replace(answer("other"), tenant="u", body=b"b" * 8_000))
    await store.responses.save(done)
    for late in (done, answer("never")):
        assert not await store.responses.settle(replace(late, body=body))
    assert not await store.conversations.update("t", "never", body)
    assert not await store.conversations.append("t", "never", [Item("a", body)], expires=None)
    assert await store.responses.get("u", "other") is not None
    assert await store.responses.get("t", "done") == done
    await store.close()


async def test_shares_are_what_the_rows_say(place: Location, tmp_path: Path) -> None:
    """Whatever was written, replaced, evicted or deleted, also by a version that knows nothing of them."""
    limits = Limits(size=BOUND, seals_size=BOUND // 8, session_count=5, session_size=30_000)
    stores = [await SqlStore.open(place, limits, SYSTEM) for _ in range(2)]
    await fill(stores, tmp_path, 3)
    ask(
        place,
        "DELETE FROM responses WHERE id IN (SELECT id FROM responses LIMIT 1)",
        "UPDATE conversations SET size = size + 5",
        "DELETE FROM seals WHERE number IN (SELECT number FROM seals LIMIT 1)",
    )
    named = "upper(encode(owner, 'hex'))" if isinstance(place, PostgresUrl) else "hex(owner)"
    for kind, owner, size in (
        ("responses", "tenant", "size"),
        ("conversations", "tenant", "size"),
        ("sessions", "tenant", "size + 400 * (turns + 1)"),
        ("seals", named, "size"),
    ):
        rows = f"SELECT {owner}, sum({size}), count(*) FROM {kind} GROUP BY 1 ORDER BY 1"
        shares = f"SELECT owner, size, entries FROM shares WHERE kind = '{kind}' AND entries > 0 ORDER BY 1"
        assert ask(place, shares) == ask(place, rows) != []
    kept = "SELECT sum(size) FROM shares WHERE kind IN ('responses', 'conversations', 'sessions')"
    assert ask(place, kept)[0][0] <= BOUND
    for store in stores:
        await store.close()


async def test_a_file_from_before_learns_to_give_back_space(tmp_path: Path) -> None:
    """It is written anew once it is mostly empty, while others have it open."""
    file = tmp_path / "state.db"
    old = sqlite3.connect(file, isolation_level=None)
    old.execute("PRAGMA journal_mode=WAL")
    old.execute("CREATE TABLE was_here (id INTEGER)")
    stores = [await SqlStore.open(file, DEFAULT_LIMITS, SYSTEM) for _ in range(2)]
    for number in range(60):
        await stores[0].responses.save(answer(f"r{number}", input=(Item("i", bytes(100_000)),)))
    for number in range(55):
        await stores[1].responses.delete("t", f"r{number}")
    before = file.stat().st_size
    await asyncio.gather(*[store.sweep(time.time()) for store in stores])
    assert before > 6_000_000
    assert file.stat().st_size < 1_000_000
    old.execute("PRAGMA page_count").fetchone()
    assert old.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert await stores[1].responses.get("t", "r59") is not None
    for number in range(60):
        await stores[1].responses.save(answer(f"s{number}", input=(Item("i", bytes(100_000)),)))
    for number in range(60):
        await stores[1].responses.delete("t", f"s{number}")
    await stores[0].sweep(time.time())
    assert file.stat().st_size < 3_000_000
    old.close()
    await asyncio.gather(*[store.close() for store in stores])


async def test_what_was_there_before_the_shares_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0001")
        facts = {"tenant": "t", "created": 1.0, "status": "completed", "body": b"", "inputs": 0}
        facts |= {"background": False, "size": 2000}
        rows = [{**facts, "id": f"r{number}", "used": float(number)} for number in range(100)]
        connection.execute(RESPONSES.insert(), rows)
    engine.dispose()
    store = await SqlStore.open(file, Limits(size=100_000), SYSTEM)
    await store.responses.save(answer("new"))
    there = [number for number in range(100) if await store.responses.get("t", f"r{number}")]
    assert 45 <= len(there) < 50
    assert there == list(range(100 - len(there), 100))
    await store.close()


async def test_a_lowered_bound_is_reached_by_sweeps_not_by_one_write(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_ONCE", 20_000)
    store = await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)
    for number in range(20):
        await store.responses.save(answer(f"r{number}", input=(Item("i", bytes(9000)),)))
    await store.close()
    store = await SqlStore.open(place, Limits(size=30_000), SYSTEM)
    await store.responses.save(answer("new"))
    there = [number for number in range(20) if await store.responses.get("t", f"r{number}")]
    assert there == list(range(3, 20))
    await store.sweep(time.time())
    there = [number for number in range(20) if await store.responses.get("t", f"r{number}")]
    assert there == [17, 18, 19]
    await store.close()
