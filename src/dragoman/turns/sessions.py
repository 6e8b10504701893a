"""Sessions: the gateway remembers a conversation for a client that sends only new messages.

A request names its session in the header `X-Session-Id`, or in a member of its body if the configuration
allows that (`sessions.by`). The session's turns are put before the request's messages, but after its system
messages. The request's other messages and the answer's first candidate become the next turn, stored as IR
values, so a session can continue in another protocol and at another provider. A seal is sent only to the
provider that made it.

A client that sends its complete history each time may have a session too (`sessions.by: history`). The
session's id is then a hash of the earlier messages, and the session's turns, with their thinking and seals,
replace the client's copy of them.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
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
from dragoman.wire.json import UNDECODABLE

log = logging.getLogger("dragoman.turns.sessions")

HEADER: Final = "X-Session-Id"
_GIVES_WAY: Final = frozenset({"user", "history"})
"""Values of `sessions.by` that name a session only if the request continues nothing else, such as a stored
response.
"""
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}\Z")
_SYSTEM: Final = frozenset({"system", "developer"})


class StoredTurn(msgspec.Struct, frozen=True):
    """One stored turn: those messages of a request that were not stored before, and the answer. provider: the
    name of the provider that answered, None = unknown.
    """

    messages: tuple[ir.Message, ...]
    provider: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(StoredTurn).decode


class Remembering:
    """The sessions of one gateway. reached: called when a turn cannot be stored because it is too large or
    there is no space, with the limit's name and a text that says whose session it is.
    """

    def __init__(
        self, store: Store, settings: Settings, seams: Seams, reached: Callable[[str, str], None]
    ) -> None:
        self.store = store
        self.reached = reached
        self.seams = seams
        self.ttl = float(settings.ttl)
        self.by = settings.by
        """The places in a body that may name a session, first match first: names of members, or "history" =
        the earlier messages.
        """

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """Return the stored turns of a session, each encoded, the oldest first; empty for an unknown session.
        Raises RequestFailed (503) if the store fails.
        """
        try:
            return await self.store.sessions.turns(tenant, id_)
        except StoreFailed as error:
            log.exception("the session store failed")
            raise RequestFailed(_UNREACHABLE) from error


def read(kept: Sequence[bytes]) -> list[StoredTurn]:
    """Return the decoded turns. kept: the encoded turns, as they are stored."""
    return [_decode(turn) for turn in kept]


def _joined(kept: Sequence[bytes], start: int) -> tuple[list[ir.Message], tuple[Sealed, ...]]:
    """Return (the messages of these encoded turns; a `Sealed` for each turn with a known provider: the
    positions of its messages and the provider whose seals they may contain).

    start: the position that the first message will have in the request.
    """
    messages: list[ir.Message] = []
    sealed: list[Sealed] = []
    for turn in read(kept):
        first = start + len(messages)
        messages += turn.messages
        if turn.provider is not None:
            sealed.append(Sealed(first, start + len(messages), turn.provider))
    return messages, tuple(sealed)


def digest(messages: Sequence[ir.Message]) -> str:
    """Return the session id that stands for these messages: `history-` and a hash of their roles, texts,
    calls, results and media, without ids. Messages that differ only in other things, such as thinking, get
    the same id.
    """
    said = [
        [message.role, [told for block in message.blocks if (told := _said(block))]] for message in messages
    ]
    return f"history-{hashlib.sha256(_encode(said)).hexdigest()}"


def _said(block: ir.Block) -> list[Any]:
    """Return, as a list to be hashed, the parts of a block that are the same in an answer and in the client's
    copy of the answer; [] = the block has no such part.
    """
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
    except UNDECODABLE:
        return arguments


def session_id(stated: str, param: str = HEADER) -> str:
    """Return the client's session id unchanged. Raises RequestFailed, naming the parameter `param`, if the id
    is invalid.
    """
    if not _ID.match(stated):
        text = f"Invalid '{param}': expected 1 to 128 printable ASCII characters."
        raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", param))
    return stated


class SessionTurn:
    """The Turn of a request that may belong to a session. Implements `asked.Turn`.

    tenant: the name of the client that owns the session. id_: the session's id from the header; None = the
    body may name a session. inner: the Turn that the request would have without sessions (for stored
    responses or chat completions), which this object calls too; None = there is none.
    """

    def __init__(
        self, remembering: Remembering, tenant: str, id_: str | None, inner: Continued | None = None
    ) -> None:
        self._named = id_ is not None
        """Whether the request belongs to a session."""
        self.precedes = True
        self._inner = inner
        self._remembering = remembering
        self._tenant = tenant
        self._id = id_ or ""
        self._param = HEADER
        self._asked: tuple[ir.Message, ...] = ()
        self._earlier: tuple[ir.Message, ...] = ()
        """The earlier messages in the request, up to the last answer, if they name the session."""

    @property
    def relayed(self) -> bool:
        """Whether the request may be relayed (not translated): it belongs to no session, and `inner` allows
        it or is None. Known after `expand`, as are `hears` and `keeps`.
        """
        return not self._named and (self._inner is None or self._inner.relayed)

    @property
    def hears(self) -> bool:
        """Whether `heard` must be called: the request belongs to a session, or `inner` needs it."""
        return self._named or (self._inner is not None and self._inner.hears)

    @property
    def keeps(self) -> bool:
        """Whether `kept` must be called, because `inner` needs it."""
        return self._inner is not None and self._inner.keeps

    def concerns(self, body: Mapping[str, Any]) -> bool:
        """Return True: every body concerns this turn, because even a body that names no session may continue
        one by its messages.
        """
        return True

    def _name(self, asked: Asked) -> Asked:
        """Find the first place in `sessions.by` that names a session: a member of the body, or "history",
        which always counts as a name. Set `_named`, `_param` and, for a member, `_id`. Return the request
        without the member `session_id` if this member names the session, else unchanged. Raises RequestFailed
        if `session_id` is invalid.
        """
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
            # this member stays in the body; its text may be anything, so the session's id is a hash of it
            self._id = f"user-{hashlib.sha256(stated.encode('utf-8', 'replace')).hexdigest()}"
            break
        return asked

    async def expand(self, asked: Asked) -> Asked:
        """Return the request, expanded by `inner`, and with the session's stored turns after the system
        messages at the request's beginning. With `sessions.by: history`, the stored turns replace the
        client's copies of them. If the request also continues a stored response or conversation, a session
        that the member `user` or the earlier messages name is ignored, and any other session is an error.

        Raises RequestFailed: 400 for that error, for disabled sessions, for an invalid id and for a body that
        cannot be decoded; 503 if the store fails or no memory is left; and what `inner` raises.
        """
        if not self._named:
            asked = self._name(asked)
        if self._named and not self._remembering.ttl:
            text = f"Sessions are disabled on this gateway, so '{self._param}' is not supported."
            raise RequestFailed(ir.Fault("unsupported", text, "unsupported_value", self._param))
        asked.wire.preceded = self._named and self._param != "history"
        if self._inner is not None:
            asked = await self._inner.expand(asked)
        if self._named and asked.wire.continued[1]:
            if self._param not in _GIVES_WAY:
                others = "'previous_response_id' or 'conversation'"
                text = f"'{self._param}' cannot be combined with {others}: use one of them."
                fault = ir.Fault("invalid_request", text, "mutually_exclusive_parameters", self._param)
                raise RequestFailed(fault)
            self._named = False  # the stored response or conversation that the request names comes first
        if not self._named:
            return asked
        request = await asked.decoded()
        opening = 0
        while opening < len(request.messages) and request.messages[opening].role in _SYSTEM:
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
        """Return a session's encoded turns, and charge them to the request's memory. Raises RequestFailed if
        the store fails (503) or no memory is left.
        """
        kept = await self._remembering.turns(self._tenant, id_)
        asked.inbound.room.take(sum(map(len, kept)))
        return kept

    async def _recognise(self, asked: Asked, opening: int) -> Asked:
        """Return the request with the session's stored turns in place of its messages after the system
        messages, up to the last answer. The request is unchanged if it contains no answer, if there is no
        session whose messages have the same `digest`, or if the session has another number of messages. Also
        sets `_earlier`, `_asked` and, for a known session, `_id`. opening: the number of system messages.
        """
        own = self._asked
        answers = [place for place, message in enumerate(own) if message.role == "assistant"]
        if not answers:
            return asked
        self._earlier, self._asked = own[: answers[-1] + 1], own[answers[-1] + 1 :]
        id_ = await asked.step(digest, self._earlier)
        kept = await self._kept(asked, id_)
        messages, sealed = await asked.step(_joined, kept, opening)
        if await asked.step(digest, messages) != id_:  # no such session, or its oldest turns were removed
            return asked
        self._id = id_
        if len(messages) != len(self._earlier):
            return asked
        whole = (*asked.request.messages[:opening], *messages, *self._asked)
        asked = asked.with_request(msgspec.structs.replace(asked.request, messages=whole))
        return msgspec.structs.replace(asked, sealed=sealed)

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Return the result of `inner.admitted`; None (a model is called) if there is no `inner`."""
        return None if self._inner is None else await self._inner.admitted(asked, last_words)

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """Return the result of `inner.kept`; True if there is no `inner`."""
        return self._inner is None or await self._inner.kept(answer, ending)

    def failed(self) -> None:
        """Tell `inner`, if there is one, that the request has failed."""
        if self._inner is not None:
            self._inner.failed()

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Give the answer to `inner` if `inner.hears` is True. Store this turn if the request belongs to a
        session, unless the answer failed or is empty.
        """
        if self._inner is not None and self._inner.hears:
            await self._inner.heard(answer, response)
        if self._named:
            await self._remember(answer, response)

    async def _remember(self, answer: AnswerContext, response: ir.Response) -> None:
        """Store this turn, unless the answer failed or is empty. A failure to store is logged or counted.
        With `sessions.by: history`, the session then gets a new id, which is made from all its messages; a
        new conversation becomes a session here.
        """
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
                    await sessions.delete(self._id, self._tenant)  # an older session with the same messages
            turn = await steps.run(weight, _encode, StoredTurn(messages, provider))
            await sessions.append(self._tenant, self._id, turn, now=now, expires=now + self._remembering.ttl)
        except StoreFull as full:
            self._remembering.reached(
                "session_turn_too_large", f"by {self._tenant}: it is not stored: {full}"
            )
        except (StoreFailed, ValueError):  # ValueError: half of a surrogate pair cannot be encoded
            log.exception("a turn of a session could not be stored")


_UNREACHABLE: Final = ir.Fault(
    "unavailable",
    "The session store is not available at the moment. Try again later.",
    "store_unavailable",
    blame="gateway",
)
