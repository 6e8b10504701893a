"""The running parts that the next configuration may go on using: connections, the store, model processes.

Each part has a name and a value that says what it was made of. The next configuration takes over the part
of the same name that was made of an equal value; it makes the others anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeVar

Close = Callable[[], Awaitable[None]]
T = TypeVar("T")


class Part(NamedTuple):
    """One running part. what: the part itself. of: the settings that it was made of, for a comparison. close:
    None = there is nothing to close.
    """

    what: Any
    of: Any
    close: Close | None


class Parts:
    """The parts of one configuration. before: those of the one that runs, None = none does."""

    def __init__(self, before: Parts | None = None) -> None:
        self._before = {} if before is None else before.all
        self.all: dict[str, Part] = {}

    def take(self, name: str, of: Any, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> T:
        """The part of this name for the new configuration: the running one if it was made of an equal `of`,
        else a new one, which `make` returns. close: closes the part.
        """
        known = self._before.get(name)
        if known is None or known.of != of:
            made = make()
            known = Part(made, of, lambda: close(made))
        self.all[name] = known
        what: T = known.what
        return what

    def hold(self, name: str, of: Any, make: Callable[[], T]) -> T:
        """As `take`, for a part that need not be closed."""
        known = self._before.get(name)
        if known is None or known.of != of:
            known = Part(make(), of, None)
        self.all[name] = known
        what: T = known.what
        return what

    def before(self, name: str) -> Any:
        """What the running part of this name was made of; None = there is none."""
        known = self._before.get(name)
        return None if known is None else known.of

    def new(self) -> list[Part]:
        """The parts that were made for this configuration, and not taken over from the one before."""
        return [part for name, part in self.all.items() if self._before.get(name) is not part]

    def left(self) -> list[Part]:
        """The parts of the configuration before that this one does not use. Forgets that configuration."""
        left = [part for name, part in self._before.items() if self.all.get(name) is not part]
        self._before = {}
        return left


async def close(parts: Iterable[Part]) -> None:
    """Close parts, the last one first, even if closing one of them fails."""
    async with AsyncExitStack() as opened:
        for part in parts:
            if part.close is not None:
                opened.push_async_callback(part.close)
