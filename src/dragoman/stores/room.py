"""Bounded memory, shared fairly: whoever takes most of it makes room, the least recently used first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from dragoman.state.store import StoreFull


class Place(msgspec.Struct, eq=False):
    """What one entry takes. size: bytes, about. leave: forgets the entry, and frees its place. stays: until
    when others do not make it leave.
    """

    tenant: str
    size: int
    leave: Callable[[], None]
    stays: float = 0.0


class _Share(msgspec.Struct):
    """What one tenant takes. places: least recently used first."""

    size: int = 0
    places: OrderedDict[Place, None] = msgspec.field(default_factory=OrderedDict)


class Room:
    """The places of all entries. max_size: bytes for all of them together, about. now: Unix seconds."""

    def __init__(self, max_size: int, now: Callable[[], float]) -> None:
        self.size = 0
        self._max_size = max_size
        self._now = now
        self._shares: dict[str, _Share] = {}

    def check(self, size: int) -> None:
        """Raises StoreFull for what cannot be kept even alone."""
        if size > self._max_size:
            raise StoreFull(f"{size} bytes are more than the {self._max_size} that may be kept")

    def take(self, place: Place) -> None:
        """An entry has come; others leave for it."""
        share = self._shares.setdefault(place.tenant, _Share())
        share.places[place] = None
        share.size += place.size
        self.size += place.size
        self._fit(place)

    def resize(self, place: Place, size: int) -> None:
        """An entry takes another size now, and has been used; others leave for it."""
        more, place.size = size - place.size, size
        self._shares[place.tenant].size += more
        self.size += more
        self.touch(place)
        self._fit(place)

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

    def _fit(self, spared: Place) -> None:
        """Make room; the entry that it is made for stays. Where all others do too, it is too much a while."""
        now = self._now()
        while self.size > self._max_size:
            for share in sorted(self._shares.values(), key=_size, reverse=True):
                place = next((one for one in share.places if one is not spared and one.stays <= now), None)
                if place is not None:
                    place.leave()
                    break
            else:
                return


def _size(share: _Share) -> int:
    return share.size
