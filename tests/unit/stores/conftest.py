"""Both stores, made the same way, with a clock that stands still until a test moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import Store
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store

NOW = 1_000_000.0


class Clock:
    """Unix seconds, as a test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


Make: TypeAlias = Callable[..., Store]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Makes stores of one kind, with limits by name; those in a database share it."""
    made: list[Store] = []
    seams = Seams(clock, clock, SYSTEM.random_id, SYSTEM.uniform)

    def maker(**limits: Any) -> Store:
        store = open_store(request.param, tmp_path / "home", Limits(**limits), seams)
        made.append(store)
        return store

    yield maker
    for store in made:
        await store.close()


@pytest.fixture
async def store(make: Make) -> Store:
    """One store of each kind."""
    return make()
