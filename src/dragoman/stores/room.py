"""Counts the memory of stored entries, and removes entries so that it does not exceed a limit.

When the limit is reached, the client that uses the most memory at that moment loses its least recently used
entry, again and again until there is enough space. Entries of running responses are not removed; a client
that has no others is passed over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush

import msgspec

from dragoman.state.store import StoreFull

_SPARE = 64
"""When entries must be removed, 1/64 of the limit is freed in addition to the space that is needed, if enough
entries may be removed. Otherwise every new entry in a full store would have to remove others.
"""


class Place(msgspec.Struct, eq=False):
    """The memory that one entry takes.

    tenant: whose entry it is: the name of the client (in the vault of seals, the owner's digest in
    hexadecimal). size: approximate bytes. leave: deletes the entry and calls `Room.free` for it. stays: True
    = the entry is not removed to make room for others, because it is a running response.
    """

    tenant: str
    size: int
    leave: Callable[[], None]
    stays: bool = False


class _Share(msgspec.Struct):
    """The memory that one client's entries take. size: bytes. places: the entries, the least recently used
    first.
    """

    size: int = 0
    places: OrderedDict[Place, None] = msgspec.field(default_factory=OrderedDict)


class Room:
    """Counts the memory of the entries of one or more parts of a store, and removes entries to make space for
    new ones. size: the bytes of all entries now. max_size: the most bytes of all entries. Both are
    approximate.
    """

    def __init__(self, max_size: int) -> None:
        self.size = 0
        self._max_size = max_size
        self._shares: dict[str, _Share] = {}

    def check(self, size: int) -> None:
        """Raise StoreFull if an entry of this size would not fit into an empty store."""
        if size > self._max_size:
            raise StoreFull(f"{size} bytes are more than the {self._max_size} bytes that may be stored")

    def make(self, tenant: str, more: int, spared: Place | None = None) -> None:
        """Remove entries until `more` further bytes of the client `tenant` fit, in the order that the module
        states; these bytes count as used by `tenant`. If any entry must be removed, a part of the limit
        (`_SPARE`) is also freed, if possible. spared: an entry that is not removed, None = there is none.
        Raises StoreFull, and removes nothing, if too few entries may be removed.
        """
        over = self.size + more - self._max_size
        if over <= 0:
            return
        spare = self._max_size // _SPARE
        over += spare
        sizes = {owner: share.size for owner, share in self._shares.items()}
        sizes[tenant] = sizes.get(tenant, 0) + more
        most = [(-size, owner) for owner, size in sizes.items()]
        heapify(most)
        candidates = {
            owner: (one for one in share.places if one is not spared and not one.stays)
            for owner, share in self._shares.items()
        }
        leaving: list[Place] = []
        while over > 0:
            if not most and over <= spare:
                break
            if not most:
                raise StoreFull(
                    f"there is no space for {more} bytes: everything in the store is still running"
                )
            size, owner = heappop(most)
            place = next(candidates.get(owner, iter(())), None)
            if place is not None:
                leaving.append(place)
                over -= place.size
                heappush(most, (size + place.size, owner))
        for place in leaving:
            place.leave()

    def take(self, place: Place) -> None:
        """Count a new entry. The caller has called `make` for its size."""
        share = self._shares.setdefault(place.tenant, _Share())
        share.places[place] = None
        share.size += place.size
        self.size += place.size

    def resize(self, place: Place, size: int) -> None:
        """Count the new size of an entry, and mark the entry as used. If the entry grows, the caller has
        called `make` for the difference.
        """
        more, place.size = size - place.size, size
        self._shares[place.tenant].size += more
        self.size += more
        self.touch(place)

    def touch(self, place: Place) -> None:
        """Mark an entry as just used, so that other entries of its client are removed before it."""
        self._shares[place.tenant].places.move_to_end(place)

    def free(self, place: Place) -> None:
        """Stop counting an entry that was deleted."""
        share = self._shares[place.tenant]
        del share.places[place]
        share.size -= place.size
        self.size -= place.size
        if not share.places:
            del self._shares[place.tenant]
