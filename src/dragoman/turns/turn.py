"""One request to the Responses API as a turn: what it continues goes before it, its answer is kept.

Providers never see `previous_response_id`, `conversation`, `background` or an id of ours: they get the whole
input and `store: false`. The answer is kept before the client reads its last bytes, so whatever it was told
can be continued, from another process too.
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
"""What a seal begins with that another protocol's provider made: no server of this one can read it."""
_REMEMBERED: Final = 8
"""Answers that a WebSocket holds."""
_ROOM: Final = 64_000_000
"""Bytes that they may hold together; the latest is held in any case."""
_TOGETHER: Final = 256_000_000
"""Bytes that all WebSockets may hold together: beyond it the store is asked again."""
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Connection:
    """What one WebSocket remembers: its latest answers with all that they continue, stored or not.

    Where the sockets of a gateway hold too much together, this one forgets as much as it can.
    """

    __slots__ = ("_answers", "_held", "_keeping")

    def __init__(self, keeping: Keeping) -> None:
        self._answers: OrderedDict[str, Sequence[Piece]] = OrderedDict()
        self._keeping = keeping
        self._held = 0
        """Bytes, as far as they are counted by all sockets."""

    def find(self, id_: str) -> Sequence[Piece] | None:
        """What an answer of this connection brings along."""
        return self._answers.get(id_)

    def remember(self, id_: str, pieces: Sequence[Piece]) -> None:
        """Hold an answer, as one of the latest: a client may carry on several conversations."""
        self._answers[id_] = pieces
        while len(self._answers) > _REMEMBERED or (len(self._answers) > 1 and self._size() > _ROOM):
            self._answers.popitem(last=False)
        self._count()
        while self._answers and self._keeping.held > _TOGETHER:
            self._answers.popitem(last=False)
            self._count()
            self._keeping.reached("socket_memory", f"by {self._keeping.held} bytes of all WebSockets")

    def close(self) -> None:
        """The socket has ended."""
        self._answers.clear()
        self._count()

    def _count(self) -> None:
        size = self._size()
        self._keeping.held += size - self._held
        self._held = size

    def _size(self) -> int:
        """Bytes of what is held. What one answer continues of another is there once."""
        pieces = {id(piece): piece for answer in self._answers.values() for piece in answer}
        return sum(len(item.body) for piece in pieces.values() for item in piece.items)

    def forget(self, id_: str | None) -> None:
        """An answer that could not be continued is not offered again."""
        if id_ is not None:
            self._answers.pop(id_, None)
            self._count()


class ResponseTurn:
    """Expands one request, and keeps its answer. Implements `work.Turn`.

    tenant: whose state this is. connection: the WebSocket's memory, if it came over one. background: the
    answer is kept by whoever runs it.
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
        """Whether the answer has been kept, as far as it is."""
        self.asks: Callable[[Sequence[Any]], list[Any]] | None = None
        """What is asked about the whole input, in the place of the input itself."""
        self.everything: list[Wire] = []
        """The whole input, where `asks` is set."""

    # --- Before ------------------------------------------------------------------------------------

    async def expand(self, work: Work) -> None:
        """Put what is continued before the input, and take out what is the gateway's alone.

        Raises RequestFailed: nothing there, not finished, not allowed.
        """
        body = work.wire.body
        self._read(body)
        if self._keeps and not self._background:
            work.client = Keeper(work.client, self, work)
        self._pieces = await self._continued()
        own = items_of(body.get("input"))
        found = await self._found(own)
        if self._generates and not (own or any(piece.items for piece in self._pieces)):
            raise RequestFailed(_EMPTY)
        size = sum([len(item.body) for piece in self._pieces for item in piece.items])
        if size > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)
        work.inbound.room.take(size)
        work.grow(size)
        await work.step(self._join, work, own, found)

    def _join(self, work: Work, own: Sequence[Wire], found: Sequence[Wire]) -> None:
        """The request with what it continues. own: its items, found: the same with what is kept of them."""
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
        """What a request continues counts as if it had brought it along. Raises RequestFailed (413)."""
        try:
            refuse_many_values(sent, max_values)
        except WireError as error:
            raise RequestFailed(TOO_LARGE) from error
        if len(sent) > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)

    def _read(self, body: Mapping[str, Any]) -> None:
        """What the request says about state. Raises RequestFailed for what does not go together."""
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

    async def _continued(self) -> Sequence[Piece]:
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

    async def _found(self, own: Sequence[Wire]) -> list[Wire]:
        """The request's items with references looked up, and seals put back that the client was not shown.

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
        """A model is to be asked, unless the client only makes its context known (`generate: false`)."""
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
        """Nothing is to be done: what is kept is what the client reads."""

    # --- After -------------------------------------------------------------------------------------

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Keep a long answer. False = it was to be stored, and could not be; what is too large for that is
        not even written. Raises RequestFailed where it cannot be added to its conversation.
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
        """Keep a finished answer. False = it was to be stored, and could not be.

        response: the object as the client gets it; what is not read of it may be JSON. deployment: who gave
        it.
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
        """An answer as it is stored."""
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
        """Add this turn to its conversation. Raises RequestFailed where it cannot be added."""
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
        """The answer failed: what it was to continue is not offered again on this connection."""
        if self._connection is not None:
            self._connection.forget(self.previous)


class Keeper(ForwardingClient):
    """The client of a request whose answer is kept before it has been read to its end."""

    def __init__(self, client: Client, turn: ResponseTurn, work: Work) -> None:
        super().__init__(client)
        self._turn = turn
        self._work = work

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer."""
        if status >= 400:
            self._turn.failed()
        else:
            response = await self._told(_decode_head(body))
            body = body if response is None else encode(response)
        await self._client.answer(status, headers, body)

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream, which holds its last event, unless that repeats a long text."""
        if not self._turn.over and (found := _last(data)) is not None:
            start, stop = found
            event = _decode_head(memoryview(data)[start:stop])
            if (response := await self._told(_decode_head(event["response"]))) is not None:
                data = data[:start] + encode({**event, "response": response}) + data[stop:]
        await self._client.end(data)

    async def _told(self, response: dict[str, msgspec.Raw]) -> dict[str, Any] | None:
        """Keep an answer. Returns what the client gets instead where the store failed, else None."""
        shown: dict[str, Any] = {name: decode(response[name]) for name in _READ if name in response}
        if shown.get("status") == "failed":
            self._turn.failed()
        output = _decode_list(response["output"]) if "output" in response else ()
        whole: dict[str, Any] = {**response, **shown, "output": output or ()}
        if await self._turn.keep(whole, self._work.exchange.answered):
            return None
        return {**response, "store": False}


def _raw(item: Item) -> msgspec.Raw:
    """A kept item as it is sent: a compaction of ours is the message that it stands for."""
    message = opened(decode(item.body)) if TAG in item.body else None
    return msgspec.Raw(item.body if message is None else encode(message))


def _last(data: bytes) -> tuple[int, int] | None:
    """Where the JSON of the event that ends a stream begins and ends, among its last bytes."""
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
"""Members of an answer that are read to keep it."""
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
