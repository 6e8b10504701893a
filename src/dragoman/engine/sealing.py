"""Restores and stores the seals (signatures, encrypted reasoning) of one exchange: it restores the seals that
belong to earlier answers in the request, and stores those of the new answer.

`state.recall` decides which seals are needed and where they belong. This module reads and writes the vault.
If the vault fails, the failure is logged and the exchange continues without seals.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter

from dragoman import ir
from dragoman.capacity.heavy import Run
from dragoman.dialects.loss import Report
from dragoman.dialects.pieces import joined
from dragoman.engine.asked import Asked
from dragoman.state.entry import entry, matters
from dragoman.state.marks import Marks, Scope
from dragoman.state.recall import Question, Recalled, ask, recall
from dragoman.state.seals import Vault
from dragoman.state.store import StoreFailed
from dragoman.upstreams.backend import Backend

log = logging.getLogger("dragoman.engine.sealing")

_role_of = attrgetter("role")
_BLOCK = re.compile(r"(messages\[(\d+)\])\.(?:blocks|content)\[")


class Kept:
    """Remembers the clients for whose answers this process has stored seals. known: pairs of the client's
    name (called `tenant` here) and the protocol in which it asked. Only requests that are relayed need this:
    those of other clients are not searched for missing seals.
    """

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()

    def add(self, tenant: str, dialect: str) -> None:
        """Remember that seals of an answer to this client, in this protocol, were stored. tenant: the name of
        the client. dialect: the name of the protocol in which the client asks.
        """
        self.known.add((tenant, dialect))

    def has(self, tenant: str, dialect: str) -> bool:
        """Whether `add` was called with this client and protocol, so that a relayed request may lack stored
        seals.
        """
        return (tenant, dialect) in self.known


def begin(
    vault: Vault,
    tenant: str,
    backend: Backend,
    request: ir.Request,
    run: Run,
    *,
    kept: Kept | None = None,
    small: bool = False,
) -> Sealing | None:
    """Create the `Sealing` of an exchange. None = there is nothing to restore and nothing to store. tenant:
    the name of the client. backend: the upstream that is about to be called. request: as the client wrote it.
    run: runs a step on the whole request. kept: the client is added to it when seals are stored, None =
    nobody is. small: True = the request may stay in memory until a stream has ended.
    """
    if not issues(backend) and not (vault.holds and _has_answers(request)):
        return None
    sealing = Sealing(vault, tenant, request, run, kept)
    sealing.small = small
    return sealing


def _has_answers(request: ir.Request) -> bool:
    return "assistant" in map(_role_of, request.messages)


def issues(backend: Backend) -> bool:
    """Whether this upstream's answers may contain values that later requests must send back."""
    return backend.dialect is not None and (backend.dialect.opaque.seals or _wants_reasoning(backend))


def _wants_reasoning(backend: Backend) -> bool:
    return backend.quirks.reasoning_replay != "never" or not backend.quirks.signatures


def begun(vault: Vault, kept: Kept, asked: Asked, backend: Backend) -> Sealing | None:
    """Return a new `Sealing` for an exchange, which all its attempts can share. None = there is nothing to
    restore and nothing to store. Decodes the whole request if that was not done before; raises RequestFailed
    if it cannot be decoded. backend: the upstream that is about to be called.
    """
    request = joined(asked.request).request
    client = asked.exchange.client or ""
    return begin(vault, client, backend, request, asked.step, kept=kept, small=asked.light)


class Sealing:
    """Restores and stores the seals of one exchange. request: as the client wrote it. tenant: the name of the
    client that owns the seals. run: runs a step on the whole request. kept: the client is added to it when
    seals are stored, None = nobody is.
    """

    small = False
    """Whether the request may stay in memory until a stream has ended."""
    _has_some = False
    """Whether the vault may have entries of this tenant; False also before it was asked."""
    _questions: Sequence[Question] = ()
    _digest = b""
    _found: Mapping[bytes, bytes] | None = None
    _restored: frozenset[int] = frozenset()

    def __init__(
        self, vault: Vault, tenant: str, request: ir.Request, run: Run, kept: Kept | None = None
    ) -> None:
        self.vault = vault
        self._kept = kept
        self._dialect = request.dialect
        self._run = run
        self._tenant = tenant
        self._request: ir.Request | None = request

    @cached_property
    def marks(self) -> Marks:
        """Makes the tenant's keys and digests for the vault. It is created at the first use, when the vault
        must be open.
        """
        return Marks(self.vault.secret, self._tenant)

    def _ask(self) -> None:
        if self._request is None:
            return
        try:
            self._questions, self._digest = ask(self._request, self.marks, search=self._has_some)
        finally:
            self._request = None  # only now: another attempt may be waiting for these results

    async def _identified(self) -> None:
        """Read the request in a step, unless it was read before. The vault must be open."""
        if self._request is not None:
            await self._run(self._ask)

    async def asked(self) -> bytes:
        """Return the digest of the conversation before the answer. The vault must be open."""
        await self._identified()
        return self._digest

    async def restored(self, request: ir.Request, scope: Scope, report: Report) -> ir.Request:
        """Return the request with the stored seals of this scope that its client did not send back; the
        request itself if there are none, or if the vault fails, which is logged. scope: the provider and
        model that are called. `report` gets what was restored as a change, and seals that cannot be restored
        (of another model, for example) as losses.
        """
        if not self._searches(request):
            return request
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
        """Add the stored seals that a relayed request lacks to `report`, as losses. scope: the provider and
        model that are called. If the vault fails, this is logged, and nothing is added.
        """
        recalled = await self._recalled(request, scope) if self._searches(request) else None
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

    def _searches(self, request: ir.Request) -> bool:
        """Whether something must be done before the answer comes: because the request may lack stored seals,
        or because its conversation must be identified now.
        """
        return self._is_freed(request) or (self.vault.holds and _has_answers(request))

    def _is_freed(self, request: ir.Request) -> bool:
        """Whether the request is freed before its answer is complete, because it is large and asks for a
        stream.
        """
        return bool(request.stream) and not self.small

    async def _recalled(self, request: ir.Request, scope: Scope) -> Recalled | None:
        """Return the request with the vault's seals for this scope, and its losses; None = the vault has no
        seals for it, or the vault has failed.
        """
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
        """Return a function like `locate`, for places in the restored request. A message that got seals back
        has other block indexes than the client's message, so a place in one of its blocks becomes the place
        of the message.
        """
        if not self._restored:
            return locate

        def inside(where: str) -> str:
            block = _BLOCK.match(where)
            return locate(block[1] if block and int(block[2]) in self._restored else where)

        return inside

    def noted(self) -> None:
        """Record in `kept` that seals of the answer are stored; without `kept`, do nothing."""
        if self._kept is not None:
            self._kept.add(self._tenant, self._dialect)

    async def _find(self) -> Mapping[bytes, bytes]:
        await self.vault.open()
        self._has_some = self.vault.holds and await self.vault.has(self.marks.owner)
        if self._has_some or (self._request is not None and self._is_freed(self._request)):
            await self._identified()
        keys = [key for question in self._questions for key in (*question.keys, *question.hints)]
        return await self.vault.find(keys) if keys else {}

    def keeper(self, backend: Backend, scope: Scope) -> Keeper | None:
        """Return a `Keeper` for one answer; None = this upstream's answers contain no values that later
        requests must send back.
        """
        return Keeper(self, scope, backend) if issues(backend) else None


class Keeper:
    """Stores those seals of one answer that the client cannot send back."""

    def __init__(self, sealing: Sealing, scope: Scope, backend: Backend) -> None:
        self._sealing = sealing
        self._scope = scope
        self._replay = "always" if not backend.quirks.signatures else backend.quirks.reasoning_replay
        self._native = None if backend.dialect is None else backend.dialect.opaque.native

    async def keep(self, response: ir.Response) -> None:
        """Store those seals of an answer that the client cannot send back. response: the answer as the client
        gets it: a whole one, or the part of a stream until a candidate is finished. Errors are only logged.
        """
        sealing = self._sealing
        for candidate in response.candidates:
            try:
                blocks, native = candidate.blocks, self._native
                unsealed = self._wants_reasoning_of(blocks)
                if not matters(blocks, unsealed=unsealed, native=native):
                    continue
                await sealing.vault.open()
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
