"""What lasts between requests, and where it is kept: answers, conversations, sessions, seals.

Five small protocols, each for one kind, behind one `Store`. `stores.memory` keeps them in this process,
`stores.sql` in a database that other processes share. Everything belongs to a tenant: who asks with another's
id gets what a missing one gets. Bodies are JSON bytes that a store never reads. Times are Unix seconds; what
has expired is as if it had been deleted.

A store that fails raises `StoreFailed`; what that means to a request is decided by its user.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from dragoman.errors import DragomanError
from dragoman.state.seals import Vault

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
"""How far an answer is. The first two may still change; the others never do."""

UNSETTLED: frozenset[Status] = frozenset({"queued", "in_progress"})


class StoreFailed(DragomanError):
    """The store cannot be reached, or cannot do what was asked; see `__cause__`."""


class StoreFull(StoreFailed):
    """There is no room for an entry: it alone is too large, or everything else is still running."""


class HistoryTooLarge(StoreFailed):
    """What was asked for is larger than what is read at once. Nothing was read."""


class Item(msgspec.Struct, frozen=True):
    """One item of an input or an output. id: unique for its tenant. body: its JSON object."""

    id: str
    body: bytes


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One answer.

    created, expires: Unix seconds, expires None = never. body: the response object's JSON, without `output`.
    previous: the answer that it continues. conversation: the one that it is a turn of. input: what its own
    request added, not what it continued. deployment: who answered, because what is sealed in the output can
    be read there only; None while nobody has. background: it runs although nobody waits. lease: the latest
    sign of life of the worker that runs it, None = it is settled, or nobody's. Every renewal writes another
    value, and nobody compares it with a clock: clocks jump, and a worker lives as long as its lease changes.
    An unsettled answer with a lease neither expires nor makes room.
    """

    id: str
    tenant: str
    created: float
    status: Status
    body: bytes
    input: tuple[Item, ...] = ()
    output: tuple[Item, ...] = ()
    previous: str | None = None
    conversation: str | None = None
    deployment: str | None = None
    background: bool = False
    expires: float | None = None
    lease: float | None = None


_Entry = TypeVar("_Entry", Item, "StoredChat")


class Lease(msgspec.Struct, frozen=True):
    """The latest sign of life of an answer that runs."""

    id: str
    tenant: str
    lease: float


class Responses(Protocol):
    """Answers of the Responses API."""

    async def save(self, response: StoredResponse) -> None:
        """Keep a new answer with its items, all or nothing. Other processes see it when this returns.

        The tenant that takes most makes room. Raises StoreFull when there is none.
        """
        ...

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        """Write how far an unsettled answer is: its status, body, output and deployment; with it the events
        that say so, numbered from `first`, so that nobody sees the one without the other. It lasts until
        `response.expires` at least.

        lease: write only while the answer still has this lease; None = whatever it has. A final status ends
        the lease. False = it was settled, renewed or deleted meanwhile: nothing is written. Raises StoreFull
        as `save` does.
        """
        ...

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        """One answer with its items."""
        ...

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        """An answer and all that it continues, oldest first; None when it, or one of them, is gone.

        expires: they last until then at least, None = for ever, because something new rests on them. Raises
        HistoryTooLarge.
        """
        ...

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        """The bodies of the items with these ids, of whichever answer or conversation, as far as known.

        Raises HistoryTooLarge.
        """
        ...

    async def delete(self, tenant: str, id_: str) -> bool:
        """Forget an answer, its items and its events. False = there was none."""
        ...

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        """More events of a background answer, numbered from `first`: each a JSON object."""
        ...

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        """Events with a number above `after`, in order, at most `limit` of them, and `PAGE_SIZE` bytes of
        more than one.
        """
        ...

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        """Write another lease to running answers; those of them that are still to be run."""
        ...

    async def leases(self) -> Sequence[Lease]:
        """The leases of all running answers, of every tenant and process."""
        ...


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that clients add items to. metadata: its JSON object."""

    id: str
    tenant: str
    created: float
    metadata: bytes = b"{}"
    expires: float | None = None


PAGE_SIZE: Final = 4_000_000
"""Bytes of the items of one page, unless the first alone is larger: all of them are in memory at once."""


class Page(msgspec.Struct, frozen=True):
    """Some items of a list, in the order that was asked for. more: there are further ones."""

    items: Sequence[Item]
    more: bool = False


def page(items: Iterable[Item], limit: int) -> Page:
    """As many of the first items as a page holds. items: one more than that is asked for at most."""
    return Page(*first_of(items, limit))


def first_of(entries: Iterable[_Entry], limit: int) -> tuple[list[_Entry], bool]:
    """As many of the first entries as a page holds, and whether there are more."""
    held: list[_Entry] = []
    size = 0
    for entry in entries:
        size += len(entry.body)
        if len(held) == limit or (held and size > PAGE_SIZE):
            return held, True
        held.append(entry)
    return held, False


class Conversations(Protocol):
    """Conversations and their items, in order."""

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        """Keep a new one with its first items. Raises StoreFull."""
        ...

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        """One conversation."""
        ...

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        """Replace its metadata. False = there is none."""
        ...

    async def delete(self, tenant: str, id_: str) -> bool:
        """Forget it and its items. False = there was none."""
        ...

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        """Add items at its end, all or nothing; it lasts until `expires` at least. False = it is gone.

        Raises StoreFull when the conversation becomes larger than what is read at once.
        """
        ...

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        """All of its items, oldest first; None = there is no such conversation. Raises HistoryTooLarge."""
        ...

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        """Some of its items behind the one with the id `after`, however many there are; None = there is no
        such conversation. newest: the latest come first. Raises KeyError where `after` is not there.
        """
        ...

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        """The first of its items with this id."""
        ...

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        """Remove one item. False = it is not there."""
        ...


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is listed. turns: how many are kept; size: their bytes; used, expires: Unix seconds."""

    id: str
    tenant: str
    turns: int
    size: int
    used: float
    expires: float


class Sessions(Protocol):
    """Turns by session id: JSON bytes that belong together, in the order in which they were finished."""

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """The kept turns, oldest first; none for a session that is not there."""
        ...

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        """Add a finished turn; the session is made where there is none, and lasts until `expires`. Its oldest
        turns leave when it is too large. Where there are too many sessions, the tenant that has most of them
        loses its least recently used. Raises StoreFull for a turn that is too large alone.
        """
        ...

    async def move(self, tenant: str, id_: str, to: str) -> bool:
        """Give a session another id, in the place of the one that has it. False = there is none to move."""
        ...

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        """Sessions, the latest used first; of one tenant, or of all."""
        ...

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        """Forget the sessions of this id, of one tenant or of all; how many there were."""
        ...

    async def count(self) -> int:
        """How many sessions there are."""
        ...


class StoredChat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat completion with its request's messages.

    id: unique for its tenant. model: as the answer names it. body: the completion's JSON, without `metadata`;
    messages: the request's, as a JSON array. expires: Unix seconds, None = never.
    """

    id: str
    tenant: str
    created: float
    model: str
    body: bytes
    messages: bytes = b"[]"
    metadata: Mapping[str, str] = {}
    expires: float | None = None


class ChatQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which chat completions are asked for.

    model: only those that name it, None = all. metadata: only those that have all these pairs. after: only
    those behind the one with this id. limit: at most so many. newest: the latest come first.
    """

    limit: int
    model: str | None = None
    metadata: Mapping[str, str] = {}
    after: str | None = None
    newest: bool = False


class ChatPage(msgspec.Struct, frozen=True):
    """Some chat completions, in the order that was asked for. more: there are further ones."""

    chats: Sequence[StoredChat]
    more: bool = False


class Chats(Protocol):
    """Chat completions that their clients wanted to be kept, in the order in which they were finished."""

    async def save(self, chat: StoredChat) -> None:
        """Keep a new one, in the place of one with the same id. The tenant that takes most makes room.

        Raises StoreFull when there is none.
        """
        ...

    async def get(self, tenant: str, id_: str) -> StoredChat | None:
        """One of them."""
        ...

    async def page(self, tenant: str, query: ChatQuery) -> ChatPage:
        """Some of them, without their messages. Raises KeyError where `query.after` is not there."""
        ...

    async def update(self, tenant: str, id_: str, metadata: Mapping[str, str]) -> bool:
        """Replace the metadata of one. False = there is none."""
        ...

    async def delete(self, tenant: str, id_: str) -> bool:
        """Forget one. False = there was none."""
        ...


class Store(Protocol):
    """All that lasts.

    shared: other processes see what is written, and it outlives this one. kind: `memory` or `sqlite`.
    healthy: how the latest use ended, None = not used yet. last_error: what went wrong then, without secrets.
    """

    responses: Responses
    conversations: Conversations
    sessions: Sessions
    chats: Chats
    seals: Vault | None
    shared: bool

    @property
    def kind(self) -> str: ...

    @property
    def healthy(self) -> bool | None: ...

    @property
    def last_error(self) -> str | None: ...

    async def sweep(self, now: float) -> None:
        """Forget what has expired, and the least recently used of what is too much."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
