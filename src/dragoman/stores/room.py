"""Counts the memory of stored entries, and removes entries to keep it below a limit.

When the limit is reached, the tenant that uses the most memory loses its least recently used entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush

import msgspec

from dragoman.state.store import StoreFull

_SPARE = 64
"""When entries must be removed, 1/64 of the limit is freed in addition to what is needed. Otherwise every new
entry in a full store would have to remove others.
"""


class Place(msgspec.Struct, eq=False):
    """The memory that one entry takes.

    size: approximate bytes. leave: deletes the entry, and takes it out of the count (`Room.free`). stays:
    True = the entry is not removed to make room for others, because its request still runs.
    """

    tenant: str
    size: int
    leave: Callable[[], None]
    stays: bool = False


class _Share(msgspec.Struct):
    """The memory that one tenant's entries take. size: bytes. places: the least recently used first."""

    size: int = 0
    places: OrderedDict[Place, None] = msgspec.field(default_factory=OrderedDict)


class Room:
    """Counts the memory of all entries. max_size: the limit in approximate bytes."""

    def __init__(self, max_size: int) -> None:
        self.size = 0
        self._max_size = max_size
        self._shares: dict[str, _Share] = {}

    def check(self, size: int) -> None:
        """Raise StoreFull if an entry of this size is above the limit of the whole store."""
        if size > self._max_size:
            raise StoreFull(f"{size} bytes are more than the {self._max_size} bytes that may be stored")

    def make(self, tenant: str, more: int, spared: Place | None = None) -> None:
        """Remove entries until `more` further bytes of `tenant` fit. The tenant with the most bytes loses
        entries first; the new bytes count as its own. spared: an entry that is not removed. Raises StoreFull,
        and removes nothing, if too few entries may be removed.
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
        """Count a new entry. Call `make` before."""
        share = self._shares.setdefault(place.tenant, _Share())
        share.places[place] = None
        share.size += place.size
        self.size += place.size

    def resize(self, place: Place, size: int) -> None:
        """Count an entry's new size, and mark it as used. If it grows, call `make` before."""
        more, place.size = size - place.size, size
        self._shares[place.tenant].size += more
        self.size += more
        self.touch(place)

    def touch(self, place: Place) -> None:
        """Mark an entry as used just now, so that others are removed before it."""
        self._shares[place.tenant].places.move_to_end(place)

    def free(self, place: Place) -> None:
        """Stop counting an entry, which was deleted."""
        share = self._shares[place.tenant]
        del share.places[place]
        share.size -= place.size
        self.size -= place.size
        if not share.places:
            del self._shares[place.tenant]
