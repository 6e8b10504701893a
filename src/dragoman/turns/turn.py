"""One request to the Responses API: its history is put before its input, and its response is stored.

Providers never get `previous_response_id`, `conversation`, `background` and `generate`: they get the complete
input and `store: false`. A response is stored before its end is sent to the client, so the client can
continue the response as soon as it has the end; with a database, it can do so through another process too. If
storing fails, the response that the client gets says `store: false`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import AnswerContext, Asked, Said, Sealed
from dragoman.errors import RequestFailed, WireError
from dragoman.state.store import Item, Status, StoredResponse, StoreFailed, StoreFull
from dragoman.turns.compaction import TAG, opened
from dragoman.turns.items import Wire, decode, items_of, kept, kind, unanswerable, wanted
from dragoman.turns.keeping import TOO_LARGE, UNREACHABLE, Keeping, Piece, previous_missing
from dragoman.wire.json import encode, refuse_many_values

log = logging.getLogger("dragoman.turns.turn")

_STATE: Final = ("previous_response_id", "conversation", "background", "generate")
"""Members of the client's request that are only for the gateway; providers do not get them."""
_FOREIGN: Final = b'"dgm1.'
"""The beginning of a seal from a provider with another protocol. No server of the Responses protocol can read
it.
"""
_REMEMBERED: Final = 8
"""The most responses that one WebSocket remembers."""
_ROOM: Final = 64_000_000
"""The most bytes of the histories that one WebSocket remembers; a single history may have more."""
_TOGETHER: Final = 256_000_000
"""The most bytes of the histories that all WebSockets of the gateway remember together."""


class Connection:
    """The memory of one WebSocket: its latest responses with their histories, whether or not the store has
    them too.
    """

    __slots__ = ("_answers", "_held", "_keeping")

    def __init__(self, keeping: Keeping) -> None:
        self._answers: OrderedDict[str, Sequence[Piece]] = OrderedDict()
        self._keeping = keeping
        self._held = 0
        """The part of `Keeping.held` (bytes) that this WebSocket has added."""

    def find(self, id_: str) -> Sequence[Piece] | None:
        """Return the history that ends with the response `id_`, the oldest piece first; None = this WebSocket
        does not remember the response.
        """
        return self._answers.get(id_)

    def remember(self, id_: str, pieces: Sequence[Piece]) -> None:
        """Remember the history that ends with the response `id_`. pieces: this history, the oldest piece
        first.

        Above `_REMEMBERED` histories or `_ROOM` bytes, this WebSocket forgets its oldest histories, but not
        this one. While all WebSockets together remember more than `_TOGETHER` bytes, it forgets its own, the
        oldest first, even this one, and calls `Keeping.reached` for each.
        """
        self._answers[id_] = pieces
        while len(self._answers) > _REMEMBERED or (len(self._answers) > 1 and self._size() > _ROOM):
            self._answers.popitem(last=False)
        self._count()
        while self._answers and self._keeping.held > _TOGETHER:
            self._answers.popitem(last=False)
            self._count()
            self._keeping.reached("socket_memory", f"by {self._keeping.held} bytes of all WebSockets")

    def close(self) -> None:
        """Forget everything, because the WebSocket has closed."""
        self._answers.clear()
        self._count()

    def _count(self) -> None:
        size = self._size()
        self._keeping.held += size - self._held
        self._held = size

    def _size(self) -> int:
        """Return the bytes of the remembered histories. A piece that several histories share counts once."""
        pieces = {id(piece): piece for answer in self._answers.values() for piece in answer}
        return sum(len(item.body) for piece in pieces.values() for item in piece.items)

    def forget(self, id_: str | None) -> None:
        """Forget the history that ends with the response `id_`; None = do nothing."""
        if id_ is not None:
            self._answers.pop(id_, None)
            self._count()


class ResponseTurn:
    """Puts the history before the input of one request, and stores its response. Implements `asked.Turn`.

    tenant: the name of the client that owns the stored responses. connection: the memory of the request's
    WebSocket; None = the request came over HTTP. background: True = the background writer stores the
    response.
    """

    relayed = True
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
        self.asks: Callable[[Sequence[Any]], list[Any]] | None = None
        """A function that makes the input for the provider out of all items of the history and of the
        client's input; None = these items are the input.
        """
        self.everything: list[Wire] = []
        """The items of the history and of the client's input. `expand` sets them only if `asks` is set."""

    def concerns(self, body: Mapping[str, Any]) -> bool:
        """Return True: every body concerns this turn, because a response is stored unless the body forbids
        it.
        """
        return True

    async def expand(self, asked: Asked) -> Asked:
        """Return a copy of the request with its history before its input, stored items in place of
        references, `store: false`, and without `previous_response_id`, `conversation`, `background` and
        `generate`. If `asks` is set, it makes the input. Sets this turn's fields.

        Raises RequestFailed for an invalid request, for example if a stored response, conversation or item is
        missing, a tool output has no call (`items.unanswerable`), or the request with its history is too
        large; also if the store fails or no memory is left.
        """
        body = asked.wire.body
        self._read(body)
        self._pieces = await self._history()
        own = items_of(body.get("input"))
        found = await self._resolved(own)
        if self._generates and not (own or any(piece.items for piece in self._pieces)):
            raise RequestFailed(_EMPTY)
        size = sum([len(item.body) for piece in self._pieces for item in piece.items])
        if size > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)
        asked.inbound.room.take(size)
        asked = asked.heavier(size)
        return await asked.step(self._join, asked, own, found)

    def _join(self, asked: Asked, own: Sequence[Wire], found: Sequence[Wire]) -> Asked:
        """Return the request with `_pieces` before its input. own: the items of the input. found: the same
        items with stored items in place of references (`_resolved`). Compactions of the gateway become
        messages with their summaries. Raises RequestFailed if the request is too large, or for a tool output
        without a call.
        """
        wire, head = asked.wire, asked.said.head
        resolved = [opened(item) or item for item in found]
        history: list[Any] = []
        sealed: list[Sealed] = []
        for piece in self._pieces:
            start = len(history)
            history += map(_raw, piece.items)
            if piece.provider is not None:
                sealed.append(Sealed(start, len(history), piece.provider))
        changes: dict[str, Any] = {"store": False}
        if self.asks is not None:
            self.everything = [*map(decode, history), *resolved]
            changes["input"] = self.asks(self.everything)
        elif history or resolved != own:
            changes["input"] = [*history, *resolved]
        hidden = {key: value for key, value in wire.body.items() if key not in _STATE}
        decoded = changes
        sent = head.get("input", b"")
        if "input" in changes:
            sent = changes["input"] = msgspec.Raw(encode(changes["input"]))
            self._check(bytes(sent), asked.inbound.max_values)
            decoded = {**changes, "input": decode(sent)}
        if not wire.preceded and (orphan := unanswerable(decoded.get("input", own))) is not None:
            place, call = max(orphan[0] - len(history), 0), orphan[1]
            text = f"No tool call found for function call output with call_id {call[:128]}."
            fault = ir.Fault("invalid_request", text, "invalid_value", f"input[{place}].call_id")
            raise RequestFailed(fault)
        if self._remembers:
            self.input = kept(found, self.keeping.seams.random_id)
        expanded = msgspec.structs.replace(
            wire, body={**hidden, **decoded}, continued=(0, len(history)), written=wire.body
        )
        head = {**{key: value for key, value in head.items() if key not in _STATE}, **changes}
        return msgspec.structs.replace(
            asked,
            said=Said(expanded, head, asked.said.raw),
            echo=self._echo(wire.body),
            sealed=tuple(sealed),
            reasons=(*asked.reasons, "seals") if _FOREIGN in bytes(sent) else asked.reasons,
        )

    def _check(self, sent: bytes, max_values: int) -> None:
        """Raise RequestFailed (413) if this JSON has more than `max_values` values or more bytes than the
        limit for a request.
        """
        try:
            refuse_many_values(sent, max_values)
        except WireError as error:
            raise RequestFailed(TOO_LARGE) from error
        if len(sent) > self.keeping.largest:
            raise RequestFailed(TOO_LARGE)

    def _read(self, body: Mapping[str, Any]) -> None:
        """Set `previous`, `conversation` and `stores`, and whether a model is called, from a request's body.
        Raises RequestFailed if the body names both a response and a conversation, and for a background
        response that would not be stored.
        """
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
    def keeps(self) -> bool:
        """Whether `kept` must be called to store or remember the response; known after `expand`. Always False
        in the background.
        """
        return self._remembers and not self._background

    @property
    def _remembers(self) -> bool:
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
        """Return the request's items with stored items in place of references. Reasoning items without their
        encrypted content get it from the store, if the store has it. Raises RequestFailed for an unknown
        reference (404), too many bytes (413), or a store that fails (503).
        """
        known = await self.keeping.items(self.tenant, wanted(own))
        items: list[Wire] = []
        for place, item in enumerate(own):
            id_ = item.get("id")
            found = known.get(id_) if isinstance(id_, str) else None
            if kind(item) == "item_reference":
                if found is None:
                    text = f"Item with id {str(id_)[:128]!r} not found."
                    raise RequestFailed(ir.Fault("not_found", text, "item_not_found", f"input[{place}].id"))
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

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Return None if a model has to be called. With `generate: false`, return an empty response instead:
        such a request only adds its input to the history.
        """
        if self._generates:
            return None
        return ir.Response("", None, None, None, (ir.Candidate((), ir.Stop("end")),), ir.Usage())

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Do nothing: `kept` stores the response in the form that the client reads."""

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """Store a finished response wherever the request wants it: in the store, in the conversation, and in
        the WebSocket's memory. A failed response goes only into the store, and the WebSocket forgets the
        history that the request continued. ending: the response as the client reads it.

        Return False if the response should be in the store but is not, because it is too large or the store
        failed; else True. Raises RequestFailed if the conversation cannot take the response: 413 if there is
        no space for it, 503 if the store fails. That the conversation was deleted is only logged.
        """
        keeping = self.keeping
        response = {"created_at": int(keeping.seams.now()), **_plain(ending.response)}
        if type(response["created_at"]) not in {int, float}:
            response["created_at"] = int(keeping.seams.now())
        if response.get("status") == "failed":
            self.failed()
        elif self.conversation is not None and ending.size > min(keeping.largest, keeping.most):
            raise RequestFailed(_CONVERSATION_FULL)
        if ending.size > keeping.most and self._connection is None:
            if self.stores:
                why = f"{ending.size} bytes are more than the {keeping.most} bytes that may be stored"
                keeping.reached("responses_full", f"by {self.tenant}: {response['id']} is not stored: {why}")
            return not self.stores
        deployment = answer.exchange.answered
        output = kept(response.get("output") or (), keeping.seams.random_id)
        status: Status = response.get("status") or "completed"
        if self._connection is not None and status != "failed":
            piece = Piece((*self.input, *output), deployment)
            self._connection.remember(response["id"], (*self._pieces, piece))
        kept_all = True
        if self.stores:
            kept_all = await keeping.save(self.record(response, status, output, deployment))
        if self.conversation is not None and status != "failed":
            await self.converse(output)
        return kept_all

    def record(
        self, response: Mapping[str, Any], status: Status, output: tuple[Item, ...], deployment: str | None
    ) -> StoredResponse:
        """Return this turn's response in the form for the store. response: the response object as the client
        reads it; its `output` is ignored. output: the output items in stored form. deployment: the deployment
        that answered (`provider/model`), None = not known yet.
        """
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
        """Add this turn's input and `output` to its conversation. If the conversation was deleted meanwhile,
        only log that. Raises RequestFailed: 413 if they do not fit into the conversation or the store, 503 if
        the store fails.
        """
        assert self.conversation is not None
        items = (*self.input, *output)
        conversations = self.keeping.store.conversations
        try:
            expires = self.keeping.expires()
            if not await conversations.append(self.tenant, self.conversation, items, expires=expires):
                log.warning("a response was not added to its conversation, which was deleted meanwhile")
        except StoreFull as error:
            raise RequestFailed(_CONVERSATION_FULL) from error
        except StoreFailed as error:
            raise RequestFailed(UNREACHABLE) from error

    def failed(self) -> None:
        """Make the WebSocket forget the history that this request continued by `previous_response_id`,
        because the request has failed. Does nothing for a request over HTTP.
        """
        if self._connection is not None:
            self._connection.forget(self.previous)


def _plain(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a response object in which the members that `kept` reads (`_READ`) are decoded. If
    `output` is raw JSON, it is decoded into a list of raw items.
    """
    plain = dict(response)
    for name in _READ:
        if isinstance(value := plain.get(name), msgspec.Raw):
            plain[name] = decode(value)
    if isinstance(output := plain.get("output"), msgspec.Raw):
        plain["output"] = _decode_list(output)
    return plain


def _raw(item: Item) -> msgspec.Raw:
    """Return a stored item in the form for providers: its JSON; or, for a compaction of the gateway, the
    message with its summary.
    """
    message = opened(decode(item.body)) if TAG in item.body else None
    return msgspec.Raw(item.body if message is None else encode(message))


_READ: Final = ("id", "status", "created_at")
"""The members of a response that `kept` reads, except `output`."""
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw] | None).decode
_CONVERSATION_FULL: Final = ir.Fault(
    "too_large", "The conversation is too large to add another turn.", "request_too_large", "conversation"
)
_EITHER: Final = ir.Fault(
    "invalid_request",
    "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
    "mutually_exclusive_parameters",
    "conversation",
)
_EMPTY: Final = ir.Fault(
    "invalid_request", "Missing required parameter: 'input'.", "missing_required_parameter", "input"
)
_NOT_STORED: Final = ir.Fault(
    "invalid_request",
    "A background response must be stored: 'store' cannot be false.",
    "invalid_value",
    "store",
)
_NOT_RETAINED: Final = ir.Fault(
    "unsupported",
    "This gateway does not store responses, so background responses are not available.",
    "unsupported_value",
    "background",
)
