"""Who owns the objects that clients have made at providers, such as files and batches; and the interface of
the store that keeps the owners.

A client never sees the id that the provider gave to an object, but a random one that the gateway has minted.
So an id says nothing about the account at the provider, and nobody but the owner can use it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class OwnedObject(msgspec.Struct, frozen=True):
    """One object at a provider.

    id: the id that clients use, unique at this gateway. owner: the name of the client (`Caller.name`).
    provider: the name of the provider's account in the configuration. kind: what it is, as in
    `dialects.object_ids`. upstream: the provider's id. created: when the gateway first saw it, Unix seconds.
    """

    id: str
    owner: str
    provider: str
    kind: str
    upstream: str
    created: float


class OwnedObjects(Protocol):
    """Keeps who owns which object. Each method raises StoreFailed if the database fails."""

    async def keep(self, objects: Collection[OwnedObject]) -> Sequence[OwnedObject]:
        """Store the objects that are new. Returns all of the objects as they are stored: an object that is
        known already, by its provider and the provider's id, keeps the gateway's id and its owner. Raises
        StoreFull if there is no space.
        """

    async def find(self, owner: str, ids: Collection[str]) -> Sequence[OwnedObject]:
        """The objects of this owner that have one of these ids (the ids that clients use)."""

    async def known(self, provider: str, upstream: Collection[str]) -> Sequence[OwnedObject]:
        """The objects at a provider that have one of these provider's ids, whoever owns them."""

    async def has(self, owner: str, provider: str, kind: str) -> bool:
        """Whether an owner has any object of this kind at a provider."""

    async def remove(self, owner: str, id_: str) -> bool:
        """Forget an object. False = the owner has none with this id."""
