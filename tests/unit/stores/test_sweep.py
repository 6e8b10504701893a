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
    """Fails every other time."""

    def __init__(self) -> None:
        super().__init__()
        self.swept: list[float] = []

    async def sweep(self, now: float) -> None:
        self.swept.append(now)
        if len(self.swept) % 2:
            raise StoreFailed("lost") if len(self.swept) == 1 else ValueError("lost in another way")


async def test_a_store_is_swept_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(sweep.asyncio, "sleep", pause)  # type: ignore[attr-defined]
    store = Failing()
    with caplog.at_level(logging.WARNING, "dragoman.stores"), pytest.raises(asyncio.CancelledError):
        await sweep.keep_swept(store, Seams(now=lambda: 7.0, uniform=iter((0.0, 0.5, 0.99, 0.0)).__next__))
    assert store.swept == [7.0] * 3
    assert pauses == pytest.approx([30, 60, 89.4, 30])
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
