"""Which client owns which object at a provider, in memory; implements `state.owned.OwnedObjects`.

No entry is removed to make room, because without its entry an object can no longer be used or deleted by its
owner.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dragoman.state.owned import OwnedObject
from dragoman.state.store import StoreFull

MOST = 100_000
"""The most objects in one store; they take about 60 MB."""


class MemoryOwned:
    """Stores the owners of objects until the process ends. most: the most objects of all owners together;
    `keep` raises StoreFull, and stores nothing, if there could be more.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._by_id: dict[str, OwnedObject] = {}
        self._by_upstream: dict[tuple[str, str], OwnedObject] = {}

    async def keep(self, objects: Collection[OwnedObject]) -> Sequence[OwnedObject]:
        new = [one for one in objects if (one.provider, one.upstream) not in self._by_upstream]
        if len(self._by_id) + len(new) > self._most:
            raise StoreFull(f"the store in memory holds the most objects of providers: {self._most}")
        for one in new:
            if one.id not in self._by_id and (one.provider, one.upstream) not in self._by_upstream:
                self._by_id[one.id] = self._by_upstream[one.provider, one.upstream] = one
        places = [(one.provider, one.upstream) for one in objects]
        return [self._by_upstream[place] for place in places if place in self._by_upstream]

    async def find(self, owner: str, ids: Collection[str]) -> Sequence[OwnedObject]:
        found = (self._by_id.get(id_) for id_ in ids)
        return [one for one in found if one is not None and one.owner == owner]

    async def known(self, provider: str, upstream: Collection[str]) -> Sequence[OwnedObject]:
        found = (self._by_upstream.get((provider, id_)) for id_ in upstream)
        return [one for one in found if one is not None]

    async def has(self, owner: str, provider: str, kind: str) -> bool:
        return any(
            (one.owner, one.provider, one.kind) == (owner, provider, kind) for one in self._by_id.values()
        )

    async def remove(self, owner: str, id_: str) -> bool:
        found = self._by_id.get(id_)
        if found is None or found.owner != owner:
            return False
        del self._by_id[id_], self._by_upstream[found.provider, found.upstream]
        return True
