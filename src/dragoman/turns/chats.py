"""Stores chat completions of OpenAI's chat API if the client (`store: true`) and the configuration want this,
whichever model answers.

https://platform.openai.com/docs/api-reference/chat/list. `store` and `metadata` of such a request are not
sent to the provider. A completion is stored before its end is sent to the client.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.streaming import Ending
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import AnswerContext, Asked, Said
from dragoman.exchange import Exchange
from dragoman.state.store import StoredChat, StoreFailed, StoreFull
from dragoman.turns.keeping import Keeping
from dragoman.wire.json import UNDECODABLE, encode

log = logging.getLogger("dragoman.turns")

NAME: Final = "openai_chat"
MARK: Final = b'"store"'
"""A request body in which these bytes were searched and not found counts as one that asks for no stored
completion.
"""
_OWN: Final = ("store", "metadata")
"""Members of a chat request that are not sent to a provider if the gateway stores the completion."""
_SHOWN: Final = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "tools", "tool_choice"),
    *("response_format", "service_tier"),
)
"""Members of the request that a stored completion repeats; null if the request does not have the member. If
the completion itself has a member with the same name, the completion's value counts.
"""
_NULL: Final = msgspec.Raw(b"null")


class ChatTurn:
    """Stores the answer to one chat request with `store: true`. tenant: the name of the client that then owns
    the stored completion. Implements `asked.Turn`.
    """

    relayed = True
    precedes = False

    def __init__(self, keeping: Keeping, tenant: str) -> None:
        self._keeping = keeping
        self._tenant = tenant
        self._head: Mapping[str, msgspec.Raw] | None = None
        """The members of the client's request as raw JSON; None = the answer is not stored."""
        self._metadata: Mapping[str, str] = {}

    @property
    def keeps(self) -> bool:
        """Whether the answer is to be stored: an OpenAI chat request has `store: true`, and the configuration
        allows it. False before `expand`. `kept` stores a complete answer, `heard` a streamed one.
        """
        return self._head is not None

    hears = keeps

    def concerns(self, body: Mapping[str, Any]) -> bool:
        """Whether the body has a field `store` (with any value), so that it may ask for a stored answer."""
        return "store" in body

    async def expand(self, asked: Asked) -> Asked:
        """Return a copy of the request without `store` and `metadata` if its answer is to be stored, else the
        request itself.
        """
        said = asked.said
        body = said.wire.body
        if asked.face.name != NAME or body.get("store") is not True or not self._keeping.retains:
            return asked
        self._head, self._metadata = said.head, body.get("metadata") or {}
        own = {key: value for key, value in body.items() if key not in _OWN}
        head = {key: value for key, value in said.head.items() if key not in _OWN}
        expanded = Said(msgspec.structs.replace(said.wire, body=own), head, said.raw)
        return msgspec.structs.replace(asked, said=expanded)

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Return None: a model is always called."""
        return None

    def failed(self) -> None:
        """Do nothing: a failed answer is not stored."""

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """Store an answer that is not streamed. ending: the completion as the client reads it. Always return
        True: a failure to store is only logged or counted.
        """
        assert self._head is not None
        await self._keep(answer.exchange, self._head, ending.response)
        return True

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Store a streamed answer, if it is to be stored, has not failed and has a candidate. Do nothing for
        an answer that is not streamed, because `kept` stores it. A failure to store is only logged or
        counted.
        """
        exchange = answer.exchange
        if (
            self._head is None
            or not exchange.streamed
            or response.error is not None
            or not response.candidates
        ):
            return
        if response.usage is None:
            response = msgspec.structs.replace(response, usage=exchange.usage)
        reply = msgspec.structs.replace(answer.reply, report=Report(NAME, "response"))
        completion = await answer.steps.run(answer.weight, DIALECTS[NAME].response.encode, response, reply)
        await self._keep(exchange, self._head, completion)

    async def _keep(
        self, exchange: Exchange, head: Mapping[str, msgspec.Raw], completion: Mapping[str, Any]
    ) -> None:
        id_, model, created = (_value(completion.get(name)) for name in ("id", "model", "created"))
        if not isinstance(id_, str) or not id_:
            log.warning("a chat completion without an id cannot be stored")
            return
        timed = isinstance(created, int | float) and 0 <= created < 2**53
        shown = {name: head.get(name, _NULL) for name in _SHOWN}
        shown["input_user"] = head.get("user", _NULL)
        shown["request_id"] = msgspec.Raw(encode(exchange.request_id))
        own = {key: value for key, value in completion.items() if key != "metadata"}
        chat = StoredChat(
            id=id_,
            tenant=self._tenant,
            created=created if timed else exchange.created,
            model=model if isinstance(model, str) else "",
            body=encode({**shown, **own}),
            messages=bytes(head["messages"]),
            metadata=self._metadata,
            expires=self._keeping.expires(),
        )
        try:
            await self._keeping.store.chats.save(chat)
        except StoreFull as full:
            self._keeping.reached("responses_full", f"by {self._tenant}: {id_} is not stored: {full}")
        except StoreFailed as error:
            log.error("the chat completion %s could not be stored: %s", id_, error)  # noqa: TRY400 - as in `keeping`


def _value(value: Any) -> Any:
    """Return a value, decoded if it is raw JSON; None if it cannot be decoded (a number out of range)."""
    try:
        return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    except UNDECODABLE:
        return None


def written(chat: StoredChat) -> bytes:
    """Return a stored completion as JSON for the client: the stored object, without decoding it, and its
    metadata.
    """
    return b'%b,"metadata":%b}' % (chat.body[:-1], encode(dict(chat.metadata)))
