"""Which steps go into one transaction, and who gets which error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from sqlalchemy import Connection

from dragoman.stores.sql import batches
from dragoman.stores.sql.batches import Batches, Outcome, Step


class Database:
    """Runs steps when a test says so. runs: the number of steps of each transaction."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.error: Exception | None = None
        self._steps: Sequence[Step] = ()
        self._future: asyncio.Future[list[Outcome]] | None = None

    def run(self, steps: Sequence[Step]) -> asyncio.Future[list[Outcome]]:
        self.runs.append(len(steps))
        self._steps, self._future = steps, asyncio.get_running_loop().create_future()
        return self._future

    async def commit(self) -> None:
        """End the running transaction: with the results of its steps, or with `error` for all of them."""
        assert self._future is not None
        none = cast("Connection", None)
        error = self.error
        self._future.set_result([Outcome(None if error else step(none), error) for step in self._steps])
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def queue(database: Database) -> Batches:
    return Batches(database.run, lambda error: isinstance(error, OSError))


async def start(queue: Batches, count: int, size: int = 1) -> list[asyncio.Task[Any]]:
    def step(number: int) -> Step:
        return lambda _: number

    tasks = [asyncio.create_task(queue.write(step(number), size)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_what_arrives_meanwhile_goes_together(
    database: Database, queue: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_STEPS", 3)
    tasks = await start(queue, 6)
    assert database.runs == [1]
    for _ in range(3):
        await database.commit()
    assert database.runs == [1, 3, 2]
    assert [await task for task in tasks] == list(range(6))


async def test_a_transaction_has_only_so_many_bytes(
    database: Database, queue: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_BYTES", 10)
    tasks = [*await start(queue, 1), *await start(queue, 3, 4), *await start(queue, 1, 99)]
    for _ in range(4):
        await database.commit()
    assert database.runs == [1, 2, 1, 1]
    await asyncio.gather(*tasks)


async def test_a_hopeless_error_ends_those_who_wait_another_only_its_own(
    database: Database, queue: Batches
) -> None:
    for error, runs in ((ValueError("mine"), [1, 4]), (OSError("all"), [1])):
        database.runs.clear()
        database.error = error
        tasks = await start(queue, 5)
        await database.commit()
        assert database.runs == runs
        if len(runs) > 1:
            database.error = None
            await database.commit()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended == ([error, 1, 2, 3, 4] if len(runs) > 1 else [error] * 5)


async def test_who_was_cancelled_before_the_transaction_is_left_out(
    database: Database, queue: Batches
) -> None:
    tasks = await start(queue, 3)
    tasks[0].cancel()  # its transaction runs already
    tasks[1].cancel()
    await database.commit()
    assert database.runs == [1, 1]
    await database.commit()
    assert await tasks[2] == 2
    await queue.finish()
