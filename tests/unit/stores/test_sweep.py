"""Sweeping goes on whatever happens, and ends when it is told to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from dragoman.seams.clock import Seams
from dragoman.state.store import StoreFailed
from dragoman.stores import sweep
from dragoman.stores.memory import MemoryStore


class Failing(MemoryStore):
    """Fails at first, then works once, and fails in other ways."""

    def __init__(self) -> None:
        super().__init__()
        self.swept: list[float] = []
        self._ends = iter(
            [StoreFailed("lost"), StoreFailed("lost"), None, ValueError("odd"), StoreFailed("lost")]
        )

    async def sweep(self, now: float) -> None:
        self.swept.append(now)
        if (end := next(self._ends)) is not None:
            raise end


async def test_a_store_is_swept_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            raise asyncio.CancelledError

    monkeypatch.setattr(sweep.asyncio, "sleep", pause)  # type: ignore[attr-defined]
    store = Failing()
    with caplog.at_level(logging.WARNING, "dragoman.stores"), pytest.raises(asyncio.CancelledError):
        await sweep.keep_swept(
            store, Seams(now=lambda: 7.0, uniform=iter((0.0, 0.5, 0.99, 0.0, 0.0, 0.0)).__next__)
        )
    assert store.swept == [7.0] * 5
    assert pauses == pytest.approx([30, 60, 89.4, 30, 30, 30])
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]
