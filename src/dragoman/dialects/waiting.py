"""Finds the tool call to which a result belongs: by id or, without an id, by name and order.

A client may send thousands of calls and their results in any order, so the calls are indexed by id and by
name. Callers decide what happens to a result without a call, or to a call without a result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Call = TypeVar("Call")


class Waiting(Generic[Call]):
    """Tool calls that have no result yet, in the order in which they were added. `take` removes a call when
    its result comes. Several calls may have the same id or name.
    """

    __slots__ = ("_ids", "_left", "_names", "_next", "_order")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._next = 0
        self._left: dict[int, Call] = {}
        self._order: deque[int] = deque()
        self._ids: dict[str, deque[int]] = {}
        self._names: dict[str, deque[int]] = {}

    def __iter__(self) -> Iterator[Call]:
        """Iterate over the calls that have no result yet, in the order in which they were added."""
        return iter(self._left.values())

    def __len__(self) -> int:
        return len(self._left)

    def add(self, call: Call, call_id: str | None, name: str) -> None:
        """Add a call that has no result yet. call: any value that stands for the call; `take` returns it.
        call_id: None = the call has no id. name: the name of its tool.
        """
        place, self._next = self._next, self._next + 1
        self._left[place] = call
        self._order.append(place)
        self._names.setdefault(name, deque()).append(place)
        if call_id is not None:
            self._ids.setdefault(call_id, deque()).append(place)

    def has(self, call_id: str) -> bool:
        """Whether a call with this id has no result yet."""
        places = self._ids.get(call_id)
        return places is not None and any(place in self._left for place in places)

    def take(self, call_id: str | None, name: str | None = None) -> Call | None:
        """Remove and return the earliest call to which a result can belong: the first call with this id
        (`name` is then ignored); if `call_id` is None, the first call with this name; if both are None, the
        first of all calls. None = no such call is left.
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
