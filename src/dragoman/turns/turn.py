"""One request to the Responses API: its history is put before its input, and its answer is stored.

Providers never see `previous_response_id`, `conversation`, `background` or an id of ours: they get the whole
input and `store: false`. The answer is stored before the client reads its end, so the client can continue any
answer that it has read, also through another process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.engine.work import Client, ForwardingClient, Headers, Sealed, Work
from dragoman.errors import RequestFailed, WireError
from dragoman.state.store import Item, Status, StoredResponse, StoreFailed, StoreFull
from dragoman.turns.compaction import TAG, opened
from dragoman.turns.items import Wire, decode, items_of, kept, kind, unanswerable, wanted
from dragoman.turns.keeping import TOO_LARGE, UNREACHABLE, Keeping, Piece, previous_missing
from dragoman.wire.json import encode, refuse_many_values

_STATE: Final = ("previous_response_id", "conversation", "background", "generate")
"""Members that only the gateway reads."""
_FOREIGN: Final = b'"dgm1.'
"""The beginning of a seal from another protocol's provider: no server of this protocol can read it."""
_REMEMBERED: Final = 8
"""Answers that a WebSocket remembers."""
_ROOM: Final = 64_000_000
"""Bytes that these answers may take together; the latest is remembered in any case."""
_TOGETHER: Final = 256_000_000
"""Bytes that the answers of all WebSockets may take together; the store is asked for answers beyond that."""
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Connection:
    """The memory of one WebSocket: its latest answers with their histories, stored or not.

    When all sockets of the gateway together hold too much, this one forgets as much as it can.
    """

    __slots__ = ("_answers", "_held", "_keeping")

    def __init__(self, keeping: Keeping) -> None:
        self._answers: OrderedDict[str, Sequence[Piece]] = OrderedDict()
        self._keeping = keeping
        self._held = 0
        """The bytes of this socket that `Keeping.held` includes."""

    def find(self, id_: str) -> Sequence[Piece] | None:
        """The history of an answer that this connection remembers, the answer included."""
        return self._answers.get(id_)

    def remember(self, id_: str, pieces: Sequence[Piece]) -> None:
        """Remember an answer. A socket has several, because a client may lead several conversations."""
        self._answers[id_] = pieces
        while len(self._answers) > _REMEMBERED or (len(self._answers) > 1 and self._size() > _ROOM):
            self._answers.popitem(last=False)
        self._count()
        while self._answers and self._keeping.held > _TOGETHER:
            self._answers.popitem(last=False)
            self._count()
            self._keeping.reached("socket_memory", f"by {self._keeping.held} bytes of all WebSockets")

    def close(self) -> None:
        """Forget everything, because the socket has closed."""
        self._answers.clear()
        self._count()

    def _count(self) -> None:
        size = self._size()
        self._keeping.held += size - self._held
        self._held = size

    def _size(self) -> int:
        """Bytes of the remembered answers. A piece that several answers share counts once."""
        pieces = {id(piece): piece for answer in self._answers.values() for piece in answer}
        return sum(len(item.body) for piece in pieces.values() for item in piece.items)

    def forget(self, id_: str | None) -> None:
        """Forget an answer that could not be continued."""
        if id_ is not None:
            self._answers.pop(id_, None)
            self._count()


class ResponseTurn:
    """Expands one request and stores its answer. Implements `work.Turn`.

    tenant: the owner of the state. connection: the WebSocket's memory, if the request came over one.
    background: True = the background writer stores the answer.
    """

    hears = False
    precedes = False

    def __init__(
        self, keeping: Keeping, tenant: str, connection: Connection | None = None, *, background: bool = False
    ) -> None:
        self.keeping = keeping
        self.tenant = tenant
        self.previous: str | None = None
        self.conversation: str | None = None
        self.stores = False
        self.input: tuple[Item, ...] = ()
        self._connection = connection
        self._background = background
        self._pieces: Sequence[Piece] = ()
        self._generates = True
        self.over = False
        """Whether the answer has been stored, or need not be."""
        self.asks: Callable[[Sequence[Any]], list[Any]] | None = None
        """Makes another input from the whole input, to ask a question about it (compaction)."""
        self.everything: list[Wire] = []
        """The whole input, if `asks` is set."""

    # --- Before ------------------------------------------------------------------------------------

    async def expand(self, work: Work) -> None:
        """Put the history before the input, and remove the members that only the gateway reads.

        Raises RequestFailed if the history does not exist, has not finished, or is not allowed.
        """
        body = work.wire.body
        self._read(body)
        if self._keeps and not self._background:
            work.client = Keeper(work.client, self, work)
        self._pieces = await self._history()
        own = items_of(body.get("input"))
        found = await self._resolved(own)
        if self._generates and not (own or any(piece.items for piece in self._pieces)):
            raise RequestFailed(_EMPTY)
        size = sum([len(item.body) for piece in self._pieces for item in piece.items])
        if size > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)
        work.inbound.room.take(size)
        work.grow(size)
        await work.step(self._join, work, own, found)

    def _join(self, work: Work, own: Sequence[Wire], found: Sequence[Wire]) -> None:
        """Build the request with its history. own: the request's items; found: these with stored content."""
        body = work.wire.body
        resolved = [opened(item) or item for item in found]
        history: list[Any] = []
        sealed: list[Sealed] = []
        for piece in self._pieces:
            start = len(history)
            history += map(_raw, piece.items)
            if piece.provider is not None:
                sealed.append(Sealed(start, len(history), piece.provider))
        work.sealed = tuple(sealed)
        work.echo = self._echo(body)
        changes: dict[str, Any] = {"store": False}
        if self.asks is not None:
            self.everything = [*map(decode, history), *resolved]
            changes["input"] = self.asks(self.everything)
        elif history or resolved != own:
            changes["input"] = [*history, *resolved]
        hidden = {key: value for key, value in body.items() if key not in _STATE}
        decoded = changes
        sent = work.head.get("input", b"")
        if "input" in changes:
            sent = changes["input"] = msgspec.Raw(encode(changes["input"]))
            self._check(bytes(sent), work.inbound.max_values)
            decoded = {**changes, "input": decode(sent)}
        if not work.preceded and (orphan := unanswerable(decoded.get("input", own))) is not None:
            place, call = orphan
            raise RequestFailed(_no_call(call, place - len(history)))
        work.wire = msgspec.structs.replace(
            work.wire, body={**hidden, **decoded}, continued=(0, len(history)), written=body
        )
        work.head = {**{key: value for key, value in work.head.items() if key not in _STATE}, **changes}
        work.changed = work.changed or _FOREIGN in bytes(sent)
        if self._keeps:
            self.input = kept(found, self.keeping.seams.random_id)

    def _check(self, sent: bytes, max_values: int) -> None:
        """Raise RequestFailed (413) if the input with its history exceeds the limits for one request."""
        try:
            refuse_many_values(sent, max_values)
        except WireError as error:
            raise RequestFailed(TOO_LARGE) from error
        if len(sent) > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)

    def _read(self, body: Mapping[str, Any]) -> None:
        """Read the members about state. Raises RequestFailed for members that contradict each other."""
        self.previous = body.get("previous_response_id")
        conversation = body.get("conversation")
        self.conversation = conversation.get("id") if isinstance(conversation, dict) else conversation
        self.stores = self.keeping.retains and body.get("store") is not False
        self._generates = body.get("generate") is not False
        if self.previous is not None and self.conversation is not None:
            raise RequestFailed(_EITHER)
        if self._background and not self.stores:
            raise RequestFailed(_NOT_RETAINED if body.get("store") is not False else _NOT_STORED)

    @property
    def _keeps(self) -> bool:
        return self.stores or self.conversation is not None or self._connection is not None

    async def _history(self) -> Sequence[Piece]:
        if self.previous is not None:
            near = None if self._connection is None else self._connection.find(self.previous)
            if near is not None:
                return near
            if not self.keeping.retains:
                raise RequestFailed(previous_missing(self.previous))
            return await self.keeping.history(self.tenant, self.previous)
        if self.conversation is not None:
            return [Piece(await self.keeping.conversation(self.tenant, self.conversation))]
        return ()

    async def _resolved(self, own: Sequence[Wire]) -> list[Wire]:
        """The request's items, with references resolved and missing encrypted content restored.

        Raises RequestFailed for an unknown reference.
        """
        known = await self.keeping.items(self.tenant, wanted(own))
        items: list[Wire] = []
        for place, item in enumerate(own):
            id_ = item.get("id")
            found = known.get(id_) if isinstance(id_, str) else None
            if kind(item) == "item_reference":
                if found is None:
                    raise RequestFailed(_unknown_item(str(id_), place))
                items.append(found)
            elif found is not None and found.get("encrypted_content"):
                items.append({**item, "encrypted_content": found["encrypted_content"]})
            else:
                items.append(item)
        return items

    def _echo(self, body: Mapping[str, Any]) -> dict[str, Any]:
        echo = {key: value for key, value in body.items() if key != "input"}
        echo |= {"store": self.stores, "background": self._background}
        if self.conversation is not None:
            echo["conversation"] = {"id": self.conversation}
        return echo

    async def admitted(self, work: Work) -> bool:
        """Whether a model is asked. With `generate: false` the client only states its context."""
        if self._generates:
            return True
        reply = Reply(
            work.brief,
            Report(work.face.name),
            work.answer_id,
            int(work.exchange.created),
            work.exchange.asked,
            work.inbound.framing,
            work.echo,
            work.now,
        )
        nothing = ir.Response("", None, None, None, (ir.Candidate((), ir.Stop("end")),), ir.Usage())
        if work.streams:
            encoder = work.face.stream.encoder(reply)
            await work.client.begin(200, ())
            await work.client.end(b"".join([encoder.feed(event) for event in ir.unfold(nothing)]))
        else:
            await work.client.answer(200, (), encode(work.face.response.encode(nothing, reply)))
        return False

    async def heard(self, work: Work, response: ir.Response) -> None:
        """Do nothing: the answer is stored as the client reads it."""

    # --- After -------------------------------------------------------------------------------------

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Store a long answer. False = it should be stored, but that failed; an answer that is too large is
        not tried.

        Raises RequestFailed if the answer cannot be added to its conversation.
        """
        if not self._keeps:
            return True
        keeping, response = self.keeping, ending.response
        if response["status"] == "failed":
            self.failed()
        elif self.conversation is not None and ending.size > min(keeping.largest, keeping.most):
            raise RequestFailed(_CONVERSATION_FULL)
        self.over = True
        if ending.size > keeping.most and self._connection is None:
            if self.stores:
                keeping.too_large(self.tenant, response["id"], ending.size)
            return not self.stores
        return await self.keep(response, work.exchange.answered)

    async def keep(self, response: dict[str, Any], deployment: str | None) -> bool:
        """Store a finished answer. False = it should be stored, but that failed.

        response: the object for the client; members that are not read here may be raw JSON. deployment: who
        answered.
        """
        output = kept(response.get("output") or (), self.keeping.seams.random_id)
        status: Status = response.get("status") or "completed"
        if self._connection is not None and status != "failed":
            piece = Piece((*self.input, *output), deployment)
            self._connection.remember(response["id"], (*self._pieces, piece))
        kept_all = True
        if self.stores:
            kept_all = await self.keeping.save(self.record(response, status, output, deployment))
        if self.conversation is not None and status != "failed":
            await self.converse(output)
        return kept_all

    def record(
        self, response: Mapping[str, Any], status: Status, output: tuple[Item, ...], deployment: str | None
    ) -> StoredResponse:
        """An answer in stored form."""
        body = {key: value for key, value in response.items() if key != "output"}
        return StoredResponse(
            id=response["id"],
            tenant=self.tenant,
            created=float(response["created_at"]),
            status=status,
            body=encode(body),
            input=self.input,
            output=output,
            previous=self.previous,
            conversation=self.conversation,
            deployment=deployment,
            background=self._background,
            expires=self.keeping.expires(),
        )

    async def converse(self, output: Sequence[Item]) -> None:
        """Add this turn to its conversation. Raises RequestFailed if that fails."""
        assert self.conversation is not None
        items = (*self.input, *output)
        conversations = self.keeping.store.conversations
        try:
            await conversations.append(self.tenant, self.conversation, items, expires=self.keeping.expires())
        except StoreFull as error:
            raise RequestFailed(_CONVERSATION_FULL) from error
        except StoreFailed as error:
            raise RequestFailed(UNREACHABLE) from error

    def failed(self) -> None:
        """The answer failed: forget its predecessor on this connection."""
        if self._connection is not None:
            self._connection.forget(self.previous)


class Keeper(ForwardingClient):
    """A client that stores the answer before the real client reads its end."""

    def __init__(self, client: Client, turn: ResponseTurn, work: Work) -> None:
        super().__init__(client)
        self._turn = turn
        self._work = work

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Store a whole answer, then send it."""
        if status >= 400:
            self._turn.failed()
        else:
            response = await self._keep(_decode_head(body))
            body = body if response is None else encode(response)
        await self._client.answer(status, headers, body)

    async def end(self, data: bytes = b"") -> None:
        """Store the answer in the last event, then send it.

        If that event repeats a long text, `kept` has stored the answer already.
        """
        if not self._turn.over and (found := _last(data)) is not None:
            start, stop = found
            event = _decode_head(memoryview(data)[start:stop])
            if (response := await self._keep(_decode_head(event["response"]))) is not None:
                data = data[:start] + encode({**event, "response": response}) + data[stop:]
        await self._client.end(data)

    async def _keep(self, response: dict[str, msgspec.Raw]) -> dict[str, Any] | None:
        """Store an answer. Returns the answer for the client if storing failed, else None."""
        shown: dict[str, Any] = {name: decode(response[name]) for name in _READ if name in response}
        if shown.get("status") == "failed":
            self._turn.failed()
        output = _decode_list(response["output"]) if "output" in response else ()
        whole: dict[str, Any] = {**response, **shown, "output": output or ()}
        if await self._turn.keep(whole, self._work.exchange.answered):
            return None
        return {**response, "store": False}


def _raw(item: Item) -> msgspec.Raw:
    """A stored item as it is sent upstream: a compaction of the gateway becomes its message."""
    message = opened(decode(item.body)) if TAG in item.body else None
    return msgspec.Raw(item.body if message is None else encode(message))


def _last(data: bytes) -> tuple[int, int] | None:
    """The start and the end of the JSON of the final event, if `data` contains that event."""
    stop = len(data)
    while stop:
        start = data.rfind(b"\n", 0, stop) + 1
        place = start + len(_DATA) if data.startswith(_DATA, start) else start
        if data.startswith(b"{", place) and decode_kind(memoryview(data)[place:stop]).type in _ENDS:
            return place, stop
        stop = max(start - 1, 0)
    return None


class _Kind(msgspec.Struct):
    type: str = ""


_DATA: Final = b"data: "
_READ: Final = ("id", "status", "created_at")
"""Members of an answer that are decoded to store it."""
_decode_head: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw] | None).decode
decode_kind = msgspec.json.Decoder(_Kind).decode


def _no_call(call: str, place: int) -> ir.Fault:
    text = f"No tool call found for function call output with call_id {call[:128]}."
    return ir.Fault("invalid_request", text, code="invalid_value", param=f"input[{max(place, 0)}].call_id")


def _unknown_item(id_: str, place: int) -> ir.Fault:
    text = f"Item with id {id_[:128]!r} not found."
    return ir.Fault("not_found", text, code="item_not_found", param=f"input[{place}].id")


_CONVERSATION_FULL: Final = ir.Fault(
    "too_large",
    "The conversation is too large to add another turn.",
    code="request_too_large",
    param="conversation",
)
_EITHER: Final = ir.Fault(
    "invalid_request",
    "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
    code="mutually_exclusive_parameters",
    param="conversation",
)
_EMPTY: Final = ir.Fault(
    "invalid_request",
    "Missing required parameter: 'input'.",
    code="missing_required_parameter",
    param="input",
)
_NOT_STORED: Final = ir.Fault(
    "invalid_request",
    "A background response must be stored: 'store' cannot be false.",
    code="invalid_value",
    param="store",
)
_NOT_RETAINED: Final = ir.Fault(
    "unsupported",
    "This gateway does not store responses, so background responses are not available.",
    code="unsupported_value",
    param="background",
)
