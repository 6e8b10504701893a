"""Pages of lists of stored items, and the cursors that say after which item the next page begins.

A cursor is the item's id. Ids may repeat in a list: a client may bring back an item of an earlier answer, and
some providers number their answers alike. The cursor of such an item is `id@place`, so that it means one
item; `place` is the number of the item in its list. An id that contains "@" also gets its place; only `whole`
never adds one. A plain id that occurs several times means its last item in the order of reading, so that a
client that reads on by plain ids comes to the end of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dragoman.state.store import Item, Page, first_of

_MARK: Final = "@"
_DIGITS: Final = 10  # a place with fewer digits is one that a database can compare


class Placed(Item, frozen=True):
    """An item with its place: its number in its list, which never changes. Items that were added later have
    larger numbers.
    """

    place: int


def cursor(item: Placed, *, alone: bool) -> str:
    """Return the cursor of an item: its id, or `id@place` if `alone` is False or the id contains "@". alone:
    True = no other item of its list has the same id.
    """
    return item.id if alone and _MARK not in item.id else f"{item.id}{_MARK}{item.place}"


def meanings(after: str) -> tuple[tuple[str, int | None], ...]:
    """Return what a client's cursor can mean, the most exact meaning first: pairs of an item's id and its
    place; place None = the last item with this id in the order of reading.
    """
    id_, mark, place = after.rpartition(_MARK)
    if mark and place.isascii() and place.isdigit() and len(place) < _DIGITS:
        return (id_, int(place)), (after, None)
    return ((after, None),)


def last_place(places: Iterable[int], *, newest: bool) -> int:
    """Return the last of some places (at least one) in the order of reading. newest: True = the latest items
    are read first, so this is the smallest place; False = the largest.
    """
    return min(places) if newest else max(places)


def read_page(items: Mapping[int, Item], *, after: str | None, limit: int, newest: bool) -> Page:
    """Return a page of a list in memory. items: {place of the item: item}. after: a cursor; the page begins
    after the item that it means, None = with the first item. limit: the most items of the page. Their bodies
    together have at most PAGE_SIZE bytes, except that a single larger item is a page alone. newest: True =
    the items with the largest places come first, False = those with the smallest. Raises KeyError if the
    cursor means no item.
    """
    places = sorted(items, reverse=newest)
    if after is not None:
        places = places[places.index(_start(items, after, newest=newest)) + 1 :]
    held, more = first_of((Placed(items[place].id, items[place].body, place) for place in places), limit)
    if not held:
        return Page(held)
    last = held[-1]
    alone = sum(item.id == last.id for item in items.values()) == 1
    return Page(held, more, cursor(last, alone=alone))


def whole(items: Sequence[Item]) -> Page:
    """Return all items as one page: the answer to a client that has just added them. The page's cursor is the
    plain id of the last item.
    """
    return Page(items, last=items[-1].id if items else None)


def _start(items: Mapping[int, Item], after: str, *, newest: bool) -> int:
    for id_, place in meanings(after):
        found = [number for number, item in items.items() if item.id == id_]
        if found and (place is None or place in found):
            return last_place(found, newest=newest) if place is None else place
    raise KeyError(after)
