"""Translates the ids of objects at providers: in a request, the client's ids become the provider's ids; in an
answer, the provider's ids become the client's ids.

If an answer shows a new object of the client, the gateway makes an id for the object, and stores the client
as its owner (`state.owned`). Only the names of fine-tuned models are not replaced. A request with an id that
the client does not own gets the error 404 without a call to the provider. The exception: if clients may use
the provider's ids (`Passage.ids` is "upstream"), an id that no client owns is passed on.
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
    """An id in a request. text: the id that the client sent, decoded. kind: the kind of object that the id
    must name. param: the place of the id in the request, for errors. write: call it with another id to
    replace the id in the request's body; None = the id is in the path or the query, where the caller replaces
    it.
    """

    text: str
    kind: Kind
    param: str
    write: Callable[[str], None] | None = None


class Known(NamedTuple):
    """The client's objects that a request names. owner: the client's name. objects: the objects by the ids
    that clients use, in the order in which the request names them.
    """

    owner: str
    objects: Mapping[str, OwnedObject]

    @property
    def provider(self) -> str | None:
        """The name of the provider that has the first object; None = there are no objects."""
        return next((one.provider for one in self.objects.values()), None)

    def upstream(self, text: str) -> str:
        """Return the provider's id for `text`, an id in the request. An id that is not in `objects` is
        returned unchanged: this method does not check whether the client may use the id (`Ownership.admit`
        does).
        """
        found = self.objects.get(text)
        return text if found is None else found.upstream


class Ownership:
    """Translates ids between the clients and the providers of one gateway. Each async method raises
    RequestFailed (503) if it needs the store of owners, and the store fails or is full.
    """

    def __init__(self, store: OwnedObjects, seams: Seams) -> None:
        self._store = store
        self._seams = seams

    # --- Requests --------------------------------------------------------------------------------------

    async def named(self, owner: str, stated: Sequence[Stated]) -> Known:
        """Return the client's objects that the ids in a request name. owner: the client's name. Unknown ids,
        ids of other clients' objects, and ids of another kind than stated are left out, and are no errors
        here (see `admit`).
        """
        if not stated:
            return Known(owner, {})
        rows = await reachable(self._store.find(owner, {one.text for one in stated}))
        by_id = {row.id: row for row in rows}
        found = ((one, by_id.get(one.text)) for one in stated)
        return Known(owner, {row.id: row for one, row in found if row is not None and row.kind == one.kind})

    async def admit(self, stated: Iterable[Stated], known: Known, passage: Passage) -> None:
        """Check the ids of a request, and write the provider's ids into its body, by `Stated.write`. known:
        from `named`. passage: the provider to be called.

        Raises RequestFailed (404) for an object that is at another provider, and for an id that is not in
        `known`. But if clients may use the provider's ids (`passage.ids` is "upstream"), an id that is not in
        `known` is an error only if it is the provider's id of an object that a client owns.
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
        """Return the entries of a provider's list that the client owns. If clients may use the provider's ids
        (`passage.ids` is "upstream"), also return the entries that no client owns. Entries without an id are
        left out.
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
        """Whether a provider's list of objects of this kind may have an entry for the client: the client owns
        such an object there, or clients may use the provider's ids (`passage.ids` is "upstream").
        """
        if passage.ids == "upstream":
            return True
        return await reachable(self._store.has(known.owner, passage.name, kind))

    async def show(
        self, entries: Sequence[Any], ids: Ids, known: Known, passage: Passage, *, new: bool
    ) -> None:
        """Replace the provider's ids in objects of its answer by the ids that clients use. entries: the
        objects, which are changed. ids: the places of ids, and of texts that may contain ids. In these texts,
        other words that look like ids are hidden, except in file names and addresses of results.

        new: True = the client becomes the owner of each id that is not stored yet: the id is stored, with a
        new id for clients (a model keeps its name). False = this is done only in an object whose own id was
        stored before; in all other objects, ids that are not stored stay as the provider wrote them.
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
        """Store new objects, and return them as the store has them afterwards. If the store fails, log the
        objects, because they exist at the provider but no client can reach them, and raise RequestFailed.
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
        """Return a provider's text in which the ids of the client's objects are replaced by the ids that
        clients use. hide: True = all other words of the text that look like ids are hidden; False = they
        stay.
        """
        return (await self._change(text, known, passage, hide=hide))(text)

    async def fault(self, fault: ir.Fault, known: Known, passage: Passage) -> ir.Fault:
        """Return a provider's error in which the ids of the client's objects are replaced by the ids that
        clients use. All other words that look like ids are hidden.
        """
        said = f"{fault.message} {fault.param or ''} {msgspec.json.encode(fault.extra).decode()}"
        change = await self._change(said, known, passage, hide=True)
        extra = None if fault.extra is None else each_text(fault.extra, change)
        param = None if fault.param is None else change(fault.param)
        return fault.changed(message=change(fault.message), param=param, extra=extra)

    async def _change(self, said: str, known: Known, passage: Passage, *, hide: bool) -> Callable[[str], str]:
        rows = await reachable(self._store.known(passage.name, tokens(said)))
        public = {row.upstream: row.id for row in (*rows, *known.objects.values()) if row.kind != "model"}
        own = {row.upstream for row in rows if row.owner == known.owner}
        named = {row.upstream for row in known.objects.values()}
        return partial(
            reworded, known={old: id_ for old, id_ in public.items() if old in own | named}, hide=hide
        )

    async def forget(self, id_: str, known: Known) -> None:
        """Remove an object from the store of owners. id_: the id that clients use. If `known` does not have
        the object, do nothing.
        """
        if id_ in known.objects:
            await reachable(self._store.remove(known.owner, id_))


class _Spots(NamedTuple):
    """The places of ids in one object of an answer. ids: fields that contain an id, each with the kind of
    object that the id names. texts: texts that may contain ids. own: the provider's id of the object itself;
    None = the object has no id.
    """

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
    """Return the fault (404) for an id in a request that is not valid or that the client may not use."""
    name = stated.kind.replace("_", " ")
    return ir.Fault("not_found", f"There is no {name} {stated.text[:128]!r}.", "not_found", stated.param)


_NAMES: Final = ("filename", "results_url")
"""Fields of texts in which unknown ids are not hidden: a client may name a file like an id."""
