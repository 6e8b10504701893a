"""The store in memory. Its size is limited, and its content is lost when the process ends.

The methods of the parts in this module await nothing, so other tasks never see a method half done. Stored
objects are frozen, so they are not copied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

import msgspec

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.added import Additions
from dragoman.state.directory import DirectoryStore
from dragoman.state.owned import OwnedObjects
from dragoman.state.pages import read_page
from dragoman.state.seals import Vault
from dragoman.state.store import (
    UNSETTLED,
    Chats,
    Conversation,
    Conversations,
    DataRefused,
    Item,
    Lease,
    Page,
    Responses,
    Session,
    Sessions,
    StoredResponse,
    StoreFull,
)
from dragoman.state.usage_archive import UsageArchive
from dragoman.stores.chats import MemoryChats
from dragoman.stores.limits import DEFAULT_LIMITS, Limits, check_read, is_over, later
from dragoman.stores.owned import MemoryOwned
from dragoman.stores.room import Place, Room
from dragoman.stores.seals import MemoryVault
from dragoman.stores.usage import MemoryUsage

replace = msgspec.structs.replace
_OBJECT = 800
"""The approximate memory of a response, a conversation or a session, without its content, in bytes."""
_ITEM = 500
"""The approximate memory of an item, without its content, in bytes."""
_PIECE = 120
"""The approximate memory of an event or a turn, without its content, in bytes."""


class MemoryStore:
    """Stores data in memory; implements `state.store.Store`. `directory` and `added` are None: client keys,
    tenants, teams, users, and entries that operators have added to the configuration are not stored. `seals`
    is None if `limits` allows no seals. seams: gives the clocks and the random secret of the vault.
    """

    kind = "memory"
    version: str | None = None
    shared = False
    is_open = True
    healthy: bool | None = True
    last_error: str | None = None

    def __init__(self, limits: Limits = DEFAULT_LIMITS, seams: Seams = SYSTEM) -> None:
        room, items = Room(limits.size), _Items(limits.history_size)
        responses = MemoryResponses(room, items, limits, seams.now)
        conversations = MemoryConversations(room, items, limits, seams.now)
        sessions = MemorySessions(room, limits, seams.now)
        chats = MemoryChats(room, seams.now)
        self.responses: Responses = responses
        self.conversations: Conversations = conversations
        self.sessions: Sessions = sessions
        self.chats: Chats = chats
        self.added: Additions | None = None
        self.directory: DirectoryStore | None = None
        self.usage: UsageArchive | None = MemoryUsage(seams.now)
        self.owned: OwnedObjects = MemoryOwned()
        self.seals: Vault | None = None
        if limits.seals:
            secret = bytes.fromhex(seams.random_id() + seams.random_id())
            self.seals = MemoryVault(
                secret, ttl=limits.seals_ttl, max_size=limits.seals_size, now=seams.monotonic
            )
        self._parts = (responses, conversations, sessions, chats)

    async def probe(self) -> None:
        """Do nothing: memory takes what is written."""

    async def sweep(self, now: float) -> None:
        """Delete the responses (except running ones), conversations, sessions and chat completions that have
        expired at `now` (Unix seconds). Seals, usage records and owners of objects are not touched.
        """
        for part in self._parts:
            part.sweep(now)

    async def close(self) -> None:
        """Do nothing: there are no files and no connections."""


def _items_size(items: Collection[Item]) -> int:
    return sum([_ITEM + len(item.body) + len(item.id) for item in items])


def _weight(body: bytes, items: Collection[Item]) -> int:
    return _OBJECT + len(body) + _items_size(items)


class _KeptResponse(msgspec.Struct, eq=False):
    """A stored response. bodies: {id of an item: its JSON}, for input and output; `_Items` fills and empties
    it. events: the number and JSON of each event, in order. events_size: the approximate memory of the events
    in bytes.
    """

    response: StoredResponse
    place: Place
    bodies: dict[str, bytes] = msgspec.field(default_factory=dict)
    events: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    events_size: int = 0

    @property
    def runs(self) -> bool:
        """Whether the response has a lease, however old, and its status is not final."""
        return self.response.lease is not None and self.response.status in UNSETTLED

    def is_over(self, now: float) -> bool:
        """Return whether the response has expired, and `runs` is False. now: Unix seconds."""
        return is_over(self.response.expires, now) and not self.runs


class _KeptConversation(msgspec.Struct, eq=False):
    """A stored conversation. items: the items by number; the numbers rise in the order in which items were
    added. next: the number that the next item gets. bodies: {id of an item: its JSON}; `_Items` fills and
    empties it.
    """

    conversation: Conversation
    place: Place
    items: dict[int, Item]
    next: int = 0
    bodies: dict[str, bytes] = msgspec.field(default_factory=dict)

    def is_over(self, now: float) -> bool:
        return is_over(self.conversation.expires, now)


_Holder: TypeAlias = _KeptResponse | _KeptConversation
_H = TypeVar("_H", _KeptResponse, _KeptConversation)


class _Items:
    """Finds the items of responses and conversations by the ids of the items. A response or conversation is
    called the holder of its items. most: the most bytes that one search may return; a larger result raises
    HistoryTooLarge.

    A response may have 60,000 items, and the event loop waits while they are added. So the items of a holder
    are added with a few set operations.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._latest: dict[str, dict[str, _Holder]] = {}
        """By client and item id: of the holders that have an item with this id, the one that got it last."""
        self._earlier: dict[str, dict[str, list[_Holder]]] = {}
        """By client and item id: the other holders that have an item with this id, the oldest first."""

    def add(self, holder: _Holder, items: Iterable[Item]) -> None:
        tenant, bodies = holder.place.tenant, {item.id: item.body for item in items}
        latest = self._latest.setdefault(tenant, {})
        for id_ in latest.keys() & bodies.keys():
            if latest[id_] is not holder:
                self._earlier.setdefault(tenant, {}).setdefault(id_, []).append(latest[id_])
        latest.update(dict.fromkeys(bodies, holder))
        holder.bodies.update(bodies)

    def drop(self, holder: _Holder, ids: Iterable[str]) -> None:
        tenant = holder.place.tenant
        latest, earlier = self._latest.get(tenant, {}), self._earlier.get(tenant, {})
        for id_ in ids:
            if holder.bodies.pop(id_, None) is None:
                continue
            if id_ in earlier:
                self._leave(holder, id_)
            else:
                del latest[id_]
        if not latest:
            self._latest.pop(tenant, None)

    def _leave(self, holder: _Holder, id_: str) -> None:
        tenant = holder.place.tenant
        latest, earlier = self._latest[tenant], self._earlier[tenant]
        left = [one for one in (*earlier.pop(id_), latest.pop(id_)) if one is not holder]
        if left:
            latest[id_] = left.pop()
        if left:
            earlier[id_] = left
        elif not earlier:
            del self._earlier[tenant]

    def find(self, tenant: str, ids: Collection[str], now: float) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        latest, earlier = self._latest.get(tenant, {}), self._earlier.get(tenant, {})
        for id_ in ids:
            for holder in (*earlier.get(id_, ()), latest.get(id_)):
                if holder is not None and not holder.is_over(now):
                    found[id_] = holder.bodies[id_]
        check_read(sum(map(len, found.values())), self._most)
        return found


class _Shelf(Generic[_H]):
    """The common part of MemoryResponses and MemoryConversations. Each response or conversation has a unique
    id, and contains items. room: counts the memory of all entries of the store, and makes space by removing
    some. items: finds the items of all responses and conversations. now: returns Unix seconds.
    """

    def __init__(self, room: Room, items: _Items, limits: Limits, now: Callable[[], float]) -> None:
        self._room = room
        self._items = items
        self._limits = limits
        self._now = now
        self._kept: dict[str, _H] = {}

    async def delete(self, tenant: str, id_: str) -> bool:
        there = self._live(tenant, id_) is not None
        if there:
            self._drop(id_)
        return there

    def sweep(self, now: float) -> None:
        for id_ in [id_ for id_, kept in self._kept.items() if kept.is_over(now)]:
            self._drop(id_)

    def _live(self, tenant: str, id_: str) -> _H | None:
        kept = self._kept.get(id_)
        return None if kept is None or kept.place.tenant != tenant or kept.is_over(self._now()) else kept

    def _drop(self, id_: str) -> None:
        kept = self._kept.pop(id_)
        self._items.drop(kept, list(kept.bodies))
        self._room.free(kept.place)


class MemoryResponses(_Shelf[_KeptResponse]):
    """Stores responses in memory; implements `state.store.Responses`."""

    async def save(self, response: StoredResponse) -> None:
        if response.id in self._kept:
            raise DataRefused(f"{response.id} already exists")
        size = _weight(response.body, (*response.input, *response.output))
        self._room.check(size)
        self._room.make(response.tenant, size)
        place = Place(response.tenant, size, lambda: self._drop(response.id))
        kept = self._kept[response.id] = _KeptResponse(response, place)
        place.stays = kept.runs
        self._items.add(kept, (*response.input, *response.output))
        self._room.take(place)

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        kept = self._live(response.tenant, response.id)
        if kept is None or kept.response.status not in UNSETTLED:
            return False
        old, output = kept.response, response.output
        if lease not in {None, old.lease}:
            return False
        more = sum(_PIECE + len(event) for event in events)
        size = _weight(response.body, (*old.input, *output)) + kept.events_size + more
        self._room.check(size)
        self._room.make(old.tenant, size - kept.place.size, kept.place)
        kept.events.extend(enumerate(events, first))
        kept.events_size += more
        kept.response = replace(
            old,
            status=response.status,
            body=response.body,
            output=output,
            deployment=response.deployment,
            expires=later(old.expires, response.expires),
            lease=old.lease if response.status in UNSETTLED else None,
        )
        self._items.drop(kept, [item.id for item in old.output])
        self._items.add(kept, (*old.input, *output))
        kept.place.stays = kept.runs
        self._room.resize(kept.place, size)
        return True

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        kept = self._live(tenant, id_)
        return None if kept is None else kept.response

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        chain: deque[_KeptResponse] = deque()
        step: str | None = id_
        count = 0
        while step is not None:
            kept = self._live(tenant, step)
            if kept is None:
                return None
            chain.appendleft(kept)
            step = kept.response.previous
            count += max(1, len(kept.response.input) + len(kept.response.output))
            check_read(count, self._limits.history_count, "items")
        check_read(
            sum([len(item.body) for one in chain for item in (*one.response.input, *one.response.output)]),
            self._limits.history_size,
        )
        for kept in chain:
            until = later(kept.response.expires, expires)
            if until != kept.response.expires:
                kept.response = replace(kept.response, expires=until)
            self._room.touch(kept.place)
        return [kept.response for kept in chain]

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        return self._items.find(tenant, ids, self._now())

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        kept = self._kept.get(id_)
        if kept is None:
            return
        more = sum(_PIECE + len(event) for event in events)
        self._room.check(kept.place.size + more)
        self._room.make(kept.place.tenant, more, kept.place)
        kept.events.extend(enumerate(events, first))
        kept.events_size += more
        self._room.resize(kept.place, kept.place.size + more)

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        kept = self._live(tenant, id_)
        if kept is None:
            return ()
        start = bisect_right(kept.events, after, key=lambda event: event[0])
        return kept.events[start : start + limit]

    async def last_event(self, tenant: str, id_: str) -> tuple[int, bytes] | None:
        kept = self._live(tenant, id_)
        return kept.events[-1] if kept is not None and kept.events else None

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        renewed = set()
        for id_ in ids:
            kept = self._kept.get(id_)
            if kept is not None and kept.response.status in UNSETTLED:
                kept.response = replace(kept.response, lease=lease)
                kept.place.stays = True
                renewed.add(id_)
        return renewed

    async def leases(self) -> Sequence[Lease]:
        running = [kept.response for kept in self._kept.values() if kept.runs]
        return [Lease(one.id, one.tenant, one.lease) for one in running if one.lease is not None]


class MemoryConversations(_Shelf[_KeptConversation]):
    """Stores conversations in memory; implements `state.store.Conversations`."""

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        id_, tenant = conversation.id, conversation.tenant
        if id_ in self._kept:
            raise DataRefused(f"{id_} already exists")
        size = _weight(conversation.metadata, items)
        self._make(tenant, size, size)
        place = Place(tenant, size, lambda: self._drop(id_))
        kept = _KeptConversation(conversation, place, dict(enumerate(items)), len(items))
        self._kept[id_] = kept
        self._items.add(kept, items)
        self._room.take(place)

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        kept = self._live(tenant, id_)
        return None if kept is None else kept.conversation

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        kept = self._live(tenant, id_)
        if kept is None:
            return False
        size = kept.place.size + len(metadata) - len(kept.conversation.metadata)
        self._make(tenant, size, len(metadata), kept.place)
        kept.conversation = replace(kept.conversation, metadata=metadata)
        self._room.resize(kept.place, size)
        return True

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        kept = self._live(tenant, id_)
        if kept is None:
            return False
        more = _items_size(items)
        size = kept.place.size + more
        self._make(tenant, size, more, kept.place)
        kept.items.update(enumerate(items, kept.next))
        kept.next += len(items)
        until = later(kept.conversation.expires, expires)
        kept.conversation = replace(kept.conversation, expires=until)
        self._items.add(kept, items)
        self._room.resize(kept.place, size)
        return True

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        kept = self._live(tenant, id_)
        if kept is None:
            return None
        check_read(len(kept.items), self._limits.history_count, "items")
        return list(kept.items.values())

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        kept = self._live(tenant, id_)
        if kept is None:
            return None
        return read_page(kept.items, after=after, limit=limit, newest=newest)

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        kept = self._live(tenant, id_)
        items = () if kept is None else kept.items.values()
        return next((one for one in items if one.id == item), None)

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        kept = self._live(tenant, id_)
        if kept is None:
            return False
        places = [place for place, one in kept.items.items() if one.id == item]
        gone = [kept.items.pop(place) for place in places]
        self._items.drop(kept, [one.id for one in gone])
        self._room.resize(kept.place, kept.place.size - _items_size(gone))
        return bool(gone)

    def _make(self, tenant: str, size: int, more: int, spared: Place | None = None) -> None:
        """Make room for `more` further bytes of a conversation that will then have `size` bytes. Other
        entries may be removed for it. spared: the place of this conversation, which is not removed; None =
        the conversation is new. Raises StoreFull if `size` is more than a conversation may have
        (`Limits.history_size`, `Limits.size`), or if no space can be made.
        """
        most = min(self._limits.size, self._limits.history_size)
        if size > most:
            raise StoreFull(f"{size} bytes are more than the {most} bytes that one conversation may hold")
        self._room.make(tenant, more, spared)


class _KeptSession(msgspec.Struct, eq=False):
    place: Place
    turns: deque[bytes]
    size: int
    used: float
    expires: float


class MemorySessions:
    """Stores sessions in memory; implements `state.store.Sessions`."""

    def __init__(self, room: Room, limits: Limits, now: Callable[[], float]) -> None:
        self._room = room
        self._limits = limits
        self._now = now
        self._sessions: dict[tuple[str, str], _KeptSession] = {}
        self._owners: dict[str, OrderedDict[str, None]] = {}
        """By client: the ids of its sessions, the least recently used first."""

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        session = self._live(tenant, id_)
        return () if session is None else list(session.turns)

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        if len(turn) > self._limits.session_size:
            raise StoreFull(f"a turn of {len(turn)} bytes is more than a session may hold")
        key = (tenant, id_)
        session = self._sessions.get(key)
        if session is not None and session.expires <= now:
            self._drop(key)
            session = None
        more = len(turn) + _PIECE + (_OBJECT if session is None else 0)
        self._room.check(more)
        self._room.make(tenant, more, None if session is None else session.place)
        if session is None:
            place = Place(tenant, 0, lambda: self._drop(key))
            session = self._sessions[key] = _KeptSession(place, deque(), 0, now, expires)
            self._owners.setdefault(tenant, OrderedDict())[id_] = None
            self._room.take(place)
        session.turns.append(turn)
        session.size += len(turn)
        while session.size > self._limits.session_size:
            session.size -= len(session.turns.popleft())
        session.used, session.expires = now, expires
        self._owners[tenant].move_to_end(id_)
        self._room.resize(session.place, _OBJECT + session.size + _PIECE * len(session.turns))
        if len(self._sessions) > self._limits.session_count:
            self._drop_one(key)

    def _drop_one(self, newest: tuple[str, str]) -> None:
        """Delete the least recently used session of the client that has the most sessions (of several such
        clients, that of `newest`, else the first by name). newest: (client, id) of a session that is not
        deleted; if its client has no other, the next client loses one.
        """
        tenant = newest[0]
        owners = sorted(self._owners, key=lambda one: (-len(self._owners[one]), one != tenant, one))
        for owner in owners:
            for id_ in self._owners[owner]:
                if (owner, id_) != newest:
                    self._drop((owner, id_))
                    return

    async def move(self, tenant: str, id_: str, to: str) -> bool:
        session = self._live(tenant, id_)
        if session is None:
            return False
        if id_ != to and (tenant, to) in self._sessions:
            self._drop((tenant, to))
        del self._sessions[tenant, id_], self._owners[tenant][id_]
        session.place.leave = lambda: self._drop((tenant, to))
        self._sessions[tenant, to] = session
        self._owners[tenant][to] = None
        return True

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        now = self._now()
        listed = [
            Session(
                id=id_,
                tenant=owner,
                turns=len(session.turns),
                size=session.size,
                used=session.used,
                expires=session.expires,
            )
            for (owner, id_), session in self._sessions.items()
            if session.expires > now and tenant in {None, owner}
        ]
        return sorted(listed, key=lambda session: session.used, reverse=True)[:limit]

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        now = self._now()
        tenants = [owner for owner, name in self._sessions if name == id_] if tenant is None else [tenant]
        gone = 0
        for owner in tenants:
            session = self._sessions.get((owner, id_))
            if session is not None:
                gone += session.expires > now
                self._drop((owner, id_))
        return gone

    async def count(self) -> int:
        now = self._now()
        return sum(session.expires > now for session in self._sessions.values())

    def sweep(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if session.expires <= now]:
            self._drop(key)

    def _live(self, tenant: str, id_: str) -> _KeptSession | None:
        session = self._sessions.get((tenant, id_))
        return None if session is None or session.expires <= self._now() else session

    def _drop(self, key: tuple[str, str]) -> None:
        self._room.free(self._sessions.pop(key).place)
        tenant, id_ = key
        ids = self._owners[tenant]
        del ids[id_]
        if not ids:
            del self._owners[tenant]
