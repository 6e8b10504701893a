"""The vault of seals in memory; implements `state.seals.Vault`. Its entries are lost when the process
ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from dragoman.stores.room import Place, Room

_OBJECT = 750
"""The approximate memory of an entry, without its content and keys, in bytes."""
_KEY = 200
"""The approximate memory of each key of an entry, without the key's content, in bytes."""


class _Held(msgspec.Struct, eq=False):
    entry: bytes
    keys: set[bytes]
    until: float
    place: Place


class MemoryVault:
    """Stores entries, each under one or more keys, in memory. When it is full, the owner with the most data
    loses its least recently used entries.

    secret: 32 random bytes. ttl: seconds that an entry is stored after its last use (`keep` or `find`).
    max_size: the most bytes of memory for all entries together with their keys, approximately; an entry that
    alone is larger is not stored. now: returns monotonic seconds.
    """

    def __init__(self, secret: bytes, *, ttl: float, max_size: int, now: Callable[[], float]) -> None:
        self.secret = secret
        self._ttl = ttl
        self._max_size = max_size
        self._room = Room(max_size)
        self._now = now
        self._held: OrderedDict[_Held, None] = OrderedDict()  # least recently used first
        self._by_key: dict[bytes, _Held] = {}

    async def open(self) -> None:
        """Do nothing: the secret is known from the start."""

    @property
    def holds(self) -> bool:
        return bool(self._held)

    async def has(self, owner: bytes) -> bool:
        return self.holds

    @property
    def size(self) -> int:
        """The approximate memory of all entries, in bytes."""
        return self._room.size

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        named = set(keys)
        size = _OBJECT + len(entry) + sum(_KEY + len(key) for key in named)
        for key in named:
            self._forget(key)
        if not named or size > self._max_size:
            return
        now = self._now()
        self._drop_old(now)
        self._room.make(owner.hex(), size)
        place = Place(owner.hex(), size, lambda: self._drop(held))
        held = _Held(entry, named, now + self._ttl, place)
        self._held[held] = None
        self._by_key.update(dict.fromkeys(named, held))
        self._room.take(place)

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        now = self._now()
        self._drop_old(now)
        found: dict[bytes, bytes] = {}
        for key in keys:
            held = self._by_key.get(key)
            if held is not None:
                held.until = now + self._ttl
                self._held.move_to_end(held)
                self._room.touch(held.place)
                found[key] = held.entry
        return found

    def _drop_old(self, now: float) -> None:
        while self._held and (oldest := next(iter(self._held))).until <= now:
            self._drop(oldest)

    def _forget(self, key: bytes) -> None:
        """Remove a key from the vault, because the key gets a new entry. Delete its old entry if that entry
        has no other key. Do nothing if the key is unknown.
        """
        held = self._by_key.pop(key, None)
        if held is not None:
            held.keys.discard(key)
            if not held.keys:
                self._drop(held)

    def _drop(self, held: _Held) -> None:
        del self._held[held]
        for key in held.keys:
            del self._by_key[key]
        self._room.free(held.place)
