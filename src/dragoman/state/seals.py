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

    async def open(self) -> None:
        """Make the secret known. Waits once at most; safe to call again."""
        ...

    @property
    def secret(self) -> bytes:
        """What keys are made with, 32 bytes; it lasts as long as the entries do. Not known before `open`."""
        ...

    @property
    def holds(self) -> bool:
        """Whether there may be anything to find. Asked for every request, so it never waits."""
        ...

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Keep an entry under each of these keys; a newer one under the same key replaces it there.

        owner: what stands for the tenant, so that nobody's entries push out everybody else's.
        """
        ...

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as there are any. Finding one makes it last."""
        ...


class _Held(msgspec.Struct):
    entry: bytes
    keys: set[bytes]
    until: float
    cost: int
    owner: bytes


class _Share(msgspec.Struct):
    """What one owner holds: bytes of memory, and the places of the entries, least recently used first."""

    size: int = 0
    places: OrderedDict[int, None] = msgspec.field(default_factory=OrderedDict)


_OBJECT = 450
"""Bytes of memory that an entry takes beside its content, roughly."""
_KEY = 200
"""Bytes of memory that each of its keys takes beside its own."""


class MemoryVault:
    """Keeps entries in this process. Where room is short, those of the owner who takes most of it leave, the
    least recently used of them first.

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
        self._shares: dict[bytes, _Share] = {}
        self._next = 0
        self._size = 0

    async def open(self) -> None:
        """There is nothing to open."""

    @property
    def holds(self) -> bool:
        """Whether there may be anything to find."""
        return bool(self._held)

    @property
    def size(self) -> int:
        """Bytes of memory that are taken, about."""
        return self._size

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Keep an entry under each of these keys. One that is larger than the vault is not kept."""
        named = set(keys)
        now = self._now()
        cost = _OBJECT + len(entry) + sum(_KEY + len(key) for key in named)
        for key in named:
            self._forget(key)
        if not named or cost > self._max_size:
            return
        self._drop_old(now)
        place, self._next = self._next, self._next + 1
        self._held[place] = _Held(entry, named, now + self._ttl, cost, owner)
        self._places.update(dict.fromkeys(named, place))
        self._size += cost
        share = self._shares.setdefault(owner, _Share())
        share.size += cost
        share.places[place] = None
        while self._size > self._max_size:
            most = max(self._shares.values(), key=_size_of)
            self._drop(next(iter(most.places)))

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as they are still there."""
        now = self._now()
        self._drop_old(now)
        found: dict[bytes, bytes] = {}
        for key in keys:
            place = self._places.get(key)
            if place is not None:
                held = self._held[place]
                held.until = now + self._ttl
                self._held.move_to_end(place)
                self._shares[held.owner].places.move_to_end(place)
                found[key] = held.entry
        return found

    def _drop_old(self, now: float) -> None:
        """Drop what has had its time."""
        while self._held:
            place, held = next(iter(self._held.items()))
            if held.until > now:
                return
            self._drop(place)

    def _forget(self, key: bytes) -> None:
        """A key is about to mean another entry: the one that nothing leads to any more goes."""
        place = self._places.pop(key, None)
        if place is None:
            return
        held = self._held[place]
        held.keys.discard(key)
        if not held.keys:
            self._drop(place)

    def _drop(self, place: int) -> None:
        held = self._held.pop(place)
        self._size -= held.cost
        for key in held.keys:
            del self._places[key]
        share = self._shares[held.owner]
        share.size -= held.cost
        del share.places[place]
        if not share.places:
            del self._shares[held.owner]


def _size_of(share: _Share) -> int:
    return share.size
