"""Bounded memory, shared fairly: whoever takes most of it makes room, the least recently used first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

import msgspec

from dragoman.state.store import StoreFull

_SPARE = 64
"""The part of the room, as a divisor, that is made free beyond what is needed: otherwise every entry that
comes to a full room would have to look for others that leave.
"""


class Place(msgspec.Struct, eq=False):
    """What one entry takes. size: bytes, about. leave: forgets the entry, and frees its place. stays: others
    do not make it leave, because it still runs.
    """

    tenant: str
    size: int
    leave: Callable[[], None]
    stays: bool = False


class _Share(msgspec.Struct):
    """What one tenant takes. places: least recently used first."""

    size: int = 0
    places: OrderedDict[Place, None] = msgspec.field(default_factory=OrderedDict)


class Room:
    """The places of all entries. max_size: bytes for all of them together, about."""

    def __init__(self, max_size: int) -> None:
        self.size = 0
        self._max_size = max_size
        self._shares: dict[str, _Share] = {}

    def check(self, size: int) -> None:
        """Raises StoreFull for what cannot be kept even alone."""
        if size > self._max_size:
            raise StoreFull(f"{size} bytes are more than the {self._max_size} bytes that may be stored")

    def make(self, tenant: str, more: int, spared: Place | None = None) -> None:
        """Make others leave for more bytes of a tenant. spared: an entry that stays.

        Raises StoreFull where too little may leave; then nobody has left.
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
        candidates = {owner: self._leaving(owner, spared) for owner in sizes}
        leaving: list[Place] = []
        while over > 0:
            if not most and over <= spare:
                break
            if not most:
                raise StoreFull(
                    f"there is no space for {more} bytes: everything in the store is still running"
                )
            size, owner = heappop(most)
            place = next(candidates[owner], None)
            if place is not None:
                leaving.append(place)
                over -= place.size
                heappush(most, (size + place.size, owner))
        for place in leaving:
            place.leave()

    def take(self, place: Place) -> None:
        """An entry has come, for which room has been made."""
        share = self._shares.setdefault(place.tenant, _Share())
        share.places[place] = None
        share.size += place.size
        self.size += place.size

    def resize(self, place: Place, size: int) -> None:
        """An entry takes another size now, and has been used. Where it grows, room has been made."""
        more, place.size = size - place.size, size
        self._shares[place.tenant].size += more
        self.size += more
        self.touch(place)

    def touch(self, place: Place) -> None:
        """An entry has been used."""
        self._shares[place.tenant].places.move_to_end(place)

    def free(self, place: Place) -> None:
        """An entry has gone."""
        share = self._shares[place.tenant]
        del share.places[place]
        share.size -= place.size
        self.size -= place.size
        if not share.places:
            del self._shares[place.tenant]

    def _leaving(self, owner: str, spared: Place | None) -> Iterator[Place]:
        share = self._shares.get(owner)
        return (
            iter(())
            if share is None
            else (one for one in share.places if one is not spared and not one.stays)
        )
