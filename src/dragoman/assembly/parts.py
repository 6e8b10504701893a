"""The running parts that the next configuration may go on with: connections, the store, model processes.

Each part has a name and a value that says from which settings it was made. The next configuration goes on
with the part of the same name if that part was made from an equal value; otherwise a new part is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeVar

Close = Callable[[], Awaitable[None]]
T = TypeVar("T")


class Part(NamedTuple):
    """One running part. what: the part itself. of: the settings from which it was made, for a comparison.
    close: closes the part; None = there is nothing to close.
    """

    what: Any
    of: Any
    close: Close | None


class Parts:
    """The parts of one configuration. before: the parts of the running configuration; None = none runs."""

    def __init__(self, before: Parts | None = None) -> None:
        self._before = {} if before is None else before.all
        self.all: dict[str, Part] = {}

    def take(self, name: str, of: Any, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> T:
        """Return the part of this name for the new configuration: the running part if it was made from an
        equal `of`, else a new part from `make`. of: the settings from which the part is made. close: closes
        what `make` has returned.
        """
        known = self._before.get(name)
        if known is None or known.of != of:
            made = make()
            known = Part(made, of, lambda: close(made))
        self.all[name] = known
        what: T = known.what
        return what

    def hold(self, name: str, of: Any, make: Callable[[], T]) -> T:
        """Return the part of this name as `take` does, for a part that need not be closed."""
        known = self._before.get(name)
        if known is None or known.of != of:
            known = Part(make(), of, None)
        self.all[name] = known
        what: T = known.what
        return what

    def before(self, name: str) -> Any:
        """Return the value `of` of the running configuration's part with this name; None = there is no such
        part, its `of` is None, or `left` was called.
        """
        known = self._before.get(name)
        return None if known is None else known.of

    def new(self) -> list[Part]:
        """Return the parts that were made for this configuration, not taken from the running one."""
        return [part for name, part in self.all.items() if self._before.get(name) is not part]

    def left(self) -> list[Part]:
        """Return the parts of the earlier configuration that this one does not go on with, in order to close
        them. Call it once: it forgets the earlier parts.
        """
        left = [part for name, part in self._before.items() if self.all.get(name) is not part]
        self._before = {}
        return left


async def close(parts: Iterable[Part]) -> None:
    """Close parts, the last one first. If closing a part fails, the others are closed nevertheless, and then
    the (last) error is raised.
    """
    async with AsyncExitStack() as opened:
        for part in parts:
            if part.close is not None:
                opened.push_async_callback(part.close)
