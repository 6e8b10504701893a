"""Iterates over long lists of models without blocking the event loop. A provider may have tens of thousands
of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
_AT_ONCE: Final = 100
"""After this many entries, other tasks of the event loop run."""


async def in_turns(entries: Iterable[T]) -> AsyncIterator[T]:
    """Yield the entries in their order. After each `_AT_ONCE` entries, other tasks of the event loop run."""
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
