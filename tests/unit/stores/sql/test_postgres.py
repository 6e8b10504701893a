"""What only a server does: it restarts, dies, freezes, rolls back, and serves several processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from sqlalchemy import Connection, text

from dragoman.seams.clock import SYSTEM
from dragoman.state.store import DataRefused, Item, StoredResponse, StoreFailed
from dragoman.stores.address import PostgresUrl
from dragoman.stores.limits import DEFAULT_LIMITS
from dragoman.stores.sql.postgres import STATE, PostgresDatabase
from dragoman.stores.sql.store import SqlStore
from tests.postgres import PostgresServer
from tests.unit.stores.conftest import ask, located
from tests.unit.stores.test_usage import record, usage_of

WORKER = """
import asyncio, sys
from pathlib import Path
from dragoman.state.store import Item, StoredResponse
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store

async def main(url, name, turns):
    store = open_store(url, Path("unused"), Limits(session_count=7))
    await store.seals.open()
    print(store.seals.secret.hex(), flush=True)
    async def one(number):
        await store.sessions.append("t", "s", f"{name}{number}".encode(), now=2e9 + number, expires=9e9)
        await store.sessions.append("t", f"{name}{number}", b"1", now=1e9 + number, expires=9e9)
        await store.responses.save(StoredResponse(
            id=f"{name}{number}", tenant="t", created=1, status="completed", body=b"{}",
            output=(Item("o", b"1"),)))
    await asyncio.gather(*[one(number) for number in range(int(turns))])
    settled = await store.responses.settle(StoredResponse(
        id="shared", tenant="t", created=1, status="completed", body=name.encode()))
    print("settled" if settled else "too late", flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def place(postgres: PostgresServer) -> Iterator[PostgresUrl]:
    with postgres.database() as url:
        yield located(url)


@pytest.fixture
async def store(place: PostgresUrl) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)
    yield store
    await store.close()


@pytest.fixture
async def database(place: PostgresUrl) -> AsyncIterator[PostgresDatabase]:
    """One that has little patience."""
    database = PostgresDatabase(place, STATE, patience=1.5, statement=0.5)
    yield database
    await database.close()


def answer(id_: str, **more: Any) -> StoredResponse:
    return StoredResponse(id=id_, tenant="t", created=1.0, status="completed", body=b"{}", **more)


def one(connection: Connection) -> Any:
    return connection.execute(text("SELECT 1")).scalar()


async def test_processes_share_one_database(place: PostgresUrl, store: SqlStore) -> None:
    """They have one secret, their turns one order, and one alone settles an answer; limits hold for all."""
    await store.responses.save(
        StoredResponse(id="shared", tenant="t", created=1, status="in_progress", body=b"{}", lease=1.0)
    )
    command = [sys.executable, "-c", WORKER, place.uri.reveal()]
    pipe = asyncio.subprocess.PIPE
    workers = [await asyncio.create_subprocess_exec(*command, name, "40", stdout=pipe) for name in "abc"]
    said = [(await process.communicate())[0].decode().split("\n") for process in workers]
    assert [process.returncode for process in workers] == [0, 0, 0]
    assert len({lines[0] for lines in said}) == 1
    assert sorted(lines[1] for lines in said) == ["settled", "too late", "too late"]
    turns = [turn.decode() for turn in await store.sessions.turns("t", "s")]
    assert sorted(turns) == sorted(f"{name}{number}" for name in "abc" for number in range(40))
    places = [row[0] for row in ask(place, "SELECT place FROM session_turns WHERE id = 's' ORDER BY place")]
    assert places == list(range(120))
    assert await store.sessions.count() == 7
    kept = ask(place, "SELECT size, entries FROM shares WHERE kind = 'responses'")
    assert kept == ask(place, "SELECT sum(size), count(*) FROM responses")
    assert kept[0][1] == 121


async def test_a_restart_between_two_steps_is_not_noticed(postgres: PostgresServer, store: SqlStore) -> None:
    await store.responses.save(answer("before"))
    assert await store.responses.get("t", "before") is not None
    await asyncio.to_thread(postgres.pg_ctl, "-m", "fast", "restart")
    await store.responses.save(answer("after"))
    assert await store.responses.get("t", "before") == answer("before")
    assert await store.responses.get("t", "after") == answer("after")


async def test_a_server_that_was_killed_fails_steps_until_it_is_back(
    postgres: PostgresServer, store: SqlStore
) -> None:
    await store.responses.save(answer("before"))
    postgres.kill()
    began = time.monotonic()
    for step in (store.responses.save(answer("lost")), store.responses.get("t", "before")):
        with pytest.raises(StoreFailed, match=r"^the database: ") as raised:
            await step
        assert str(postgres.socket) not in str(raised.value)
    assert time.monotonic() - began < 60
    await asyncio.to_thread(postgres.pg_ctl, "start")
    assert await store.responses.get("t", "before") == answer("before")
    assert await store.responses.get("t", "lost") is None
    await store.responses.save(answer("after"))


async def test_a_frozen_server_fails_steps_in_time(
    postgres: PostgresServer, database: PostgresDatabase
) -> None:
    """It neither answers nor closes connections, as behind a network that is cut."""
    assert await database.read(one) == await database.write(one) == 1
    postgres.signal(signal.SIGSTOP)
    try:
        steps = [*[database.write(one) for _ in range(5)], *[database.read(one) for _ in range(5)]]
        async with asyncio.timeout(60):
            failed = await asyncio.gather(*steps, return_exceptions=True)
    finally:
        postgres.signal(signal.SIGCONT)
    assert all(isinstance(error, StoreFailed) for error in failed)
    late, unconnected = "the database does not answer in time", "the database: connection timeout expired"
    assert {str(error) for error in failed} <= {late, unconnected}
    assert sum(str(error) == late for error in failed) >= 6  # one reading thread had no connection yet
    async with asyncio.timeout(60):
        while True:
            try:
                assert await database.read(one) == await database.write(one) == 1
            except StoreFailed:
                continue
            return


async def test_a_lock_that_somebody_holds_fails_the_waiting_steps_together(
    place: PostgresUrl, database: PostgresDatabase
) -> None:
    async def write() -> float:
        began = time.monotonic()
        with pytest.raises(StoreFailed, match="timeout"):
            await database.write(one)
        return time.monotonic() - began

    with psycopg.connect(place.uri.reveal()) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({STATE})")
        took = await asyncio.gather(*[write() for _ in range(200)])  # more than one transaction holds
        assert await database.read(one) == 1
    assert max(took) < 30
    assert await database.write(one) == 1


async def test_what_the_server_rolled_back_because_of_others_is_tried_again(
    place: PostgresUrl, store: SqlStore
) -> None:
    ask(
        place,
        "CREATE SEQUENCE tries",
        """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') < 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END IF;
            RETURN NEW;
        END $$
        """,
        "CREATE TRIGGER fail BEFORE INSERT ON responses FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    await store.responses.save(answer("r", output=(Item("i", b"1"),)))
    assert await store.responses.get("t", "r") == answer("r", output=(Item("i", b"1"),))
    assert ask(place, "SELECT last_value FROM tries") == [(3,)]


async def test_a_full_disk_fails_steps_and_one_bad_step_only_itself(
    place: PostgresUrl, store: SqlStore
) -> None:
    ask(
        place,
        """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END $$
        """,
        "CREATE TRIGGER fail BEFORE INSERT ON responses FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    saved = await asyncio.gather(
        *[store.responses.save(answer(f"r{n}")) for n in range(100)], return_exceptions=True
    )
    assert {str(error) for error in saved} == {"the database: could not extend file: No space left on device"}
    ask(place, "DROP TRIGGER fail ON responses")
    done = await asyncio.gather(
        *[store.responses.save(answer(f"r{n % 99}")) for n in range(100)], return_exceptions=True
    )
    assert [type(error) for error in done if error is not None] == [DataRefused]  # one id was there twice
    assert ask(place, "SELECT count(*) FROM responses") == [(99,)]


async def test_a_full_disk_is_no_fault_of_the_usage_but_a_number_out_of_range_is(
    place: PostgresUrl, store: SqlStore
) -> None:
    with pytest.raises(DataRefused, match="out of range"):
        await usage_of(store).keep([record(1), record(2, cost=2**70)])
    ask(
        place,
        """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';
        END $$
        """,
        "CREATE TRIGGER fail BEFORE INSERT ON usage_records FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    with pytest.raises(StoreFailed, match="No space left") as full:
        await usage_of(store).keep([record(1)])
    assert not isinstance(full.value, DataRefused)
    ask(place, "DROP TRIGGER fail ON usage_records")
    assert await usage_of(store).keep([record(1)]) == 1


async def test_a_lost_connection_during_the_commit_is_a_failure_and_nothing_runs_again(
    place: PostgresUrl, database: PostgresDatabase
) -> None:
    """Nobody knows then whether the transaction was committed."""
    ran = []

    def step(connection: Connection) -> None:
        ran.append(connection.execute(text("SELECT pg_backend_pid()")).scalar())
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    assert await database.write(one) == 1
    with pytest.raises(StoreFailed):
        await database.write(step)
    assert len(ran) == 1
    assert await database.write(one) == 1


async def test_a_cancelled_caller_leaves_no_half_step(database: PostgresDatabase, place: PostgresUrl) -> None:
    def slow(connection: Connection) -> None:
        connection.execute(text("INSERT INTO secrets (name, value) VALUES ('slow', '')"))
        connection.execute(text("SELECT pg_sleep(0.2)"))

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.sleep(0.05)
    writing.cancel()
    await database.write(one)
    assert ask(place, "SELECT name FROM secrets") == [("slow",)]


async def test_no_connection_is_made_before_the_first_step(place: PostgresUrl) -> None:
    database = PostgresDatabase(place, STATE)
    unknown: Any = database.version
    assert unknown is None
    assert await database.read(one) == 1
    version: str | None = database.version
    assert version is not None
    assert version.split(".")[0].isdigit()
    await database.close()
    with pytest.raises(StoreFailed, match="closed"):
        await database.read(one)


async def test_what_another_transaction_fills_meanwhile_is_not_swept(
    store: SqlStore, place: PostgresUrl
) -> None:
    await store.sessions.append("t", "s", b"1", now=time.time(), expires=9e9)
    async with await psycopg.AsyncConnection.connect(place.uri.reveal()) as other:
        await other.execute("UPDATE shares SET entries = 0")
        await other.commit()
        await other.execute("UPDATE shares SET entries = 1")
        sweeping = asyncio.create_task(store.sweep(time.time()))
        await asyncio.sleep(0.5)
        await other.commit()
        await sweeping
        rows = await (await other.execute("SELECT entries FROM shares")).fetchall()
    assert rows == [(1,)]
