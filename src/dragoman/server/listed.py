"""Iterates over long lists of models without blocking the event loop for long, and finds one model of such a
list. A provider may have tens of thousands of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.routing.route import Entry

T = TypeVar("T")
_AT_ONCE: Final = 100
"""After this many entries, other tasks of the event loop run."""


async def in_turns(entries: Iterable[T]) -> AsyncIterator[T]:
    """Yield the entries in their order. After each `_AT_ONCE` entries, other tasks of the event loop run."""
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


def entry_of(gateway: Core, model: str, caller: Caller) -> Entry | None:
    """Return the entry of one model of the client's list. model: its name.

    None = the client's key does not allow this name (whether or not there is such a model); or the model can
    serve none of the operations that the client may ask for; or the gateway has not started. Raises
    RequestFailed (404) for an allowed name that no model has, that only the alias `*` would catch, or whose
    providers the client may not use.
    """
    assembly = gateway.assembly
    return None if assembly is None else assembly.entry(model, caller)
