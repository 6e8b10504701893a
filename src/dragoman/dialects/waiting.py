"""Finds the tool call that a result belongs to: by id, or without an id by name and order.

A client may send thousands of calls and their results in any order, so no search looks at all calls. Callers
decide what happens to a result without a call, or to a call without a result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Call = TypeVar("Call")


class Waiting(Generic[Call]):
    """Tool calls that have no result yet, in order. `take` removes a call when its result comes. Several
    calls may share an id or a name.
    """

    __slots__ = ("_ids", "_left", "_names", "_next", "_order")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        self._next = 0
        self._left: dict[int, Call] = {}
        self._order: deque[int] = deque()
        self._ids: dict[str, deque[int]] = {}
        self._names: dict[str, deque[int]] = {}

    def __iter__(self) -> Iterator[Call]:
        """The calls that still wait, in order."""
        return iter(self._left.values())

    def __len__(self) -> int:
        return len(self._left)

    def add(self, call: Call, call_id: str | None, name: str) -> None:
        """Add a call that waits for its result. call: any value that stands for the call; `take` will return
        it. call_id: None = the call has no id.
        """
        place, self._next = self._next, self._next + 1
        self._left[place] = call
        self._order.append(place)
        self._names.setdefault(name, deque()).append(place)
        if call_id is not None:
            self._ids.setdefault(call_id, deque()).append(place)

    def has(self, call_id: str) -> bool:
        """Whether a call with this id waits."""
        places = self._ids.get(call_id)
        return places is not None and any(place in self._left for place in places)

    def take(self, call_id: str | None, name: str | None = None) -> Call | None:
        """Remove and return a call. It is the first call with this id; without an id, the first call with
        this name; without both, the first call of all. None = there is no such call.
        """
        if call_id is not None:
            places = self._ids.get(call_id)
        else:
            places = self._order if name is None else self._names.get(name)
        while places:
            place = places.popleft()
            if place in self._left:  # else another lookup has taken it
                return self._left.pop(place)
        return None
