"""One start for all who need it, whatever becomes of each of them."""

from __future__ import annotations

import asyncio
import contextvars
import logging

import pytest

from dragoman.assembly.starting import Starting

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class Work:
    """A start that a test lets end."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.go = asyncio.Event()
        self.runs = 0
        self.whose: list[str] = []
        self.undone = 0
        self.starting = Starting(self.run)

    async def run(self) -> None:
        self.runs += 1
        self.whose.append(WHO.get())
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.undone += 1
            raise
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error

    async def waiters(self, count: int) -> list[asyncio.Task[None]]:
        tasks = [asyncio.get_running_loop().create_task(self.starting.run()) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


async def test_all_wait_for_one_start() -> None:
    work = Work()
    tasks = await work.waiters(3)
    assert (work.runs, work.starting.running, [task.done() for task in tasks]) == (1, True, [False] * 3)
    work.go.set()
    await asyncio.gather(*tasks)
    assert (work.runs, work.starting.running) == (1, False)


async def test_all_get_its_failure_and_the_next_one_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("no certificate")
    work = Work(error, None)
    tasks = await work.waiters(3)
    work.go.set()
    with caplog.at_level(logging.ERROR, "dragoman"):
        assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * 3
        await work.starting.run()
    assert (work.runs, caplog.text) == (2, "")


async def test_whoever_leaves_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    first, second = await work.waiters(2)
    first.cancel()
    await asyncio.wait([first])
    work.go.set()
    await second
    assert (work.runs, work.undone) == (1, 0)


async def test_a_failure_for_which_nobody_waits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(ValueError("no certificate"))
    (only,) = await work.waiters(1)
    only.cancel()
    await asyncio.wait([only])
    work.go.set()
    with caplog.at_level(logging.ERROR, "dragoman"):
        while work.starting.running:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    assert "no certificate" in caplog.text


async def test_a_stop_ends_it_for_all() -> None:
    work = Work()
    tasks = await work.waiters(2)
    await work.starting.stop()
    assert work.undone == 1
    assert await asyncio.gather(*tasks) == [None, None]
    await work.starting.stop()


async def test_nothing_of_the_first_request_is_in_it() -> None:
    work = Work()
    work.go.set()
    token = WHO.set("the first request")
    await work.starting.run()
    WHO.reset(token)
    assert work.whose == ["nobody"]
