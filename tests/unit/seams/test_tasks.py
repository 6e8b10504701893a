"""Tasks in the background: they are held until they end, and their failures are logged."""

from __future__ import annotations

import asyncio
import gc

import pytest

from dragoman.seams.tasks import spawn


async def test_a_task_without_another_reference_runs_to_its_end() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        gc.collect()
        ended.set()

    spawn(work(), "work")
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_failure_is_logged_with_the_tasks_name(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    await asyncio.wait([spawn(fail(), "the sweep")])
    (record,) = caplog.records
    assert record.getMessage() == "task the sweep failed"
    assert record.exc_info is not None


async def test_a_cancelled_task_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    task = spawn(asyncio.sleep(60), "sleep")
    task.cancel()
    await asyncio.wait([task])
    assert not caplog.records
