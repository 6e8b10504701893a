"""Lists of models that may be long: a provider may have tens of thousands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
_AT_ONCE: Final = 100
"""After so many entries other tasks run."""


async def in_turns(entries: Iterable[T]) -> AsyncIterator[T]:
    """Yield the entries, and let other tasks run in between."""
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
