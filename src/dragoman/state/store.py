"""The interface of the store, which keeps data between requests; the interfaces of its parts for responses,
conversations, sessions and chat completions; and the values in these four parts. The store's other parts have
their own modules.

Every entry in the four parts belongs to one client. The parameters and fields `tenant` contain the name of
this client (`Caller.name`), not the tenant that pays. For a client that asks for another client's entry, or
for an expired one, the entry does not exist; but a new response or conversation cannot have the id of an
expired one before that is removed, usually by `Store.sweep`. Bodies are JSON bytes that a store never reads.
Times are Unix seconds. Each method raises StoreFailed if the store fails.
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
"""The status of a response. `queued` and `in_progress` may still change; the other statuses are final."""

UNSETTLED: frozenset[Status] = frozenset({"queued", "in_progress"})
"""The statuses of an unfinished response, which are not final."""


class StoreFailed(DragomanError):
    """The store cannot be reached, or an operation of the store failed."""


class DataRefused(StoreFailed):
    """The store does not accept these data: a value is out of range, a text is not valid, a row is too large,
    or the id exists already. A second try with the same data will usually fail too.
    """


class StoreFull(StoreFailed):
    """There is no space for an entry. Either the entry is larger than a limit of the store; or too few other
    entries may be removed for it, because running responses and owners of objects are never removed to make
    room.
    """


class HistoryTooLarge(StoreFailed):
    """The requested data has more bytes or more items than one call may read. Nothing is returned."""


class Item(msgspec.Struct, frozen=True):
    """One item of an input, an output or a conversation. body: the item as a JSON object."""

    id: str
    body: bytes


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response of the Responses API.

    tenant: the name of the client that owns the response. created, expires: Unix seconds; expires None =
    never. body: the response object as JSON, without `output`. input: the items of the response's own
    request, without the items of earlier responses. output: the items of the answer. previous: the id of the
    response that this response continues, None = none. conversation: the id of the conversation that the
    response belongs to, None = none. deployment: the deployment that answered (`provider/model`); None =
    none, or not known yet. background: True = the client has asked for a response that runs although no
    client waits for it.

    lease: the latest sign of life of the worker that runs the response in the background; None = no worker
    does. The worker regularly writes a new value. The value is never compared with a clock, because clocks
    jump: the worker counts as alive as long as the value changes. An unfinished response with a lease does
    not expire and is not removed to make room.
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


_Entry = TypeVar("_Entry", bound="Item | StoredChat")


class Lease(msgspec.Struct, frozen=True):
    """The lease of the running response with this id: a number that its worker changes regularly as a sign of
    life (`StoredResponse.lease`). tenant: the name of the client that owns the response.
    """

    id: str
    tenant: str
    lease: float


class Responses(Protocol):
    """The store's part for responses of the Responses API. tenant: the name of the client that owns the
    response. id_: the id of the response.
    """

    async def save(self, response: StoredResponse) -> None:
        """Store a new response with its items. If other processes share the store, they see the response as
        soon as this method returns.

        If the store is full, the client with the most data loses its least recently used entries (responses,
        conversations, sessions or chat completions). Raises StoreFull, and stores nothing, if the response is
        too large for the store or no space can be made. Raises DataRefused if any client has a response with
        this id already.
        """

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        """Update an unfinished response, the one with the id and tenant of `response`, to the status, body,
        output and deployment of `response`, and store `events` (JSON objects, numbered from `first`) in the
        same step. Return True. The response then expires at the later of its previous expiry time and
        `response.expires`; never, if one of them is None. A final status removes the lease.

        lease: update only if the response still has this lease; None = do not check the lease. Return False,
        and write nothing, if the response is finished, deleted or expired, or has another lease. Raises
        StoreFull, and writes nothing, if the response would be too large for the store or no space can be
        made.
        """

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        """Return one response with its input and output; None = this client has no response with this id."""

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        """Return a response and all responses that it continues, directly or through others, the oldest
        first; None = at least one of them does not exist. Raises HistoryTooLarge if they have too many bytes
        or items, or are too many.

        expires: a new response will continue the returned responses, so those that would expire before this
        time now expire at this time; None = none of them ever expires.
        """

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the bodies of items: {id of the item: body}, from all responses and conversations of the
        client. Unknown ids are missing. If several items have the same id, the body of one of them is
        returned. Raises HistoryTooLarge if the bodies have too many bytes.
        """

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a response, its items and its events, also if it is running. Return True; False = there is
        no such response.
        """

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        """Store further events of a response of any client; do nothing if there is no response with this id.
        events: JSON objects, numbered from `first`. Raises StoreFull, and stores nothing, if the response
        would be too large for the store or no space can be made.
        """

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        """Return the stored events of a response with numbers above `after`, in order, as (number, JSON);
        empty if there is no such response. At most `limit` events are returned. A database also returns at
        most `PAGE_SIZE` bytes, but at least one event if there is any.
        """

    async def last_event(self, tenant: str, id_: str) -> tuple[int, bytes] | None:
        """Return the stored event of a response with the highest number, as (number, JSON); None = there is
        no such response, or it has no events.
        """

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        """Write a new lease into every unfinished response (of any client) with one of these ids. Return the
        ids of these responses; those of finished and deleted responses are missing.
        """

    async def leases(self) -> Sequence[Lease]:
        """Return the leases of all running responses (unfinished ones with a lease), of every client and
        process.
        """


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A stored conversation, without its items. tenant: the name of the client that owns it. metadata: a JSON
    object. created, expires: Unix seconds; expires None = never.
    """

    id: str
    tenant: str
    created: float
    metadata: bytes = b"{}"
    expires: float | None = None


PAGE_SIZE: Final = 4_000_000
"""The most bytes that the bodies in one page have together. A single body may be larger; then the page
contains only this entry.
"""


class Page(msgspec.Struct, frozen=True):
    """Some items of a list, in the requested order. more: True = more items follow. last: the cursor of the
    last item, with which the next page can be requested: the item's id, to which a number is added if that id
    alone would not do (see `state.pages`); None = the page is empty.
    """

    items: Sequence[Item]
    more: bool = False
    last: str | None = None


def first_of(entries: Iterable[_Entry], limit: int) -> tuple[list[_Entry], bool]:
    """Return as many of the first entries as a page may contain (at most `limit` entries, whose fields `body`
    have at most PAGE_SIZE bytes together; a first entry with more bytes is returned alone), and whether more
    entries follow. At most one more entry is read from `entries`.
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
    """The store's part for conversations. tenant: the name of the client that owns the conversation. id_: the
    id of the conversation. The items of a conversation stay in the order in which they were added.
    """

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        """Store a new conversation with its first items. If the store is full, the client with the most data
        loses its least recently used entries. Raises StoreFull if the conversation is larger than a
        conversation may be, or if no space can be made; DataRefused if any client has a conversation with
        this id already. Then nothing is stored.
        """

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        """Return a conversation without its items; None = this client has no conversation with this id."""

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        """Replace a conversation's metadata. metadata: a JSON object. Return True; False = there is no such
        conversation. Raises StoreFull, and changes nothing, if the conversation would become larger than a
        conversation may be, or if no space can be made.
        """

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a conversation and its items. Return True; False = there is no such conversation."""

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        """Add all items at the end of a conversation, or none. Return True. The conversation then expires at
        the later of its previous expiry time and `expires`; never, if one of them is None. Return False if
        there is no such conversation.

        Raises StoreFull if the conversation would become larger than a conversation may be, or if no space
        can be made.
        """

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        """Return all items of a conversation, the oldest first; None = there is no such conversation. Raises
        HistoryTooLarge if there are too many items.
        """

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        """Return a page of a conversation's items; None = there is no such conversation. The conversation may
        have more items than `items` can return.

        after: a cursor, as in `Page.last`; the page begins after the item that it means, None = with the
        first item. limit: the most items of the page. Their bodies together have at most PAGE_SIZE bytes,
        except that a single larger item is a page alone. newest: True = the latest items come first, False =
        the oldest. Raises KeyError if the cursor means no item.
        """

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        """Return the oldest item of a conversation with the id `item`; None = there is no such item or no
        such conversation.
        """

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        """Remove all items with the id `item` from a conversation. Return True; False = there is no such item
        or no such conversation.
        """


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """An entry in the list of sessions. tenant: the name of the client that owns the session. turns: the
    number of stored turns. size: the bytes of all turns. used: when a turn was last added. used, expires:
    Unix seconds.
    """

    id: str
    tenant: str
    turns: int
    size: int
    used: float
    expires: float


class Sessions(Protocol):
    """The store's part for sessions. tenant: the name of the client that owns the session. id_: the id of the
    session. A session is a list of turns (JSON bytes), in the order in which they were added.
    """

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """Return the stored turns of a session, the oldest first; empty if there is no such session."""

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        """Add a finished turn to a session. The session is created if it does not exist. The session then
        expires at `expires`. now: the present time. `now` and `expires` are Unix seconds.

        If the session then has more bytes than a session may have, its oldest turns are removed. If there are
        then more sessions than the store may keep, the client with the most sessions loses its least recently
        used one, but never this session. Raises StoreFull if the turn alone is larger than a session may be,
        or if no space can be made.
        """

    async def move(self, tenant: str, id_: str, to: str) -> bool:
        """Change the id of a session from `id_` to `to`. Another session of the client with the id `to` is
        deleted. Return True; False = the client has no session with the id `id_`, and nothing was changed.
        """

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        """Return at most `limit` sessions of one client (None = of all clients). The session to which a turn
        was added last comes first.
        """

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        """Delete the sessions with this id of one client (None = of all clients). Return the number of
        deleted sessions.
        """

    async def count(self) -> int:
        """Return the number of sessions of all clients."""


class StoredChat(msgspec.Struct, frozen=True, kw_only=True):
    """A stored chat completion with the messages of its request.

    id: unique for its client. tenant: the name of the client that owns the completion. model: the model's
    name in the completion. body: the completion as JSON, without `metadata`. messages: the messages of the
    request as a JSON array; always b"[]" in a ChatPage. metadata: the pairs that the client has set. created,
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
    """A query for one page of chat completions.

    limit: the most completions in the page. model: only completions of this model, None = of all models.
    metadata: only completions that have all these pairs. after: the page begins after the completion with
    this id; None = with the first one. newest: True = the latest come first, False = the oldest.
    """

    limit: int
    model: str | None = None
    metadata: Mapping[str, str] = {}
    after: str | None = None
    newest: bool = False


class ChatPage(msgspec.Struct, frozen=True):
    """Some chat completions, in the requested order. more: True = more completions follow."""

    chats: Sequence[StoredChat]
    more: bool = False


class Chats(Protocol):
    """The store's part for stored chat completions (`store: true`). tenant: the name of the client that owns
    the completion. id_: the id of the completion. Completions are listed in the order in which they were
    stored; one that replaces another comes last.
    """

    async def save(self, chat: StoredChat) -> None:
        """Store a completion. It replaces the client's completion with the same id. If the store is full, the
        client with the most data loses its least recently used entries (responses, conversations, sessions or
        chat completions). Raises StoreFull, and changes nothing, if the completion is too large for the store
        or no space can be made.
        """

    async def get(self, tenant: str, id_: str) -> StoredChat | None:
        """Return a completion with its messages; None = this client has no completion with this id. The
        completion counts as just used, so entries of the client that were used earlier are removed before it.
        """

    async def page(self, tenant: str, query: ChatQuery) -> ChatPage:
        """Return a page of the client's completions, without their messages. The page ends early if the
        bodies would have more than PAGE_SIZE bytes together, but has at least one completion if there is any.
        Raises KeyError if the client has no completion with the id `query.after`.
        """

    async def update(self, tenant: str, id_: str, metadata: Mapping[str, str]) -> bool:
        """Replace the metadata of a completion. Return True; False = there is no such completion. Raises
        StoreFull, and changes nothing, if no space can be made.
        """

    async def delete(self, tenant: str, id_: str) -> bool:
        """Delete a completion. Return True; False = there is no such completion."""


class Store(Protocol):
    """A store for all kinds of data, with one part for each.

    seals: the vault. added: the entries that operators have added to the configuration. directory: client
    keys, and the tenants, teams and users that they belong to. usage: usage records. `seals`, `added`,
    `directory` and `usage` are None if the store does not keep such data. responses, conversations, sessions,
    chats: every store has these parts. owned: which client owns which object at a provider. shared: True =
    other processes see the data, and the data outlive this process. kind: `memory`, `sqlite` or `postgresql`.
    is_open: False = the database is not open yet, so the next use has to open it, which loads libraries;
    usage records may be written before that. version: the version of the database software; None = there is
    no database, or it is not open yet. healthy: False = a use has failed, and no `probe` has succeeded since;
    None = the store was not used yet. A use that raises StoreFull, HistoryTooLarge, DataRefused or another
    exception than StoreFailed is not counted. last_error: the error of the latest failed use, without
    secrets; None if `healthy` is not False. A store in memory is always healthy.
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

    async def probe(self) -> None:
        """Find out whether the store takes what is written: a database writes one small row, and waits for
        the commit. Raises StoreFailed.
        """

    async def sweep(self, now: float) -> None:
        """Delete the responses (except running ones), conversations, sessions and chat completions that have
        expired at `now` (Unix seconds). A database also deletes expired seals, old usage, and more entries if
        a limit of the store is exceeded. A database that is not open yet may do nothing. Raises StoreFailed.
        """

    async def close(self) -> None:
        """Close files and connections. A store in a database cannot be used afterwards."""
