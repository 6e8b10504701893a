"""What only a database does: many processes, sudden ends, migrations, few statements."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from sqlalchemy import Connection, event

from dragoman.seams.clock import SYSTEM
from dragoman.state.store import Conversation, DataRefused, Item, StoredResponse, StoreFailed
from dragoman.stores.limits import DEFAULT_LIMITS
from dragoman.stores.sql import sqlite as databases
from dragoman.stores.sql.schema import RESPONSE_ITEMS, RESPONSES
from dragoman.stores.sql.sqlite import SqliteDatabase
from dragoman.stores.sql.store import SqlStore

replace = msgspec.structs.replace
WORKER = """
import asyncio, sys
from pathlib import Path
from typing import Any
from dragoman.state.store import Item, StoredResponse
from dragoman.stores.open import open_store

async def main(home, name, turns):
    store = open_store("sqlite", Path(home))
    await store.seals.open()
    print(store.seals.secret.hex(), flush=True)
    for number in range(int(turns)):
        await store.sessions.append("t", "s", f"{name}{number}".encode(), now=1e9 + number, expires=9e9)
    await store.responses.save(StoredResponse(
        id=name, tenant="t", created=1, status="completed", body=b"{}", output=(Item("o" + name, b"1"),)))
    settled = await store.responses.settle(StoredResponse(
        id="shared", tenant="t", created=1, status="completed", body=name.encode()))
    print("settled" if settled else "too late", flush=True)
    if name == "killed":
        sys.stdin.read()
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def worker(home: Path, name: str, turns: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, home, name, str(turns)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    yield store
    await store.close()


def answer(id_: str, **more: object) -> StoredResponse:
    return StoredResponse(id=id_, tenant="t", created=1.0, status="completed", body=b"{}", **more)  # type: ignore[arg-type]


async def test_processes_share_one_file(tmp_path: Path) -> None:
    """They open it at once, have one secret, and their turns one order; one alone settles an answer."""
    workers = [worker(tmp_path, name, 20) for name in ("a", "b", "c")]
    said = [process.communicate()[0].split("\n")[:2] for process in workers]
    assert [process.returncode for process in workers] == [0, 0, 0]
    assert len({secret for secret, _ in said}) == 1
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    turns = [turn.decode() for turn in await store.sessions.turns("t", "s")]
    for name in "abc":
        assert [turn for turn in turns if turn.startswith(name)] == [f"{name}{n}" for n in range(20)]
        assert await store.responses.get("t", name) is not None
    assert len(turns) == 60
    await store.close()


async def test_one_of_two_processes_settles(tmp_path: Path, store: SqlStore) -> None:
    await store.responses.save(
        StoredResponse(id="shared", tenant="t", created=1, status="in_progress", body=b"{}", lease=1.0)
    )
    workers = [worker(tmp_path, name, 0) for name in ("a", "b")]
    said = [process.communicate()[0].split("\n")[1] for process in workers]
    assert sorted(said) == ["settled", "too late"]
    settled = await store.responses.get("t", "shared")
    assert settled is not None
    assert settled.body.decode() == "ab"[said.index("settled")]


async def test_what_was_saved_survives_a_kill(tmp_path: Path) -> None:
    process = worker(tmp_path, "killed", 3)
    assert process.stdout is not None
    assert len(process.stdout.readline()) == 65
    assert process.stdout.readline() == "too late\n"  # it has saved, and waits
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    saved = await store.responses.get("t", "killed")
    assert saved is not None
    assert saved.output == (Item("okilled", b"1"),)
    assert await store.sessions.turns("t", "s") == [b"killed0", b"killed1", b"killed2"]
    await store.close()


# --- Costs ---------------------------------------------------------------------------------------


class Statements(list[str]):
    """The statements that one store runs from now on."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__()
        engine = cast("SqliteDatabase", store._database)._engine
        event.listen(engine, "before_cursor_execute", lambda *call: self.append(call[2]))

    def of(self, kind: str) -> int:
        return sum(statement.startswith(kind) for statement in self)


async def bring(store: SqlStore, turns: int, end: float) -> None:
    """A chain of answers with two items each, in one transaction: saving them singly takes its time."""
    facts = {"tenant": "t", "created": 1.0, "status": "completed", "body": b"x" * 1000, "inputs": 1}
    facts |= {"background": False, "expires": end, "used": 1.0, "size": 2000}
    rows = [{**facts, "id": f"r{n}", "previous": f"r{n - 1}" if n else None} for n in range(turns)]
    items = [
        {"response": f"r{n}", "place": place, "tenant": "t", "id": f"{n}.{place}", "body": b"x" * 300}
        for n in range(turns)
        for place in (0, 1)
    ]

    def fill(connection: Connection) -> None:
        connection.execute(RESPONSES.insert(), rows)
        connection.execute(RESPONSE_ITEMS.insert(), items)

    await store._database.write(fill)


@pytest.mark.parametrize("turns", [10, 2000])
async def test_a_long_history_takes_no_more_statements_than_a_short_one(store: SqlStore, turns: int) -> None:
    end = time.time() + 1000
    await bring(store, turns, end)
    statements = Statements(store)
    began = time.perf_counter()
    chain = await store.responses.history("t", f"r{turns - 1}", expires=end)
    read = time.perf_counter() - began
    assert chain is not None
    assert [one.id for one in chain] == [f"r{n}" for n in range(turns)]
    assert (len(statements), statements.of("WITH RECURSIVE")) == (2, 2)  # the first tells how much it is
    statements.clear()
    assert await store.responses.history("t", f"r{turns - 1}", expires=end + 1) is not None
    print(f"{turns} turns: {read:.3f} s, extended {time.perf_counter() - began - read:.3f} s")
    assert len(statements) == 3  # and one UPDATE in a transaction of its own


@pytest.mark.parametrize("count", [10, 10_000])
async def test_a_long_conversation_takes_no_more_statements_than_a_short_one(
    store: SqlStore, count: int
) -> None:
    every = [Item(f"i{n}", b"x" * 200) for n in range(count)]
    statements = Statements(store)
    began = time.perf_counter()
    await store.conversations.create(Conversation(id="c", tenant="t", created=1.0), every)
    written = time.perf_counter() - began
    assert len(statements) == 2
    statements.clear()
    assert await store.conversations.append("t", "c", [Item("last", b"1")], expires=None)
    assert len(statements) == 3
    statements.clear()
    began = time.perf_counter()
    items = await store.conversations.items("t", "c")
    print(f"{count} items: written in {written:.3f} s, read in {time.perf_counter() - began:.3f} s")
    assert items is not None
    assert (len(items), items[-1].id, len(statements)) == (
        count + 1,
        "last",
        2,
    )  # the first tells how many they are


async def test_lookups_use_an_index(store: SqlStore) -> None:
    statements = Statements(store)
    await store.responses.get("t", "r")
    await store.responses.history("t", "r", expires=None)
    await store.responses.items("t", ["i"])
    await store.responses.events("t", "r", after=0)
    await store.responses.last_event("t", "r")
    await store.responses.leases()
    await store.conversations.items("t", "c")
    await store.sessions.turns("t", "s")
    assert store.seals is not None
    await store.seals.find([b"%d" % number for number in range(300)])
    assert len(statements) == 11

    def explain(connection: Connection) -> None:
        for statement in list(statements):
            values: tuple[Any, ...] = (None,) * statement.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row["detail"] for row in plan.mappings()]
            scans = [step for step in steps if step.startswith("SCAN") and not step.startswith("SCAN anon")]
            assert scans == [], (statement, steps)

    await store._database.read(explain)


# --- Writing together ----------------------------------------------------------------------------


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each transaction is tried with."""
    sizes: list[int] = []
    transact = SqliteDatabase._transact

    def counted(database: SqliteDatabase, steps: Any) -> list[Any]:
        sizes.append(len(steps))
        return transact(database, steps)

    monkeypatch.setattr(SqliteDatabase, "_transact", counted)
    return sizes


async def test_what_waits_is_written_together(store: SqlStore, together: list[int]) -> None:
    await asyncio.gather(*[store.responses.save(answer(f"r{number}")) for number in range(100)])
    assert together == [1, 64, 35]
    for number in range(100):
        assert await store.responses.get("t", f"r{number}") is not None


async def test_a_write_that_fails_fails_alone(store: SqlStore, together: list[int]) -> None:
    saves = [store.responses.save(answer(id_)) for id_ in ("first", "a", "first", "b")]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(one) for one in outcomes] == [type(None), type(None), DataRefused, type(None)]
    assert together == [1, 3, 1, 1, 1]
    assert [await store.responses.get("t", id_) for id_ in ("a", "b")] == [answer("a"), answer("b")]


async def test_a_write_that_nobody_waits_for_any_more_is_not_begun(
    store: SqlStore, together: list[int]
) -> None:
    saves = [asyncio.ensure_future(store.responses.save(answer(id_))) for id_ in ("a", "b", "c")]
    await asyncio.sleep(0)
    saves[1].cancel()
    await asyncio.wait(saves)
    assert together == [1, 1]
    assert [await store.responses.get("t", id_) for id_ in "abc"] == [answer("a"), None, answer("c")]


async def test_a_locked_database_fails_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: list[int]
) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.05)
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    together.clear()
    saves = [store.responses.save(answer(f"r{number}")) for number in range(20)]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert {str(one) for one in outcomes} == {"the database: database is locked"}
    assert together == [1]  # the others do not wait for as long once more
    other.execute("COMMIT")
    other.close()
    await store.responses.save(answer("r"))
    await store.close()


async def test_closing_waits_for_writes_and_ends_the_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    saves = [asyncio.ensure_future(store.responses.save(answer(f"r{number}"))) for number in range(100)]
    await asyncio.sleep(0)
    await store.close()
    assert [save.exception() for save in saves if save.done()] == [None] * 100
    assert not [one for one in set(threading.enumerate()) - before if one.name.startswith("dragoman-store")]
    assert store.seals is not None
    for late in (store.responses.save(answer("r")), store.responses.get("t", "r"), store.seals.find([b"k"])):
        with pytest.raises(StoreFailed, match="closed"):
            await late


# --- Lookups -------------------------------------------------------------------------------------


async def test_many_keys_and_a_lookup_that_fails_go_to_a_thread(store: SqlStore) -> None:
    vault = store.seals
    assert vault is not None
    names = [b"%d" % number for number in range(600)]
    await vault.keep(names[:2], b"entry", owner=b"me")
    found = {names[0]: b"entry", names[1]: b"entry"}
    statements = Statements(store)
    assert await vault.find(names[:1]) == {names[0]: b"entry"}
    assert await vault.find(names[:250]) == found
    assert len(statements) == 0
    assert await vault.find(names) == found
    assert len(statements) == 1  # for 500; the last 100 are looked up at once
    lookups = cast("SqliteDatabase", store._database)._lookup_connection
    assert lookups is not None
    lookups.close()
    assert await vault.find(names[:2]) == found
    assert len(statements) == 2


# --- Sharing the file ----------------------------------------------------------------------------


async def test_another_writer_is_waited_for_and_then_given_up(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    later = asyncio.get_running_loop().call_later(0.1, other.execute, "COMMIT")
    await store.responses.save(answer("waited"))
    assert later.when() < asyncio.get_running_loop().time()
    assert await store.responses.get("t", "waited") is not None
    monkeypatch.setattr(databases, "PATIENCE", 0.05)
    impatient = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="locked") as raised:
        await impatient.responses.save(answer("given up"))
    assert raised.value.__cause__ is not None
    assert await impatient.responses.get("t", "waited") is not None  # readers wait for nobody
    other.execute("COMMIT")
    await impatient.responses.save(answer("given up"))
    await impatient.close()
    other.close()


async def test_a_write_that_is_cut_off_leaves_nothing_and_blocks_nobody(store: SqlStore) -> None:
    many = tuple(Item(f"i{n}", b"x") for n in range(2000))
    for pause in (0.0, 0.001, 0.005):
        cut = asyncio.ensure_future(store.responses.save(answer(f"cut{pause}", input=many)))
        await asyncio.sleep(pause)
        cut.cancel()
        await asyncio.wait([cut])
        found = await store.responses.get("t", f"cut{pause}")
        assert found is None or len(found.input) == 2000
    await store.responses.save(answer("next"))


async def test_nothing_of_a_save_that_fails_stays(store: SqlStore) -> None:
    await store.responses.save(answer("r", output=(Item("o", b"1"),)))
    with pytest.raises(StoreFailed, match="UNIQUE"):
        await store.responses.save(answer("r", output=(Item("p", b"2"),)))
    assert await store.responses.items("t", ["o", "p"]) == {"o": b"1"}


# --- Migrations ----------------------------------------------------------------------------------


# --- The disk ------------------------------------------------------------------------------------

BOUND = 2_000_000
"""Bytes that the log may have at any time: beyond 16 MB it is emptied, and each of two writers may have
committed 4 MB before it comes to that.
"""


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


async def test_large_writes_are_not_written_together(store: SqlStore, together: list[int]) -> None:
    """All of a transaction is in the log at once."""
    large = [answer(f"r{number}", input=(Item("i", bytes(3_000_000)),)) for number in range(4)]
    small = [answer(f"s{number}") for number in range(4)]
    await asyncio.gather(*[store.responses.save(one) for one in (*large, *small)])
    assert together == [1, 1, 1, 5]
