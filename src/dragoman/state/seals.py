"""The interface of the seal vault, which stores the parts of an answer that its client cannot send back with
the next request, such as signatures and encrypted reasoning.

An entry is bytes that the vault does not read, and the keys of an entry are hashes. `state.entry` makes both.
The vault decides how much it stores and for how long. If the vault fails, the request continues without the
entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Vault(Protocol):
    """The seal vault, in memory or in a database."""

    async def open(self) -> None:
        """Load the secret. Call this before `secret` is read. After the first success, further calls do
        nothing. Raises StoreFailed.
        """

    @property
    def secret(self) -> bytes:
        """The secret (32 bytes) from which the keys of entries are made. It stays the same as long as the
        entries exist. A vault in a database raises StoreFailed while it is not open.
        """

    @property
    def holds(self) -> bool:
        """False = there is certainly no entry; True = there may be entries. It is read for every request and
        never waits.
        """

    async def has(self, owner: bytes) -> bool:
        """Whether there may be entries of this owner (see `keep`). False is certain. It takes less time than
        `find` with the keys of a long conversation. Raises StoreFailed.
        """

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Store an entry under each of these keys. If there is an older entry under one of these keys, the
        new entry replaces it under this key; the older one is still found under its other keys. An entry that
        is larger than the vault's limit is not stored; older entries are then no longer found under these
        keys either. Without keys, do nothing.

        owner: a digest of the name of the client that the entry belongs to. When the vault is full, the owner
        with the most data loses its least recently used entries. Raises StoreFailed.
        """

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """Return the entries that are stored under these keys, by key; keys without an entry are missing. The
        time for which an entry is stored begins again when the entry is found. A database skips this if the
        time has only just begun, to save writes, or if the write fails. Raises StoreFailed if the entries
        cannot be read.
        """
