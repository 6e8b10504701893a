"""Which client owns which object at a provider (a file, a batch, …), and the interface of the store that
keeps this.

Clients get a random id, which the gateway has made, in place of the id that the provider gave to the object.
So an id reveals nothing about the account at the provider, and only the owner can use it. The exception: a
fine-tuned model has an owner too, but clients use the provider's name for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class OwnedObject(msgspec.Struct, frozen=True):
    """One object at a provider, and the client that owns it.

    id: the id that clients use, unique in the store; for a model the same as `upstream`. owner: the name of
    the client (`Caller.name`). provider: the name of the configured provider. kind: the kind of object, such
    as "file" or "batch" (`dialects.object_ids.Kind`). upstream: the id that the provider uses. created: when
    the gateway first saw the object, Unix seconds.
    """

    id: str
    owner: str
    provider: str
    kind: str
    upstream: str
    created: float


class OwnedObjects(Protocol):
    """The store's part for the owners of objects. Each method raises StoreFailed if the database fails."""

    async def keep(self, objects: Collection[OwnedObject]) -> Sequence[OwnedObject]:
        """Store the objects that are not stored yet, and return all given objects as they are stored, in any
        order. An object is stored already if the store has one with the same `provider` and `upstream`; the
        stored one then stays unchanged, and is returned. A new object whose `id` is already in use is neither
        stored nor returned. A store in memory raises StoreFull, and stores nothing, if it would have too many
        objects.
        """

    async def find(self, owner: str, ids: Collection[str]) -> Sequence[OwnedObject]:
        """Return the objects of this owner whose `id` (the id that clients use) is in `ids`, in any order."""

    async def known(self, provider: str, upstream: Collection[str]) -> Sequence[OwnedObject]:
        """Return the objects at a provider, of any owner, whose `upstream` (the provider's id) is in the
        given ids, in any order.
        """

    async def has(self, owner: str, provider: str, kind: str) -> bool:
        """Return whether an owner has any object of this kind at a provider."""

    async def remove(self, owner: str, id_: str) -> bool:
        """Remove an object from the store; the object at the provider stays. id_: the id that clients use.
        Return True; False = the owner has no object with this id.
        """
