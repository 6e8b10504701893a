"""Sessions: the gateway remembers a conversation for a client that sends only what is new.

A request names its session by the header `X-Session-Id`, or by a member of its body where the configuration
allows that (`sessions.by`). The session's turns go before its messages. When the answer is complete, the
request's messages and the answer become the next turn. Turns are kept in IR terms, so a session may go on in
another protocol and at another provider; a seal stays with the provider that made it. A turn that failed is
not kept. Turns that run at the same time begin from the same history and are kept in the order in which they
end.

A client that sends its whole history may have a session, too (`sessions.by: history`). The session is found
by the SHA-256 of the earlier messages, and its turns, with their thoughts and seals, replace the client's
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
from dragoman.engine.work import Sealed, Work
from dragoman.engine.work import Turn as WorkTurn
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from dragoman.state.store import Store, StoreFailed, StoreFull

log = logging.getLogger("dragoman.turns.sessions")

HEADER: Final = "X-Session-Id"
_GIVES_WAY: Final = frozenset({"user", "history"})
"""These name a session only where the request continues nothing else."""
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}\Z")
_HISTORY: Final = frozenset({"system", "developer"})


class Turn(msgspec.Struct, frozen=True):
    """One kept turn: the messages of a request and the answer to it. provider: who answered."""

    messages: tuple[ir.Message, ...]
    provider: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Turn).decode


class Remembering:
    """The sessions of one gateway. reached: is told the name of a bound that was reached, and by whom."""

    def __init__(
        self, store: Store, settings: Settings, seams: Seams, reached: Callable[[str, str], None]
    ) -> None:
        self.store = store
        self.reached = reached
        self.seams = seams
        self.ttl = float(settings.ttl)
        self.by = settings.by
        """The members of a body that name a session."""

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        """The kept turns of a session, for `read`. Raises RequestFailed (503)."""
        try:
            return await self.store.sessions.turns(tenant, id_)
        except StoreFailed as error:
            log.exception("the session store failed")
            raise RequestFailed(_UNREACHABLE) from error


def read(kept: Sequence[bytes]) -> list[Turn]:
    """Turns as they were before they were kept."""
    return [_decode(turn) for turn in kept]


def _joined(kept: Sequence[bytes], start: int) -> tuple[list[ir.Message], tuple[Sealed, ...]]:
    """The messages of all turns, and who made the seals in them. start: the place of the first message."""
    messages: list[ir.Message] = []
    sealed: list[Sealed] = []
    for turn in read(kept):
        first = start + len(messages)
        messages += turn.messages
        if turn.provider is not None:
            sealed.append(Sealed(first, start + len(messages), turn.provider))
    return messages, tuple(sealed)


def digest(messages: Sequence[ir.Message]) -> str:
    """The id of the session that has said this: who said what, without thoughts, seals and ids of calls."""
    said = [
        [message.role, [told for block in message.blocks if (told := _said(block))]] for message in messages
    ]
    return f"history-{hashlib.sha256(_encode(said)).hexdigest()}"


def _said(block: ir.Block) -> list[Any]:
    """The part of a block that is the same in an answer and in a history that brings it back."""
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
    """A session's id as a client states it. Raises RequestFailed for what is none."""
    if not _ID.match(stated):
        raise RequestFailed(_odd(param))
    return stated


class SessionTurn:
    """One request in a session. Implements `work.Turn`.

    id_: None = the request's body may name it. inner: what else the request continues and is kept by, in its
    own protocol's way.
    """

    def __init__(
        self, remembering: Remembering, tenant: str, id_: str | None, inner: WorkTurn | None = None
    ) -> None:
        self.hears = id_ is not None
        self.precedes = True
        self._inner = inner
        self._remembering = remembering
        self._tenant = tenant
        self._id = id_ or ""
        self._param = HEADER
        self._asked: tuple[ir.Message, ...] = ()
        self._earlier: tuple[ir.Message, ...] = ()
        """The messages that the client sent again, where a history names the session."""

    def _name(self, work: Work) -> None:
        """Find the session that the body names. Raises RequestFailed for an odd id."""
        body = work.wire.body
        for member in self._remembering.by:
            if member == "history":
                self._param, self.hears = member, True
                return
            stated = body.get(member)
            if not isinstance(stated, str) or not stated:
                continue
            self._param, self.hears = member, True
            if member == "session_id":
                self._id = session_id(stated, member)
                own = {key: value for key, value in body.items() if key != member}
                work.wire = msgspec.structs.replace(work.wire, body=own)
                work.head = {key: value for key, value in work.head.items() if key != member}
            else:  # providers get it, too, and whatever it is made of
                self._id = f"user-{hashlib.sha256(stated.encode('utf-8', 'replace')).hexdigest()}"
            return

    async def expand(self, work: Work) -> None:
        """Put the session's turns before the request's messages, behind what it says to the system.

        Raises RequestFailed (400, 503).
        """
        if not self.hears:
            self._name(work)
        if self.hears and not self._remembering.ttl:
            raise RequestFailed(_off(self._param))
        work.preceded = self.hears and self._param != "history"
        if self._inner is not None:
            await self._inner.expand(work)
        if self.hears and work.wire.continued[1]:
            if self._param not in _GIVES_WAY:
                raise RequestFailed(_twice(self._param))
            self.hears = False  # what the request says of itself counts more
        if not self.hears:
            return
        request = work.request if work.light else await work.step(work.decoded)
        opening = 0
        while opening < len(request.messages) and request.messages[opening].role in _HISTORY:
            opening += 1
        self._asked = request.messages[opening:]
        if self._param == "history":
            await self._recognise(work, opening)
            return
        kept = await self._kept(work, self._id)
        if not kept:
            return
        work.grow(sum(map(len, kept)))
        messages, work.sealed = await work.step(_joined, kept, opening)
        work.wire = msgspec.structs.replace(work.wire, continued=(opening, len(messages)))
        whole = (*request.messages[:opening], *messages, *self._asked)
        work.request = msgspec.structs.replace(request, messages=whole)

    async def _kept(self, work: Work, id_: str) -> Sequence[bytes]:
        """The kept turns of a session. They count as memory of the request. Raises RequestFailed (503)."""
        kept = await self._remembering.turns(self._tenant, id_)
        work.inbound.room.take(sum(map(len, kept)))
        return kept

    async def _recognise(self, work: Work, opening: int) -> None:
        """Find the session of messages that the client sent again, and replace them with the kept ones."""
        own = self._asked
        answers = [place for place, message in enumerate(own) if message.role == "assistant"]
        if not answers:
            return
        self._earlier, self._asked = own[: answers[-1] + 1], own[answers[-1] + 1 :]
        id_ = await work.step(digest, self._earlier)
        kept = await self._kept(work, id_)
        messages, sealed = await work.step(_joined, kept, opening)
        if await work.step(digest, messages) != id_:  # there is none, or its oldest turns have left
            return
        self._id = id_
        if len(messages) != len(self._earlier):
            return
        whole = (*work.request.messages[:opening], *messages, *self._asked)
        work.request = msgspec.structs.replace(work.request, messages=whole)
        work.sealed = sealed

    async def admitted(self, work: Work) -> bool:
        """A model is to be asked, unless its own protocol says otherwise."""
        return self._inner is None or await self._inner.admitted(work)

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Its own protocol may keep the answer, too."""
        return self._inner is None or await self._inner.kept(work, ending)

    async def heard(self, work: Work, response: ir.Response) -> None:
        """Keep the turn. An answer that failed, or a store that does, keeps nothing."""
        if response.error is not None or not response.candidates:
            return
        blocks = response.candidates[0].blocks
        if not blocks:
            return
        answer = ir.Message("assistant", blocks)
        messages = (*self._asked, answer)
        provider = work.deployment.provider
        now = self._remembering.seams.now()
        sessions = self._remembering.store.sessions
        try:
            if self._param == "history":
                before = self._id
                self._id = await work.step(digest, (*self._earlier, *messages))
                if not (before and await sessions.move(self._tenant, before, self._id)):
                    messages = (*self._earlier, *messages)
                    await sessions.delete(self._id, self._tenant)  # it holds the same words, said before
            turn = await work.step(_encode, Turn(messages, provider))
            await sessions.append(self._tenant, self._id, turn, now=now, expires=now + self._remembering.ttl)
        except StoreFull as full:
            self._remembering.reached(
                "session_turn_too_large", f"by {self._tenant}: it is not stored: {full}"
            )
        except (StoreFailed, ValueError):  # halves of surrogate pairs cannot be written
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
