"""The interface of the seal vault, which keeps the parts of an answer that its client cannot send back with
the next request, such as signatures and encrypted reasoning.

An entry is bytes that the vault does not read; its keys are hashes. `state.entry` makes both. The vault
decides how much it keeps and for how long. If it fails, the request goes on without the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Vault(Protocol):
    """The seal vault, in memory or in a database."""

    async def open(self) -> None:
        """Load the secret. This must be done before `secret` is read. Only the first call may take time.
        Raises StoreFailed.
        """

    @property
    def secret(self) -> bytes:
        """The secret (32 bytes) from which the keys of entries are made; kept as long as the entries."""

    @property
    def holds(self) -> bool:
        """False = there is certainly no entry, True = there may be. Read for every request; never waits."""

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Store an entry under each of these keys. A key that leads to an older entry leads to this one from
        then on. An entry larger than the vault's limit is not stored.

        owner: bytes that identify the tenant. When the vault is full, the owner with the most data loses
        entries first. Raises StoreFailed.
        """

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries that are stored under these keys; keys without an entry are missing. The time for which
        an entry is kept begins anew when the entry is found. A database does this only now and then, to spare
        writes. Raises StoreFailed.
        """
