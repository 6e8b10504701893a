"""The interface of the seal vault, and the vault in memory: keeps parts of an answer that its client cannot
send back with its next request. Such parts are, for example, signatures and encrypted reasoning. An entry is
bytes that the vault does not read; its keys are hashes. `entry` makes both. A vault decides how much it keeps
and for how long. A failure of the vault must never make a request fail: the entry is then only missing from
the next turn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec


class Vault(Protocol):
    """The seal vault, in memory or in a database."""

    async def open(self) -> None:
        """Load the secret, before `secret` is read. Only the first call may wait. Raises StoreFailed."""
        ...

    @property
    def secret(self) -> bytes:
        """The secret (32 bytes) from which the keys of entries are made; kept as long as the entries."""
        ...

    @property
    def holds(self) -> bool:
        """False: there is certainly no entry. Read for every request, so it never waits."""
        ...

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Store an entry under each of these keys. A key that has an older entry gets the new one.

        owner: bytes that identify the tenant. When the vault is full, the owner with the most data loses
        entries first. Raises StoreFailed.
        """
        ...

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries that are stored under these keys; keys without an entry are missing. Each find starts
        an entry's life anew. Raises StoreFailed.
        """
        ...


class _Held(msgspec.Struct):
    entry: bytes
    keys: set[bytes]
    until: float
    cost: int
    owner: bytes


class _Share(msgspec.Struct):
    """The entries of one owner. size: bytes of memory. places: the entries' numbers, least recently used
    first.
    """

    size: int = 0
    places: OrderedDict[int, None] = msgspec.field(default_factory=OrderedDict)


_OBJECT = 450
"""The approximate memory of an entry beside its content, in bytes."""
_KEY = 200
"""The approximate memory of each key of an entry beside the key's content, in bytes."""


class MemoryVault:
    """Keeps entries in memory. When it is full, the owner with the most data loses its least recently used
    ones.

    secret: 32 random bytes. ttl: seconds that an entry is kept after its last use. max_size: approximate
    bytes of memory for all entries together. now: a monotonic clock in seconds.
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
        """Do nothing: the secret is known from the start."""

    @property
    def holds(self) -> bool:
        """Whether there are entries."""
        return bool(self._held)

    @property
    def size(self) -> int:
        """The approximate memory of all entries, in bytes."""
        return self._size

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Store an entry under each of these keys. An entry that is larger than the vault is not stored."""
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
        """The entries that are stored under these keys; keys without an entry are missing."""
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
        """Delete entries that have expired."""
        while self._held:
            place, held = next(iter(self._held.items()))
            if held.until > now:
                return
            self._drop(place)

    def _forget(self, key: bytes) -> None:
        """Remove a key that will get a new entry. Delete its old entry if that has no other key."""
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
