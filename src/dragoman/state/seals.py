"""The seal vault: what an answer holds that its client cannot bring back, kept until the next turn.

Entries are bytes that nobody here reads, found by keys that tell nothing: both are made in `recall`. A vault
decides how much is kept and for how long. It must never be the reason why a request fails: what is not
kept, or lost, is missing from the next turn and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec


class Vault(Protocol):
    """Where entries are kept."""

    @property
    def secret(self) -> bytes:
        """What keys are made with, 32 bytes; it lasts as long as the entries do."""
        ...

    @property
    def holds(self) -> bool:
        """Whether there may be anything to find. Asked for every request, so it never waits."""
        ...

    async def keep(self, keys: Iterable[bytes], entry: bytes) -> None:
        """Keep an entry under each of these keys; a newer one under the same key replaces it there."""
        ...

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as there are any. Finding one makes it last."""
        ...


class _Held(msgspec.Struct):
    entry: bytes
    keys: set[bytes]
    until: float
    cost: int


_OBJECT = 300
"""Bytes of memory that an entry takes beside its content, roughly."""
_KEY = 200
"""Bytes of memory that each of its keys takes beside its own."""


class MemoryVault:
    """Keeps entries in this process, the least recently used of them leaving first.

    secret: 32 random bytes. ttl: seconds that an entry lasts since it was last used. max_size: bytes of
    memory for all of them together, about. now: any clock of seconds that never jumps.
    """

    def __init__(self, secret: bytes, *, ttl: float, max_size: int, now: Callable[[], float]) -> None:
        self.secret = secret
        self._ttl = ttl
        self._max_size = max_size
        self._now = now
        self._held: OrderedDict[int, _Held] = OrderedDict()  # least recently used first
        self._places: dict[bytes, int] = {}
        self._next = 0
        self._size = 0

    @property
    def holds(self) -> bool:
        """Whether there may be anything to find."""
        return bool(self._held)

    @property
    def size(self) -> int:
        """Bytes of memory that are taken, about."""
        return self._size

    async def keep(self, keys: Iterable[bytes], entry: bytes) -> None:
        """Keep an entry under each of these keys. One that is larger than the vault is not kept."""
        named = set(keys)
        now = self._now()
        cost = _OBJECT + len(entry) + sum(_KEY + len(key) for key in named)
        for key in named:
            self._forget(key)
        if not named or cost > self._max_size:
            return
        self._drop_old(now, self._max_size - cost)
        place, self._next = self._next, self._next + 1
        self._held[place] = _Held(entry, named, now + self._ttl, cost)
        self._places.update(dict.fromkeys(named, place))
        self._size += cost

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as they are still there."""
        now = self._now()
        self._drop_old(now, self._max_size)
        found: dict[bytes, bytes] = {}
        for key in keys:
            place = self._places.get(key)
            if place is not None:
                held = self._held[place]
                held.until = now + self._ttl
                self._held.move_to_end(place)
                found[key] = held.entry
        return found

    def _drop_old(self, now: float, room: int) -> None:
        """Drop what has had its time, and the least recently used until no more than `room` is taken."""
        while self._held:
            place, held = next(iter(self._held.items()))
            if held.until > now and self._size <= room:
                return
            self._drop(place, held)

    def _forget(self, key: bytes) -> None:
        """A key is about to mean another entry: the one that nothing leads to any more goes."""
        place = self._places.pop(key, None)
        if place is None:
            return
        held = self._held[place]
        held.keys.discard(key)
        if not held.keys:
            self._drop(place, held)

    def _drop(self, place: int, held: _Held) -> None:
        del self._held[place]
        self._size -= held.cost
        for key in held.keys:
            del self._places[key]
