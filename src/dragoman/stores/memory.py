"""The store in this process: bounded by bytes, gone with it.

Nothing here waits, so every method is one step for whoever else runs in the loop. A stored value is the
caller's own object: all of them are frozen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.seals import MemoryVault, Vault
from dragoman.state.store import (
    UNSETTLED,
    Chats,
    Conversation,
    Conversations,
    HistoryTooLarge,
    Item,
    Lease,
    Page,
    Responses,
    Session,
    Sessions,
    StoredResponse,
    StoreFailed,
    StoreFull,
    page,
)
from dragoman.stores.chats import MemoryChats
from dragoman.stores.limits import STANDARD, Limits, later
from dragoman.stores.room import Place, Room

replace = msgspec.structs.replace
_OBJECT = 800
"""Bytes of memory that an answer, a conversation or a session takes beside its content, roughly."""
_ITEM = 500
"""Bytes of memory that an item takes beside its content."""
_PIECE = 120
"""Bytes of memory that an event or a turn takes beside its content."""


class MemoryStore:
    """Keeps everything in this process. limits: how much. seams: the clock, and what a secret is made of."""

    kind = "memory"
    shared = False
    healthy: bool | None = True
    last_error: str | None = None

    def __init__(self, limits: Limits = STANDARD, seams: Seams = SYSTEM) -> None:
        room, items = Room(limits.size), _Items(limits.history_size)
        responses = MemoryResponses(room, items, limits, seams.now)
        conversations = MemoryConversations(room, items, limits, seams.now)
        sessions = MemorySessions(room, limits, seams.now)
        chats = MemoryChats(room, seams.now)
        self.responses: Responses = responses
        self.conversations: Conversations = conversations
        self.sessions: Sessions = sessions
        self.chats: Chats = chats
        self.seals: Vault | None = _vault(limits, seams)
        self._parts = (responses, conversations, sessions, chats)

    async def sweep(self, now: float) -> None:
        """Forget what has expired. What is too much has left already."""
        for part in self._parts:
            part.sweep(now)

    async def close(self) -> None:
        """There is nothing to let go of."""


def _vault(limits: Limits, seams: Seams) -> MemoryVault | None:
    if not limits.seals:
        return None
    secret = bytes.fromhex(seams.random_id() + seams.random_id())
    return MemoryVault(secret, ttl=limits.seals_ttl, max_size=limits.seals_size, now=seams.monotonic)


def _items_size(items: Collection[Item]) -> int:
    return sum([_ITEM + len(item.body) + len(item.id) for item in items])


def _weight(body: bytes, items: Collection[Item]) -> int:
    return _OBJECT + len(body) + _items_size(items)


def _check_read(size: int, most: int) -> None:
    """Raises HistoryTooLarge for more than is read at once."""
    if size > most:
        raise HistoryTooLarge(f"{size} bytes are more than the {most} bytes that can be read at once")


def _check_count(count: int, most: int) -> None:
    """Raises HistoryTooLarge for more items than are read at once."""
    if count > most:
        raise HistoryTooLarge(f"{count} items are more than the {most} items that can be read at once")


class _Answer(msgspec.Struct, eq=False):
    """events: number and JSON, in order. events_size: what they take. bodies: of its items, by their ids."""

    response: StoredResponse
    place: Place
    bodies: dict[str, bytes] = msgspec.field(default_factory=dict)
    events: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    events_size: int = 0

    @property
    def runs(self) -> bool:
        """Whether it has a worker. No clock decides that: see `StoredResponse.lease`."""
        return self.response.lease is not None and self.response.status in UNSETTLED

    def is_over(self, now: float) -> bool:
        """Whether it has expired."""
        return _is_over(self.response.expires, now) and not self.runs


class _Thread(msgspec.Struct, eq=False):
    """items: by their place in the order in which they were added. bodies: of the items, by their ids."""

    conversation: Conversation
    place: Place
    items: dict[int, Item]
    next: int = 0
    bodies: dict[str, bytes] = msgspec.field(default_factory=dict)

    def is_over(self, now: float) -> bool:
        """Whether it has expired."""
        return _is_over(self.conversation.expires, now)


class _Items:
    """Finds items by their id, in answers and conversations. most: bytes that are found at once.

    An answer may have 60,000 items, and the loop stands still while they are added. So they are added
    together, and only an id that several have costs more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._latest: dict[str, dict[str, _Answer | _Thread]] = {}
        """By tenant and id: who got an item of this id last."""
        self._earlier: dict[str, dict[str, list[_Answer | _Thread]]] = {}
        """The same for those who got one of this id before."""

    def add(self, tenant: str, holder: _Answer | _Thread, items: Collection[Item]) -> None:
        bodies = {item.id: item.body for item in items}
        latest = self._latest.setdefault(tenant, {})
        for id_ in latest.keys() & bodies.keys():
            if latest[id_] is not holder:
                self._earlier.setdefault(tenant, {}).setdefault(id_, []).append(latest[id_])
        latest.update(dict.fromkeys(bodies, holder))
        holder.bodies.update(bodies)

    def drop(self, tenant: str, holder: _Answer | _Thread, items: Collection[Item]) -> None:
        latest, earlier = self._latest.get(tenant, {}), self._earlier.get(tenant, {})
        for item in items:
            id_ = item.id
            if holder.bodies.pop(id_, None) is None:
                continue
            if id_ in earlier:
                self._leave(tenant, holder, id_)
            else:
                del latest[id_]
        if not latest:
            self._latest.pop(tenant, None)

    def _leave(self, tenant: str, holder: _Answer | _Thread, id_: str) -> None:
        """Forget one of several that have an item of this id."""
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
        _check_read(sum(map(len, found.values())), self._most)
        return found


class MemoryResponses:
    """Answers in this process; see `state.store.Responses`."""

    def __init__(self, room: Room, items: _Items, limits: Limits, now: Callable[[], float]) -> None:
        self._room = room
        self._items = items
        self._history_size = limits.history_size
        self._history_count = limits.history_count
        self._now = now
        self._answers: dict[str, _Answer] = {}

    async def save(self, response: StoredResponse) -> None:
        if response.id in self._answers:
            raise StoreFailed(f"{response.id} already exists")
        size = _weight(response.body, (*response.input, *response.output))
        self._room.check(size)
        self._room.make(response.tenant, size)
        place = Place(response.tenant, size, lambda: self._drop(response.id))
        answer = self._answers[response.id] = _Answer(response, place)
        place.stays = answer.runs
        self._items.add(response.tenant, answer, (*response.input, *response.output))
        self._room.take(place)

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        answer = self._live(response.tenant, response.id)
        if answer is None or answer.response.status not in UNSETTLED:
            return False
        old, output = answer.response, response.output
        if lease not in {None, old.lease}:
            return False
        more = sum(_PIECE + len(event) for event in events)
        size = _weight(response.body, (*old.input, *output)) + answer.events_size + more
        self._room.check(size)
        self._room.make(old.tenant, size - answer.place.size, answer.place)
        answer.events.extend(enumerate(events, first))
        answer.events_size += more
        answer.response = replace(
            old,
            status=response.status,
            body=response.body,
            output=output,
            deployment=response.deployment,
            expires=later(old.expires, response.expires),
            lease=old.lease if response.status in UNSETTLED else None,
        )
        self._items.drop(old.tenant, answer, old.output)
        self._items.add(old.tenant, answer, (*old.input, *output))
        answer.place.stays = answer.runs
        self._room.resize(answer.place, size)
        return True

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        answer = self._live(tenant, id_)
        return None if answer is None else answer.response

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        chain: deque[_Answer] = deque()
        step: str | None = id_
        count = 0
        while step is not None:
            answer = self._live(tenant, step)
            if answer is None:
                return None
            chain.appendleft(answer)
            step = answer.response.previous
            count += max(1, len(answer.response.input) + len(answer.response.output))
            _check_count(count, self._history_count)
        _check_read(
            sum([len(item.body) for one in chain for item in (*one.response.input, *one.response.output)]),
            self._history_size,
        )
        for answer in chain:
            until = later(answer.response.expires, expires)
            if until != answer.response.expires:
                answer.response = replace(answer.response, expires=until)
            self._room.touch(answer.place)
        return [answer.response for answer in chain]

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        return self._items.find(tenant, ids, self._now())

    async def delete(self, tenant: str, id_: str) -> bool:
        if self._live(tenant, id_) is None:
            return False
        self._drop(id_)
        return True

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        answer = self._answers.get(id_)
        if answer is None:
            return
        more = sum(_PIECE + len(event) for event in events)
        self._room.check(answer.place.size + more)
        self._room.make(answer.place.tenant, more, answer.place)
        answer.events.extend(enumerate(events, first))
        answer.events_size += more
        self._room.resize(answer.place, answer.place.size + more)

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        answer = self._live(tenant, id_)
        if answer is None:
            return ()
        start = bisect_right(answer.events, after, key=_number)
        return answer.events[start : start + limit]

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        renewed = set()
        for id_ in ids:
            answer = self._answers.get(id_)
            if answer is not None and answer.response.status in UNSETTLED:
                answer.response = replace(answer.response, lease=lease)
                answer.place.stays = True
                renewed.add(id_)
        return renewed

    async def leases(self) -> Sequence[Lease]:
        running = [answer.response for answer in self._answers.values() if answer.runs]
        return [Lease(one.id, one.tenant, one.lease) for one in running if one.lease is not None]

    def sweep(self, now: float) -> None:
        """Forget what has expired."""
        for id_ in [id_ for id_, answer in self._answers.items() if answer.is_over(now)]:
            self._drop(id_)

    def _live(self, tenant: str, id_: str) -> _Answer | None:
        answer = self._answers.get(id_)
        if answer is None or answer.response.tenant != tenant:
            return None
        return None if answer.is_over(self._now()) else answer

    def _drop(self, id_: str) -> None:
        answer = self._answers.pop(id_)
        response = answer.response
        self._items.drop(response.tenant, answer, (*response.input, *response.output))
        self._room.free(answer.place)


def _is_over(expires: float | None, now: float) -> bool:
    return expires is not None and expires <= now


def _number(event: tuple[int, bytes]) -> int:
    return event[0]


class MemoryConversations:
    """Conversations in this process; see `state.store.Conversations`."""

    def __init__(self, room: Room, items: _Items, limits: Limits, now: Callable[[], float]) -> None:
        self._room = room
        self._items = items
        self._max_size = min(limits.size, limits.history_size)
        self._most_read = limits.history_count
        self._now = now
        self._threads: dict[str, _Thread] = {}

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        id_, tenant = conversation.id, conversation.tenant
        if id_ in self._threads:
            raise StoreFailed(f"{id_} already exists")
        size = _weight(conversation.metadata, items)
        self._make(tenant, size, size)
        place = Place(tenant, size, lambda: self._drop(id_))
        thread = _Thread(conversation, place, dict(enumerate(items)), len(items))
        self._threads[id_] = thread
        self._items.add(tenant, thread, items)
        self._room.take(place)

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        thread = self._live(tenant, id_)
        return None if thread is None else thread.conversation

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        thread = self._live(tenant, id_)
        if thread is None:
            return False
        size = thread.place.size + len(metadata) - len(thread.conversation.metadata)
        self._make(tenant, size, len(metadata), thread.place)
        thread.conversation = replace(thread.conversation, metadata=metadata)
        self._room.resize(thread.place, size)
        return True

    async def delete(self, tenant: str, id_: str) -> bool:
        if self._live(tenant, id_) is None:
            return False
        self._drop(id_)
        return True

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        thread = self._live(tenant, id_)
        if thread is None:
            return False
        more = _items_size(items)
        size = thread.place.size + more
        self._make(tenant, size, more, thread.place)
        thread.items.update(enumerate(items, thread.next))
        thread.next += len(items)
        until = later(thread.conversation.expires, expires)
        thread.conversation = replace(thread.conversation, expires=until)
        self._items.add(tenant, thread, items)
        self._room.resize(thread.place, size)
        return True

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        thread = self._live(tenant, id_)
        if thread is None:
            return None
        _check_count(len(thread.items), self._most_read)
        return list(thread.items.values())

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        thread = self._live(tenant, id_)
        if thread is None:
            return None
        items = reversed(thread.items.values()) if newest else iter(thread.items.values())
        if after is not None and not any(item.id == after for item in items):  # the rest is behind it
            raise KeyError(after)
        return page(items, limit)

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        thread = self._live(tenant, id_)
        items = () if thread is None else thread.items.values()
        return next((one for one in items if one.id == item), None)

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        thread = self._live(tenant, id_)
        if thread is None:
            return False
        places = [place for place, one in thread.items.items() if one.id == item]
        gone = [thread.items.pop(place) for place in places]
        self._items.drop(tenant, thread, gone)
        self._room.resize(thread.place, thread.place.size - _items_size(gone))
        return bool(gone)

    def sweep(self, now: float) -> None:
        """Forget what has expired."""
        for id_ in [id_ for id_, thread in self._threads.items() if thread.is_over(now)]:
            self._drop(id_)

    def _make(self, tenant: str, size: int, more: int, spared: Place | None = None) -> None:
        """Make room for a conversation. size: what it takes then."""
        if size > self._max_size:
            raise StoreFull(
                f"{size} bytes are more than the {self._max_size} bytes that one conversation may hold"
            )
        self._room.make(tenant, more, spared)

    def _live(self, tenant: str, id_: str) -> _Thread | None:
        thread = self._threads.get(id_)
        if thread is None or thread.conversation.tenant != tenant:
            return None
        return None if thread.is_over(self._now()) else thread

    def _drop(self, id_: str) -> None:
        thread = self._threads.pop(id_)
        self._items.drop(thread.conversation.tenant, thread, thread.items.values())
        self._room.free(thread.place)


class _Turns(msgspec.Struct, eq=False):
    place: Place
    turns: deque[bytes]
    size: int
    used: float
    expires: float


class MemorySessions:
    """Sessions in this process; see `state.store.Sessions`."""

    def __init__(self, room: Room, limits: Limits, now: Callable[[], float]) -> None:
        self._room = room
        self._limits = limits
        self._now = now
        self._sessions: dict[tuple[str, str], _Turns] = {}
        self._owners: dict[str, OrderedDict[str, None]] = {}
        """The ids of each tenant's sessions, least recently used first."""

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
            session = self._sessions[key] = _Turns(place, deque(), 0, now, expires)
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
        """There is one session too many: it is one of the tenant that has most, but not the newest itself."""
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
        return sorted(listed, key=_used, reverse=True)[:limit]

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
        """Forget what has expired."""
        for key in [key for key, session in self._sessions.items() if session.expires <= now]:
            self._drop(key)

    def _live(self, tenant: str, id_: str) -> _Turns | None:
        session = self._sessions.get((tenant, id_))
        return None if session is None or session.expires <= self._now() else session

    def _drop(self, key: tuple[str, str]) -> None:
        self._room.free(self._sessions.pop(key).place)
        tenant, id_ = key
        ids = self._owners[tenant]
        del ids[id_]
        if not ids:
            del self._owners[tenant]


def _used(session: Session) -> float:
    return session.used
