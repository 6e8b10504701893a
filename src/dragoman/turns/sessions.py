"""Sessions: the gateway remembers a conversation for a client that sends only new messages.

A request names its session by the header `X-Session-Id`, or by a member of its body if the configuration
allows that (`sessions.by`). The session's turns are put before the request's messages. When the answer is
complete, the request's messages and the answer become the next turn. Turns are stored as IR values, so a
session can continue in another protocol and at another provider; a seal is sent only to the provider that
made it. A failed turn is not stored. Turns that run at the same time start from the same history and are
stored in the order in which they end.

A client that sends its whole history may have a session, too (`sessions.by: history`). The SHA-256 of the
earlier messages is the session's id, and its turns, with their thinking and seals, replace the client's
copy of them.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.config.lasting import Sessions as Settings
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import AnswerContext, Asked, Said, Sealed
from dragoman.engine.asked import Turn as Continued
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from dragoman.state.store import Store, StoreFailed, StoreFull

log = logging.getLogger("dragoman.turns.sessions")

HEADER: Final = "X-Session-Id"
_GIVES_WAY: Final = frozenset({"user", "history"})
"""Values of `sessions.by` that name a session only if the request continues nothing else."""
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}\Z")
_HISTORY: Final = frozenset({"system", "developer"})


class StoredTurn(msgspec.Struct, frozen=True):
    """One stored turn: the messages of a request and the answer to it. provider: who answered."""

    messages: tuple[ir.Message, ...]
    provider: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(StoredTurn).decode


class Remembering:
    """The sessions of one gateway. reached: called with an exceeded limit's name, and a text: by whom."""

    def __init__(
        self, store: Store, settings: Settings, seams: Seams, reached: Callable[[str, str], None]
    ) -> None:
        self.store = store
        self.reached = reached
        self.seams = seams
        self.ttl = float(settings.ttl)
        self.by = settings.by
        """The members of a body that name a session; "history" = the earlier messages do."""

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """The stored turns of a session, for `read`. Raises RequestFailed (503)."""
        try:
            return await self.store.sessions.turns(tenant, id_)
        except StoreFailed as error:
            log.exception("the session store failed")
            raise RequestFailed(_UNREACHABLE) from error


def read(kept: Sequence[bytes]) -> list[StoredTurn]:
    """The stored turns, decoded."""
    return [_decode(turn) for turn in kept]


def _joined(kept: Sequence[bytes], start: int) -> tuple[list[ir.Message], tuple[Sealed, ...]]:
    """The messages of all turns, and who made the seals in them. start: the first message's position."""
    messages: list[ir.Message] = []
    sealed: list[Sealed] = []
    for turn in read(kept):
        first = start + len(messages)
        messages += turn.messages
        if turn.provider is not None:
            sealed.append(Sealed(first, start + len(messages), turn.provider))
    return messages, tuple(sealed)


def digest(messages: Sequence[ir.Message]) -> str:
    """The session id for these messages: a hash of role and content, without thinking, seals and call ids."""
    said = [
        [message.role, [told for block in message.blocks if (told := _said(block))]] for message in messages
    ]
    return f"history-{hashlib.sha256(_encode(said)).hexdigest()}"


def _said(block: ir.Block) -> list[Any]:
    """The content of a block that is the same in an answer and in the client's copy of it."""
    if isinstance(block, ir.Text | ir.Refusal):
        return ["text", text] if (text := block.text.strip()) else []
    if isinstance(block, ir.ToolCall):
        return ["call", block.name, _written(block.arguments)]
    if isinstance(block, ir.ToolResult):
        return ["result", [told for inner in block.content if (told := _said(inner))]]
    if isinstance(block, ir.Media):
        return ["media", block.kind, block.data or block.url or block.file or block.text or ""]
    return []


def _written(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments


def session_id(stated: str, param: str = HEADER) -> str:
    """The client's session id, checked. Raises RequestFailed for an invalid one."""
    if not _ID.match(stated):
        raise RequestFailed(_odd(param))
    return stated


class SessionTurn:
    """One request in a session. Implements `asked.Turn`.

    id_: None = the request's body may name the session. inner: the turn of the request's own protocol, which
    may continue and store something as well.
    """

    def __init__(
        self, remembering: Remembering, tenant: str, id_: str | None, inner: Continued | None = None
    ) -> None:
        self._named = id_ is not None
        """Whether the request is in a session."""
        self.precedes = True
        self._inner = inner
        self._remembering = remembering
        self._tenant = tenant
        self._id = id_ or ""
        self._param = HEADER
        self._asked: tuple[ir.Message, ...] = ()
        self._earlier: tuple[ir.Message, ...] = ()
        """The messages that the client repeated, if the history names the session."""

    @property
    def relayed(self) -> bool:
        """Whether no session (which needs the answer in the IR), and `inner` allows to relay."""
        return not self._named and (self._inner is None or self._inner.relayed)

    @property
    def hears(self) -> bool:
        """Whether the request is in a session, or `inner` needs the answer in the IR."""
        return self._named or (self._inner is not None and self._inner.hears)

    @property
    def keeps(self) -> bool:
        """Whether `inner` needs the answer's JSON object."""
        return self._inner is not None and self._inner.keeps

    def _name(self, asked: Asked) -> Asked:
        """Find the session that the body names. Raises RequestFailed for an invalid id."""
        wire, head = asked.wire, asked.said.head
        for member in self._remembering.by:
            if member == "history":
                self._param, self._named = member, True
                break
            stated = wire.body.get(member)
            if not isinstance(stated, str) or not stated:
                continue
            self._param, self._named = member, True
            if member == "session_id":
                self._id = session_id(stated, member)
                own = {key: value for key, value in wire.body.items() if key != member}
                head = {key: value for key, value in head.items() if key != member}
                said = Said(msgspec.structs.replace(wire, body=own), head, asked.said.raw)
                return msgspec.structs.replace(asked, said=said)
            # providers get it, too, and whatever it is made of
            self._id = f"user-{hashlib.sha256(stated.encode('utf-8', 'replace')).hexdigest()}"
            break
        return asked

    async def expand(self, asked: Asked) -> Asked:
        """Put the session's turns before the request's messages, after its system messages.

        Raises RequestFailed (400, 503).
        """
        if not self._named:
            asked = self._name(asked)
        if self._named and not self._remembering.ttl:
            raise RequestFailed(_off(self._param))
        asked.wire.preceded = self._named and self._param != "history"
        if self._inner is not None:
            asked = await self._inner.expand(asked)
        if self._named and asked.wire.continued[1]:
            if self._param not in _GIVES_WAY:
                raise RequestFailed(_twice(self._param))
            self._named = False  # what the request says of itself counts more
        if not self._named:
            return asked
        request = asked.request if asked.light else await asked.step(asked.decoded)
        opening = 0
        while opening < len(request.messages) and request.messages[opening].role in _HISTORY:
            opening += 1
        self._asked = request.messages[opening:]
        if self._param == "history":
            return await self._recognise(asked, opening)
        kept = await self._kept(asked, self._id)
        if not kept:
            return asked
        asked = asked.heavier(sum(map(len, kept)))
        messages, sealed = await asked.step(_joined, kept, opening)
        asked.wire.continued = (opening, len(messages))
        whole = (*request.messages[:opening], *messages, *self._asked)
        asked = asked.with_request(msgspec.structs.replace(request, messages=whole))
        return msgspec.structs.replace(asked, sealed=sealed)

    async def _kept(self, asked: Asked, id_: str) -> Sequence[bytes]:
        """The stored turns of a session. They count as memory of the request. Raises RequestFailed (503)."""
        kept = await self._remembering.turns(self._tenant, id_)
        asked.inbound.room.take(sum(map(len, kept)))
        return kept

    async def _recognise(self, asked: Asked, opening: int) -> Asked:
        """Find the session of messages that the client sent again, and replace them with the stored ones."""
        own = self._asked
        answers = [place for place, message in enumerate(own) if message.role == "assistant"]
        if not answers:
            return asked
        self._earlier, self._asked = own[: answers[-1] + 1], own[answers[-1] + 1 :]
        id_ = await asked.step(digest, self._earlier)
        kept = await self._kept(asked, id_)
        messages, sealed = await asked.step(_joined, kept, opening)
        if await asked.step(digest, messages) != id_:  # there is none, or its oldest turns have left
            return asked
        self._id = id_
        if len(messages) != len(self._earlier):
            return asked
        whole = (*asked.request.messages[:opening], *messages, *self._asked)
        asked = asked.with_request(msgspec.structs.replace(asked.request, messages=whole))
        return msgspec.structs.replace(asked, sealed=sealed)

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """What `inner` returns; None = a model is called."""
        return None if self._inner is None else await self._inner.admitted(asked, last_words)

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """What `inner` returns after it has stored the answer; True if there is no `inner`."""
        return self._inner is None or await self._inner.kept(answer, ending)

    def failed(self) -> None:
        """Tell `inner` that the request has failed."""
        if self._inner is not None:
            self._inner.failed()

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Give the answer to `inner`, and store this turn in its session."""
        if self._inner is not None and self._inner.hears:
            await self._inner.heard(answer, response)
        if self._named:
            await self._remember(answer, response)

    async def _remember(self, answer: AnswerContext, response: ir.Response) -> None:
        """Store this turn, unless the answer failed or is empty. A failure of the store is logged."""
        if response.error is not None or not response.candidates:
            return
        blocks = response.candidates[0].blocks
        if not blocks:
            return
        messages = (*self._asked, ir.Message("assistant", blocks))
        provider = None if answer.deployment is None else answer.deployment.provider
        steps, weight = answer.steps, answer.weight
        now = self._remembering.seams.now()
        sessions = self._remembering.store.sessions
        try:
            if self._param == "history":
                before = self._id
                self._id = await steps.run(weight, digest, (*self._earlier, *messages))
                if not (before and await sessions.move(self._tenant, before, self._id)):
                    messages = (*self._earlier, *messages)
                    await sessions.delete(self._id, self._tenant)  # it holds the same words, said before
            turn = await steps.run(weight, _encode, StoredTurn(messages, provider))
            await sessions.append(self._tenant, self._id, turn, now=now, expires=now + self._remembering.ttl)
        except StoreFull as full:
            self._remembering.reached(
                "session_turn_too_large", f"by {self._tenant}: it is not stored: {full}"
            )
        except (StoreFailed, ValueError):  # ValueError: half of a surrogate pair cannot be encoded
            log.exception("a turn of a session could not be stored")


def _odd(param: str) -> ir.Fault:
    text = f"Invalid '{param}': expected 1 to 128 printable ASCII characters."
    return ir.Fault("invalid_request", text, code="invalid_value", param=param)


def _off(param: str) -> ir.Fault:
    text = f"Sessions are disabled on this gateway, so '{param}' is not supported."
    return ir.Fault("unsupported", text, code="unsupported_value", param=param)


def _twice(param: str) -> ir.Fault:
    text = f"'{param}' cannot be combined with 'previous_response_id' or 'conversation': use one of them."
    return ir.Fault("invalid_request", text, code="mutually_exclusive_parameters", param=param)


_UNREACHABLE: Final = ir.Fault(
    "unavailable",
    "The session store is not available at the moment. Try again later.",
    code="store_unavailable",
    blame="gateway",
)
