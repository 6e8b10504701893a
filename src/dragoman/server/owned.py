"""Whose the objects at providers are: ids that clients use become the provider's, and back.

Each id that an answer shows for the first time is minted and kept with the client as its owner
(`state.owned`). An id that the client does not own is 404 before the provider is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.dialects.object_ids import Ids, Kind, Place, minted, places, reworded, tokens
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from dragoman.state.owned import OwnedObject, OwnedObjects
from dragoman.turns.keeping import reachable
from dragoman.upstreams.passage import Passage
from dragoman.wire.json import reworded as each_text

log = logging.getLogger("dragoman.server.owned")


class Stated(NamedTuple):
    """An id in a request. param: where, for errors. write: replaces it; None = the caller does so."""

    text: str
    kind: Kind
    param: str
    write: Callable[[str], None] | None = None


class Known(NamedTuple):
    """The objects that a request names, by the ids that its client uses."""

    owner: str
    objects: Mapping[str, OwnedObject]

    @property
    def provider(self) -> str | None:
        """The provider of the first one; None = the request names no object of its client."""
        return next((one.provider for one in self.objects.values()), None)

    def upstream(self, text: str) -> str:
        """The provider's id for an id of a request, which was admitted."""
        found = self.objects.get(text)
        return text if found is None else found.upstream


class Ownership:
    """Translates ids of one gateway."""

    def __init__(self, store: OwnedObjects, seams: Seams) -> None:
        self._store = store
        self._seams = seams

    # --- Requests --------------------------------------------------------------------------------------

    async def named(self, owner: str, stated: Sequence[Stated]) -> Known:
        """The objects that a request names and that belong to this owner, in the order of the request. Ids of
        other objects, or of objects of another kind, are left out; `admit` decides on them.
        """
        if not stated:
            return Known(owner, {})
        rows = await reachable(self._store.find(owner, {one.text for one in stated}))
        by_id = {row.id: row for row in rows}
        found = ((one, by_id.get(one.text)) for one in stated)
        return Known(owner, {row.id: row for one, row in found if row is not None and row.kind == one.kind})

    async def admit(self, stated: Iterable[Stated], known: Known, passage: Passage) -> None:
        """Write the provider's ids into the request. Raises RequestFailed (404) for an id that is not an
        object of the client at this provider.
        """
        strange: dict[str, Stated] = {}
        for one in stated:
            row = known.objects.get(one.text)
            if row is None:
                strange.setdefault(one.text, one)
            elif row.provider != passage.name:
                text = f"{one.text[:128]!r} belongs to another provider than the rest of the request."
                raise RequestFailed(ir.Fault("not_found", text, "not_found", one.param))
            elif one.write is not None:
                one.write(row.upstream)
        if not strange:
            return
        owned = {row.upstream for row in await reachable(self._store.known(passage.name, strange.keys()))}
        for one in strange.values():
            if passage.ids == "minted" or one.text in owned:
                raise RequestFailed(missing(one))

    # --- Answers ---------------------------------------------------------------------------------------

    async def filtered(self, entries: Sequence[Any], known: Known, passage: Passage) -> list[Any]:
        """The entries of a provider's list that the client owns; and, if clients may use the provider's ids
        (`passage.ids`), those that no client owns. Entries without an id are left out.
        """
        ids = [place.text for entry in entries for place in places(entry, "id")]
        rows = await reachable(self._store.known(passage.name, ids))
        owners = {row.upstream: row.owner for row in rows}
        others = known.owner if passage.ids == "upstream" else None
        return [
            entry
            for entry in entries
            for place in places(entry, "id")
            if owners.get(place.text, others) == known.owner
        ]

    async def has_any(self, known: Known, passage: Passage, kind: Kind) -> bool:
        """Whether the client may see any object of this kind."""
        if passage.ids == "upstream":
            return True
        return await reachable(self._store.has(known.owner, passage.name, kind))

    async def show(
        self, entries: Sequence[Any], ids: Ids, known: Known, passage: Passage, *, new: bool
    ) -> None:
        """Write the ids that clients use into objects that a provider has answered. new: True = the objects
        belong to the client, so ids that are seen for the first time are minted. Without it, that is so for
        the objects that the client owns already.
        """
        found = [_Spots.of(entry, ids) for entry in entries]
        texts = [token for one in found for place in one.texts for token in tokens(place.text)]
        seen = {place.text for one in found for place, _ in one.ids}
        rows = await reachable(self._store.known(passage.name, seen.union(texts)))
        by_upstream = {row.upstream: row for row in rows}
        now, fresh = self._seams.now(), dict[str, OwnedObject]()
        for one in found:
            if not new and (one.own is None or one.own not in by_upstream):
                continue
            for place, kind in one.ids:
                if place.text not in by_upstream and place.text not in fresh:
                    fresh[place.text] = self._made(place.text, kind, known.owner, passage, now)
        if fresh:
            for row in await self._kept(list(fresh.values())):
                by_upstream[row.upstream] = row
        public = {row.upstream: row.id for row in by_upstream.values()}
        for one in found:
            for place, _ in one.ids:
                place.write(public.get(place.text, place.text))
            for place in one.texts:
                place.write(reworded(place.text, public, hide=not place.path.endswith(_NAMES)))

    def _made(self, upstream: str, kind: Kind, owner: str, passage: Passage, now: float) -> OwnedObject:
        id_ = upstream
        if kind != "model":
            id_ = minted(kind, passage.dialect.name, self._seams.random_id())
        return OwnedObject(id_, owner, passage.name, kind, upstream, now)

    async def _kept(self, objects: Sequence[OwnedObject]) -> Sequence[OwnedObject]:
        """Keep new objects. Raises RequestFailed if the store fails: the objects are at the provider then,
        and no client can reach them, so the log names them.
        """
        try:
            return await reachable(self._store.keep(objects))
        except RequestFailed:
            for one in objects:
                log.error(  # noqa: TRY400 - `reachable` has logged the store's error
                    "the %s %s at %s is lost to its client %s: its id could not be stored",
                    *(one.kind, one.upstream, one.provider, one.owner),
                )
            raise

    async def text(self, text: str, known: Known, passage: Passage, *, hide: bool) -> str:
        """A provider's text with the ids that the client uses. hide: True = ids of others are hidden."""
        return (await self._change(text, known, passage, hide=hide))(text)

    async def fault(self, fault: ir.Fault, known: Known, passage: Passage) -> ir.Fault:
        """A provider's error with the ids that the client uses; ids of others are hidden."""
        said = f"{fault.message} {fault.param or ''} {msgspec.json.encode(fault.extra).decode()}"
        change = await self._change(said, known, passage, hide=True)
        extra = None if fault.extra is None else each_text(fault.extra, change)
        param = None if fault.param is None else change(fault.param)
        return msgspec.structs.replace(fault, message=change(fault.message), param=param, extra=extra)

    async def _change(self, said: str, known: Known, passage: Passage, *, hide: bool) -> Callable[[str], str]:
        rows = await reachable(self._store.known(passage.name, tokens(said)))
        public = {row.upstream: row.id for row in (*rows, *known.objects.values()) if row.kind != "model"}
        own = {row.upstream for row in rows if row.owner == known.owner}
        named = {row.upstream for row in known.objects.values()}
        return partial(
            reworded, known={old: id_ for old, id_ in public.items() if old in own | named}, hide=hide
        )

    async def forget(self, id_: str, known: Known) -> None:
        """Forget an object that its provider has deleted."""
        if id_ in known.objects:
            await reachable(self._store.remove(known.owner, id_))


class _Spots(NamedTuple):
    """Where ids stand in one object of an answer. own: the provider's id of the object itself."""

    ids: list[tuple[Place, Kind]]
    texts: list[Place]
    own: str | None

    @classmethod
    def of(cls, entry: Any, ids: Ids) -> _Spots:
        found = [
            (place, kind)
            for path, kind in (ids.answer or {}).items()
            for place in places(entry, path)
            if place.text
        ]
        texts = [place for path in ids.texts for place in places(entry, path)]
        return cls(found, texts, next((place.text for place in places(entry, "id")), None))


def missing(stated: Stated) -> ir.Fault:
    """The fault for an id that the client does not own."""
    name = stated.kind.replace("_", " ")
    return ir.Fault("not_found", f"There is no {name} {stated.text[:128]!r}.", "not_found", stated.param)


_NAMES: Final = ("filename", "results_url")
"""Members whose text keeps what looks like an id and is none: a client may name its files so."""
