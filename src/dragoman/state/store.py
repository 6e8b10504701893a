"""The interface of the store, which keeps data between requests: responses, conversations, sessions, chat
completions and seals.

Every entry belongs to a tenant. A tenant that asks for another tenant's id gets the same result as for an id
that does not exist. Bodies are JSON bytes that a store never reads. Times are Unix seconds. An expired entry
is treated as deleted. A store that fails raises StoreFailed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from dragoman.errors import DragomanError
from dragoman.state.added import Additions
from dragoman.state.directory import DirectoryStore
from dragoman.state.owned import OwnedObjects
from dragoman.state.seals import Vault
from dragoman.state.usage_archive import UsageArchive

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
"""The status of a response. `queued` and `in_progress` may still change; the others are final."""

UNSETTLED: frozenset[Status] = frozenset({"queued", "in_progress"})
"""The statuses of an unfinished response."""


class StoreFailed(DragomanError):
    """The store cannot be reached, or an operation failed."""


class DataRefused(StoreFailed):
    """The database does not take these data: a value is out of range, a text is not valid, a row is too
    large. A second try would fail as well. Every other failure can go away without a change of the data.
    """


class StoreFull(StoreFailed):
    """There is no space for an entry. Either it is larger than a limit of the store; or too few other entries
    may be removed for it, because they belong to running responses.
    """


class HistoryTooLarge(StoreFailed):
    """The requested data has more bytes or more items than one call may read. Nothing is returned."""


class Item(msgspec.Struct, frozen=True):
    """One item of an input, an output or a conversation. body: the item as a JSON object."""

    id: str
    body: bytes


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response of the Responses API.

    created, expires: Unix seconds; expires None = never. body: the response object as JSON, without `output`.
    input: the items of its own request, without the items of earlier responses. previous: the id of the
    response that it continues, None = none. conversation: the id of its conversation, None = none.
    deployment: the deployment that answered, None = none, or not known yet. background: True = it runs
    although no client waits for it.

    lease: the latest sign of life of the worker that runs the response; None = no worker runs it. The worker
    regularly writes a new value. The value is never compared with a clock, because clocks jump: the worker
    counts as alive as long as the value changes. An unfinished response with a lease does not expire and is
    not removed to make room.
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
    """The lease of the running response `id`; see `StoredResponse.lease`."""

    id: str
    tenant: str
    lease: float


class Responses(Protocol):
    """The store's part for responses of the Responses API."""

    async def save(self, response: StoredResponse) -> None:
        """Store a new response with its items. If the store is shared, other processes see it from then on.

        If the store is full, the tenant with the most data loses its least recently used entries. Raises
        StoreFull, and stores nothing, if no space can be made.
        """

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        """Update an unfinished response to the status, body, output and deployment of `response`, and store
        `events` (numbered from `first`) in the same step. The response then expires at `response.expires`, or
        later if it was to expire later before. A final status removes the lease.

        lease: update only if the response still has this lease; None = whatever lease it has. Returns False,
        and writes nothing, if the response is finished or deleted or has another lease. Raises StoreFull as
        `save` does.
        """

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        """One response with its items; None = there is none with this id."""

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        """A response and all responses before it, the oldest first. None if one of them does not exist.
        Raises HistoryTooLarge.

        expires: all of them are kept at least until this time, because a new response will continue them;
        None = for ever.
        """

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        """The bodies of items by their ids, from all responses and conversations of the tenant; unknown ids
        are left out. Raises HistoryTooLarge.
        """

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a response, its items and its events. False = there is no such response."""

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        """Store further events of a response, if it exists. events: JSON objects, numbered from `first`.
        Raises StoreFull.
        """

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        """The stored events of a response with numbers above `after`, in order: (number, JSON). Empty if
        there is no such response. At most `limit` events; a database also returns at most `PAGE_SIZE` bytes,
        but at least one event.
        """

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        """Write `lease` to those of these responses that are unfinished. Returns their ids."""

    async def leases(self) -> Sequence[Lease]:
        """The leases of all running responses, of every tenant and process."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A stored conversation, without its items. metadata: a JSON object. expires: None = never."""

    id: str
    tenant: str
    created: float
    metadata: bytes = b"{}"
    expires: float | None = None


PAGE_SIZE: Final = 4_000_000
"""The most bytes of one page, unless its first entry alone is larger."""


class Page(msgspec.Struct, frozen=True):
    """Some items of a list, in the requested order. more: True = further items follow."""

    items: Sequence[Item]
    more: bool = False


def page(items: Iterable[Item], limit: int) -> Page:
    """A page with the first items, as many as it may hold: `limit` items, and PAGE_SIZE bytes. At most one
    item after them is read.
    """
    return Page(*first_of(items, limit))


def first_of(entries: Iterable[_Entry], limit: int) -> tuple[list[_Entry], bool]:
    """The first entries, as many as a page may hold (`limit` entries, and PAGE_SIZE bytes), and whether more
    follow. At most one entry after them is read.
    """
    held: list[_Entry] = []
    size = 0
    for entry in entries:
        size += len(entry.body)
        if len(held) == limit or (held and size > PAGE_SIZE):
            return held, True
        held.append(entry)
    return held, False


class Conversations(Protocol):
    """The store's part for conversations with their items in order."""

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        """Store a new conversation with its first items. Raises StoreFull."""

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        """A conversation without its items; None = there is none with this id."""

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        """Replace a conversation's metadata. False = there is no such conversation. Raises StoreFull."""

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a conversation and its items. False = there is no such conversation."""

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        """Add all items at the end of a conversation, or none. The conversation then expires at `expires` or
        later. False = there is no such conversation.

        Raises StoreFull if it would become larger than one call may read, or if no space can be made.
        """

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        """All items of a conversation, the oldest first; None = there is no such conversation. Raises
        HistoryTooLarge.
        """

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        """A page of a conversation's items; None = there is no such conversation. There is no limit on the
        size of the whole conversation.

        after: the page begins after the item with this id. limit: the largest number of items. newest: the
        latest items come first. Raises KeyError if there is no item `after`.
        """

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        """The first item of a conversation with the id `item`; None = there is none."""

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        """Remove all items with the id `item` from a conversation. False = there is no such item."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """An entry in the list of sessions. turns: the number of stored turns. size: the bytes of all turns.
    used: when a turn was last added. used, expires: Unix seconds.
    """

    id: str
    tenant: str
    turns: int
    size: int
    used: float
    expires: float


class Sessions(Protocol):
    """The store's part for sessions. A session is a list of turns (JSON bytes), in order of their finish."""

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """The stored turns of a session, the oldest first; empty if there is no such session."""

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        """Add a finished turn to a session, which is created if necessary. The session then expires at
        `expires`.

        If the session gets more bytes than a session may have, its oldest turns are removed. If there are
        more sessions than the store may keep, the tenant with the most sessions loses its least recently used
        one. Raises StoreFull if the turn alone is larger than a session may be, or no space can be made.
        """

    async def move(self, tenant: str, id_: str, to: str) -> bool:
        """Change the id of a session from `id_` to `to`; another session with the id `to` is deleted. False =
        there is no session with the id `id_`.
        """

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        """The sessions of one tenant (None = all tenants), at most `limit`, most recently used first."""

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        """Delete the sessions with this id of one tenant (None = of all tenants). Returns their number."""

    async def count(self) -> int:
        """The number of sessions of all tenants."""


class StoredChat(msgspec.Struct, frozen=True, kw_only=True):
    """A stored chat completion with the messages of its request.

    id: unique for its tenant. model: the model's name in the completion. body: the completion as JSON,
    without `metadata`. messages: the messages of the request as a JSON array; b"[]" in a ChatPage. created,
    expires: Unix seconds; expires None = never.
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
    """Which page of chat completions is wanted.

    limit: the most completions in the page. model: only completions of this model, None = of all models.
    metadata: only completions that have all these pairs. after: the page begins after the completion with
    this id; None = with the first. newest: True = the latest come first, False = the oldest.
    """

    limit: int
    model: str | None = None
    metadata: Mapping[str, str] = {}
    after: str | None = None
    newest: bool = False


class ChatPage(msgspec.Struct, frozen=True):
    """Some chat completions, in the requested order. more: True = further completions follow."""

    chats: Sequence[StoredChat]
    more: bool = False


class Chats(Protocol):
    """The store's part for stored chat completions (`store: true`), in the order in which they finished."""

    async def save(self, chat: StoredChat) -> None:
        """Store a completion; it replaces a completion with the same id. Raises StoreFull as
        `Responses.save` does.
        """

    async def get(self, tenant: str, id_: str) -> StoredChat | None:
        """A completion with its messages; None = there is none with this id."""

    async def page(self, tenant: str, query: ChatQuery) -> ChatPage:
        """A page of completions without their messages. Raises KeyError if `query.after` is unknown."""

    async def update(self, tenant: str, id_: str, metadata: Mapping[str, str]) -> bool:
        """Replace the metadata of a completion. False = there is no such completion. Raises StoreFull."""

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a completion. False = there is no such completion."""


class Store(Protocol):
    """A store for all kinds of data, with one part for each.

    seals: the vault, None = no seals are kept. added: the entries that operators have added to the
    configuration, directory: client keys and whom they belong to, usage: usage records; None = none are kept.
    owned: who owns which object at a provider.
    shared: True = other processes see the data, and it stays when this process ends. kind: `memory`, `sqlite`
    or `postgresql`. is_open: False = the next use has to open a database first, which loads its libraries;
    usage may be written before. version: of the database; None = there is none, or it is not open yet.
    healthy: whether the latest use succeeded, None = the store was not used yet. last_error: the error of the
    latest use, without secrets; None = there was none.
    """

    responses: Responses
    conversations: Conversations
    sessions: Sessions
    chats: Chats
    seals: Vault | None
    added: Additions | None
    directory: DirectoryStore | None
    usage: UsageArchive | None
    owned: OwnedObjects
    shared: bool

    @property
    def kind(self) -> str: ...

    @property
    def is_open(self) -> bool: ...

    @property
    def version(self) -> str | None: ...

    @property
    def healthy(self) -> bool | None: ...

    @property
    def last_error(self) -> str | None: ...

    async def sweep(self, now: float) -> None:
        """Delete entries that have expired at `now`, and, where a limit is exceeded, the least recently used
        entries.
        """

    async def close(self) -> None:
        """Close files and connections."""
