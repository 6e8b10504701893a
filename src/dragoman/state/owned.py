"""Which client owns which object at a provider (a file, a batch, …), and the interface of the store that
keeps this.

Clients get a random id, which the gateway has made, in place of the id that the provider gave to the object.
So an id reveals nothing about the account at the provider, and only the owner can use it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec


class OwnedObject(msgspec.Struct, frozen=True):
    """One object at a provider, and the client that owns it.

    id: the id that clients use, unique at this gateway. owner: the name of the client (`Caller.name`).
    provider: the name of the configured provider. kind: the kind of object, as in `dialects.object_ids`.
    upstream: the id that the provider uses. created: when the gateway first saw the object, Unix seconds.
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
        order. An object is stored already if its provider and the provider's id are the same; its id and
        owner then stay as they are stored. A new object whose `id` is already in use is left out. Raises
        StoreFull, and stores nothing, if there is no space.
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
        """Remove an object from the store; the object at the provider stays. Return False if the owner has no
        object with this `id`.
        """
