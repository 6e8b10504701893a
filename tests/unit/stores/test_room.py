"""Room for entries: the tenant that takes most of it gives up its least recently used ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.state.store import StoreFull
from dragoman.stores.room import Place, Room


def test_room_is_made_by_others_even_where_they_take_less() -> None:
    room, left = Room(100), list[str]()

    def place(name: str, size: int) -> Place:
        def leave() -> None:
            left.append(name)
            room.free(made)

        room.make(name, size)
        made = Place(name, size, leave)
        room.take(made)
        return made

    place("a", 30)
    place("b", 90)
    assert (left, room.size) == (["a"], 90)
    last = place("c", 100)
    assert (left, room.size) == (["a", "b"], 100)
    room.make("c", -60, last)
    room.resize(last, 40)
    room.free(last)
    assert room.size == 0


def test_nobody_leaves_where_too_little_may() -> None:
    room, left = Room(100), list[str]()

    def leave(name: str) -> Callable[[], None]:
        return lambda: left.append(name)

    room.take(Place("a", 60, leave("runs"), stays=True))
    room.take(Place("b", 20, leave("b")))
    with pytest.raises(StoreFull, match="still running"):
        room.make("c", 50)
    assert (left, room.size) == ([], 80)
