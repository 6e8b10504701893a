"""The seals of one exchange: those that its history lacks, and those that its answer brings.

What they are and where they belong is decided in `state.recall`; this asks the vault and tells it. A vault
that fails is logged, and the exchange goes on without it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from dragoman import ir
from dragoman.capacity.heavy import Run
from dragoman.dialects.loss import Report
from dragoman.state.recall import Marks, Question, Recalled, Scope, ask, entry, matters, recall
from dragoman.state.seals import Vault
from dragoman.state.store import StoreFailed
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream

log = logging.getLogger("dragoman.engine.sealing")

_BLOCK = re.compile(r"(messages\[(\d+)\])\.(?:blocks|content)\[")


class Kept:
    """The clients of whose answers this process has kept something: tenants and their protocols.

    A relay carries its client's own words, so all but these may go out unlooked at.
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def add(self, tenant: str, dialect: str) -> None:
        """Something of an answer to a client of this protocol was kept."""
        self._known.add((tenant, dialect))

    def has(self, tenant: str, dialect: str) -> bool:
        """Whether something may stay behind when a request of such a client is relayed."""
        return (tenant, dialect) in self._known


def begin(
    vault: Vault, tenant: str, upstream: Upstream, request: ir.Request, run: Run, *, kept: Kept | None = None
) -> Sealing | None:
    """What remembers the seals of an exchange; None while there is nothing to find and nothing to keep.

    run: runs what looks at the whole request. kept: grows by what is kept.
    """
    if not (isinstance(upstream, WireUpstream) and issues(upstream)):
        answered = any(message.role == "assistant" for message in request.messages)
        if not (vault.holds and answered):
            return None
    try:
        return Sealing(vault, tenant, request, run, kept)
    except Exception:
        log.exception("the conversation could not be identified")
        return None


def issues(upstream: WireUpstream) -> bool:
    """Whether answers hold what later requests must bring back."""
    return upstream.dialect.opaque.seals or _wants_reasoning(upstream)


def _wants_reasoning(upstream: WireUpstream) -> bool:
    """Whether reasoning must return although nobody signed it."""
    return upstream.quirks.reasoning_replay != "never" or not upstream.quirks.signatures


class Sealing:
    """The seals of one exchange. request: as the client wrote it. tenant: whose entries are found."""

    def __init__(
        self, vault: Vault, tenant: str, request: ir.Request, run: Run, kept: Kept | None = None
    ) -> None:
        self.vault = vault
        self._kept = kept
        self._dialect = request.dialect
        self._run = run
        self._tenant = tenant
        self._request: ir.Request | None = request
        self._questions: Sequence[Question] = ()
        self._digest = b""
        self._found: Mapping[bytes, bytes] | None = None
        self._restored: frozenset[int] = frozenset()

    @cached_property
    def marks(self) -> Marks:
        """The tenant's keys and digests. Most answers need none."""
        return Marks(self.vault.secret, self._tenant)

    def _ask(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._questions, self._digest = ask(request, self.marks, search=self.vault.holds)

    async def asked(self) -> bytes:
        """The digest of the conversation that is being answered."""
        await self._run(self._ask)
        return self._digest

    async def restored(self, request: ir.Request, scope: Scope, report: Report) -> ir.Request:
        """The request with what its client does not hold, as far as this scope issued it."""
        recalled = await self._recalled(request, scope)
        self._restored = frozenset() if recalled is None else recalled.messages
        if recalled is None:
            return request
        for where, reason in recalled.losses:
            report.lose(where, reason, "quality")
        if recalled.messages:
            report.add(
                "messages[]",
                f"reasoning, signatures and server tool calls of {len(recalled.messages)} earlier "
                "responses, which the client did not send back",
            )
        return recalled.request

    async def left_behind(self, request: ir.Request, scope: Scope, report: Report) -> None:
        """Report what the vault holds of earlier answers and a relayed request leaves behind."""
        recalled = await self._recalled(request, scope)
        if recalled is None:
            return
        for where, reason in recalled.losses:
            report.lose(where, reason, "quality")
        for index in sorted(recalled.messages):
            report.lose(
                f"messages[{index}]",
                "its stored reasoning or signatures cannot be added to a relayed request",
                "quality",
            )

    async def _recalled(self, request: ir.Request, scope: Scope) -> Recalled | None:
        """The request with what the vault has for this scope; None where it has nothing, or fails."""
        try:
            if self._found is None:
                self._found = await self._find()
            if not self._found:
                return None
            recalled = await self._run(recall, request, self._questions, self._found, scope, self.marks)
            if recalled.wanted and (own := await self.vault.find(recalled.wanted)):
                self._found = {**self._found, **own}
                recalled = await self._run(recall, request, self._questions, self._found, scope, self.marks)
        except StoreFailed as failed:
            log.warning("stored reasoning could not be read: %s", failed)
        except Exception:
            log.exception("stored reasoning could not be read")
        else:
            return recalled
        self._found = {}
        return None

    def located(self, locate: Callable[[str], str]) -> Callable[[str], str]:
        """`locate` for what is said of the restored request: a message that got something back has other
        blocks than its client wrote, so its places are the message itself.
        """
        if not self._restored:
            return locate

        def inside(where: str) -> str:
            block = _BLOCK.match(where)
            return locate(block[1] if block and int(block[2]) in self._restored else where)

        return inside

    def noted(self) -> None:
        """Note that something of the answer is kept."""
        if self._kept is not None:
            self._kept.add(self._tenant, self._dialect)

    async def _find(self) -> Mapping[bytes, bytes]:
        await self.vault.open()
        if self._request is not None and (self._request.stream or self.vault.holds):
            await self._run(self._ask)  # a stream lets go of its request before its answer is known
        keys = [key for question in self._questions for key in (*question.keys, *question.hints)]
        return await self.vault.find(keys) if keys else {}

    def keeper(self, upstream: Upstream, scope: Scope) -> Keeper | None:
        """What keeps the answer of one attempt; None where the upstream has nothing that must return."""
        if not isinstance(upstream, WireUpstream) or not issues(upstream):
            return None
        return Keeper(self, scope, upstream)


class Keeper:
    """Keeps what the client cannot hold of one answer. It gets the answer as the client does."""

    def __init__(self, sealing: Sealing, scope: Scope, upstream: WireUpstream) -> None:
        self._sealing = sealing
        self._scope = scope
        self._replay = "always" if not upstream.quirks.signatures else upstream.quirks.reasoning_replay
        self._native = upstream.dialect.opaque.native
        self._gathered: Gathered | None = None

    async def keep(self, response: ir.Response) -> None:
        """Keep what must be of a whole answer."""
        sealing = self._sealing
        for candidate in response.candidates:
            try:
                blocks, native = candidate.blocks, self._native
                unsealed = self._wants_reasoning_of(blocks)
                if not matters(blocks, unsealed=unsealed, native=native):
                    continue
                marks = sealing.marks
                asked = await sealing.asked()
                kept = entry(blocks, asked, self._scope, marks, unsealed=unsealed, native=native)
                if kept is not None:
                    await sealing.vault.keep(*kept, owner=marks.owner)
                    sealing.noted()
            except StoreFailed as failed:
                log.warning("reasoning could not be stored: %s", failed)
            except Exception:
                log.exception("reasoning could not be stored")

    def _wants_reasoning_of(self, blocks: Sequence[ir.Block]) -> bool:
        if self._replay == "tool_turns":
            return any(isinstance(block, ir.ToolCall) for block in blocks)
        return self._replay == "always"

    def watch(self, events: Sequence[ir.Event]) -> bool:
        """Take some events of a stream; whether something has finished and is to be kept now."""
        if self._gathered is None:
            self._gathered = Gathered()
        return self._gathered.add(events)

    async def keep_streamed(self) -> None:
        """Keep what must be of the answer that has been watched."""
        if self._gathered is not None:
            await self.keep(self._gathered.response())


_JOINED = frozenset({ir.TextDelta, ir.ThinkDelta, ir.ArgsDelta})
"""The events that say more of one text."""
_MANY = 256
"""Pieces of a text that are held before they are joined: each takes as much memory as a short text."""
_MOST = 16_000_000
"""Characters of an answer beyond which nothing of it is kept: an endless stream must not fill memory."""


class Gathered:
    """Folds a stream at little cost: nearly all events are more of the text before."""

    __slots__ = ("_candidate", "_fold", "_index", "_kind", "_pieces", "_size", "_texts")

    def __init__(self) -> None:
        self._fold = ir.Fold()
        self._kind: Any = None
        self._index = self._candidate = self._size = 0
        self._pieces: list[str] = []
        self._texts: list[str] = []

    def add(self, events: Sequence[ir.Event]) -> bool:
        """Take some events; whether a candidate has finished with them, as far as this is worth keeping."""
        if self._size > _MOST:
            return False
        finished = False
        event: Any
        for event in events:
            kind = type(event)
            if kind not in _JOINED or (kind is ir.ThinkDelta and event.part is not None):
                self._settle()
                self._fold.add(event)
                finished = finished or kind is ir.Finish
                if kind is ir.MediaDelta:
                    self._size += len(event.data or "")
                continue
            if kind is not self._kind or event.index != self._index or event.candidate != self._candidate:
                self._settle()
                self._kind, self._index, self._candidate = kind, event.index, event.candidate
            self._pieces.append(event.text)
        if len(self._pieces) > _MANY:
            self._join()
        if self._size > _MOST:
            self._fold, self._kind = ir.Fold(), None
            self._texts.clear()
        return finished

    def response(self) -> ir.Response:
        """The answer so far, without log probabilities."""
        self._settle()
        return self._fold.response()

    def _settle(self) -> None:
        if self._kind is not None:
            self._join()
            self._fold.add(self._kind(self._index, "".join(self._texts), self._candidate))
            self._texts.clear()
            self._kind = None

    def _join(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._texts.append(text)
        self._size += len(text)
