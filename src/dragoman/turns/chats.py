"""Chat completions that their client wants to be kept (`store: true`), whatever model answers.

https://platform.openai.com/docs/api-reference/chat/list. No provider is asked to store anything: `store` and
`metadata` stay here, so what is deleted here is gone. A completion is kept before its client reads the last
of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.dialects.table import DIALECTS
from dragoman.engine.work import ForwardingClient, Headers, Work
from dragoman.errors import DragomanError
from dragoman.state.store import StoredChat, StoreFailed, StoreFull
from dragoman.turns.keeping import Keeping
from dragoman.wire.json import decode_head, encode, encode_head
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter

log = logging.getLogger("dragoman.turns")

NAME: Final = "openai_chat"
MARK: Final = b'"store"'
"""What stands in the body of each request whose answer is to be kept."""
_OWN: Final = ("store", "metadata")
"""Members that only the gateway reads."""
_SHOWN: Final = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "tools", "tool_choice"),
    *("response_format", "service_tier"),
)
"""Members of the request that a kept completion shows."""
_NULL: Final = msgspec.Raw(b"null")


class ChatTurn:
    """Has one answer kept, if its request asks for that. Implements `work.Turn`. tenant: whose it is."""

    hears = False
    precedes = False

    def __init__(self, keeping: Keeping, tenant: str) -> None:
        self._keeping = keeping
        self._tenant = tenant

    async def expand(self, work: Work) -> None:
        """Take `store` and `metadata` out of the request, and let the keeper see the answer."""
        body = work.wire.body
        if work.face.name != NAME or body.get("store") is not True or not self._keeping.retains:
            return
        work.client = _Keeper(self._keeping, self._tenant, work)
        own = {key: value for key, value in body.items() if key not in _OWN}
        work.wire = msgspec.structs.replace(work.wire, body=own)
        work.head = {key: value for key, value in work.head.items() if key not in _OWN}

    async def admitted(self, work: Work) -> bool:
        """A model is to be asked."""
        return True

    async def heard(self, work: Work, response: ir.Response) -> None:
        """Do nothing: the keeper sees the answer as the client reads it."""

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Do nothing, for the same reason."""
        return True


class _Keeper(ForwardingClient):
    """The client of a request whose answer is kept before it has been read to its end.

    work: as its client sent it.
    """

    def __init__(self, keeping: Keeping, tenant: str, work: Work) -> None:
        super().__init__(work.client)
        self._keeping = keeping
        self._tenant = tenant
        self._work = work
        self._asked = work.head
        self._metadata: Mapping[str, str] = work.wire.body.get("metadata") or {}
        self._gathered: _Gathered | None = None

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer."""
        if status < 400:
            await self._keep(decode_head(body))
        await self._client.answer(status, headers, body)

    async def write(self, data: bytes) -> None:
        """More of a stream."""
        self._gather(data)
        await self._client.write(data)

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        self._gather(data)
        assert self._gathered is not None
        work = self._work
        reply = Reply(work.brief, Report(NAME, "response"), work.answer_id, int(work.exchange.created))
        gathered = self._gathered
        completion = await work.step_of(gathered.size, gathered.completion, reply, work.exchange.usage)
        if completion is not None:
            await self._keep(completion)
        await self._client.end(data)

    def _gather(self, data: bytes) -> None:
        if self._gathered is None:
            lines = self._work.inbound.framing == "ndjson"
            self._gathered = _Gathered(self._keeping.largest, lines=lines)
        self._gathered.feed(data)

    async def _keep(self, answer: Mapping[str, msgspec.Raw]) -> None:
        """Keep a completion. Where it cannot be kept, that is logged; its client reads it all the same."""
        id_, model, created = (_value(answer.get(name)) for name in ("id", "model", "created"))
        if not isinstance(id_, str) or not id_:
            log.warning("a chat completion without an id cannot be stored")
            return
        shown = {name: self._asked.get(name, _NULL) for name in _SHOWN}
        shown["input_user"] = self._asked.get("user", _NULL)
        shown["request_id"] = msgspec.Raw(encode(self._work.exchange.request_id))
        own = {key: value for key, value in answer.items() if key != "metadata"}
        chat = StoredChat(
            id=id_,
            tenant=self._tenant,
            created=created if _is_time(created) else self._work.exchange.created,
            model=model if isinstance(model, str) else "",
            body=encode_head({**shown, **own}),
            messages=bytes(self._asked["messages"]),
            metadata=self._metadata,
            expires=self._keeping.expires(),
        )
        try:
            await self._keeping.store.chats.save(chat)
        except StoreFull as full:
            self._keeping.reached("responses_full", f"by {self._tenant}: {id_} is not stored: {full}")
        except StoreFailed as error:
            log.error("the chat completion %s could not be stored: %s", id_, error)  # noqa: TRY400 - as in `keeping`


class _Gathered:
    """Folds the chunks that a client gets into one completion. most: bytes that may be folded."""

    def __init__(self, most: int, *, lines: bool) -> None:
        self._splitter: SSESplitter | NDJSONSplitter = NDJSONSplitter(most) if lines else SSESplitter(most)
        self._decoder = DIALECTS[NAME].stream.decoder(STANDARD)
        self._fold = ir.Fold()
        self._most = most
        self.size = 0
        """Bytes of the stream so far."""
        self._whole = True

    def feed(self, data: bytes) -> None:
        """More of it. What is too large, has failed or is odd is not kept."""
        self.size += len(data)
        self._whole = self._whole and self.size <= self._most
        if not self._whole:
            self._fold = ir.Fold()
            return
        try:
            for frame in self._splitter.feed(data):
                self._add(self._decoder.feed(frame))
        except DragomanError:
            self._whole = False

    def _add(self, events: Any) -> None:
        for event in events:
            self._whole = self._whole and not isinstance(event, ir.Error)
            self._fold.add(event)

    def completion(self, reply: Reply, usage: ir.Usage | None) -> dict[str, msgspec.Raw] | None:
        """The members of the completion; None where the stream gave no whole one. usage: what the gateway
        knows, for a stream that states none.
        """
        try:
            self._add(self._decoder.close())
        except DragomanError:
            return None
        response = self._fold.response()
        if not self._whole or not response.candidates:
            return None
        if response.usage is None:
            response = msgspec.structs.replace(response, usage=usage)
        whole = DIALECTS[NAME].response.encode(response, reply)
        return {key: msgspec.Raw(encode(value)) for key, value in whole.items()}


def _value(raw: msgspec.Raw | None) -> Any:
    """A member, read; None where there is none, or a number that is too large for any machine."""
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None


def _is_time(value: Any) -> TypeGuard[float]:
    """Whether these may be Unix seconds. The member is a provider's, so it may be anything."""
    return isinstance(value, int | float) and 0 <= value < 2**53


def written(chat: StoredChat) -> bytes:
    """A kept completion as the API shows it. It is JSON already: however large it is, nothing is read."""
    return b'%b,"metadata":%b}' % (chat.body[:-1], encode(dict(chat.metadata)))
