"""The seals (signatures, encrypted reasoning) of one exchange: those that its history needs, and its
answer's.

`state.recall` decides which seals there are and where they belong. This module reads and writes the vault. If
the vault fails, the failure is logged and the exchange continues without seals.
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
    """The clients for whose answers this process has stored seals, as pairs of tenant and protocol (`known`).
    A relayed request keeps the client's own body, so nothing can be restored in it; only requests of these
    clients are searched for seals that are missing.
    """

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()

    def add(self, tenant: str, dialect: str) -> None:
        """Note that seals of an answer to this tenant in this protocol were stored."""
        self.known.add((tenant, dialect))

    def has(self, tenant: str, dialect: str) -> bool:
        """Whether a relayed request of this tenant may lack stored seals."""
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
    """Create the `Sealing` of an exchange; None = nothing to find and nothing to store, or an error, which is
    logged. run: runs a step on the whole request. kept: the client is added once seals are stored. small: the
    request may stay in memory until a stream has ended.
    """
    if not issues(backend) and not (vault.holds and _has_answers(request)):
        return None
    try:
        sealing = Sealing(vault, tenant, request, run, kept)
        sealing.small = small
    except Exception:
        log.exception("the conversation could not be identified")
        return None
    return sealing


def _has_answers(request: ir.Request) -> bool:
    return "assistant" in map(_role_of, request.messages)


def issues(backend: Backend) -> bool:
    """Whether this upstream's answers hold values that later requests must bring back."""
    return backend.dialect is not None and (backend.dialect.opaque.seals or _wants_reasoning(backend))


def _wants_reasoning(backend: Backend) -> bool:
    return backend.quirks.reasoning_replay != "never" or not backend.quirks.signatures


def begun(vault: Vault, kept: Kept, asked: Asked, backend: Backend) -> Sealing | None:
    """`begin` for an exchange, whose attempts share the result. Looks at the whole request."""
    request = joined(asked.request).request
    client = asked.exchange.client or ""
    return begin(vault, client, backend, request, asked.step, kept=kept, small=asked.light)


class Sealing:
    """Finds and stores the seals of one exchange. request: as the client wrote it. tenant: the owner."""

    small = False
    """Whether the request may stay in memory until a stream has ended."""
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
        """The maker of the tenant's keys and digests for the vault, created only if needed."""
        return Marks(self.vault.secret, self._tenant)

    def _ask(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._questions, self._digest = ask(request, self.marks, search=self.vault.holds)

    async def asked(self) -> bytes:
        """The digest of the conversation before the answer. Only once the vault is open."""
        await self._run(self._ask)
        return self._digest

    async def restored(self, request: ir.Request, scope: Scope, report: Report) -> ir.Request:
        """The request with the stored seals of this scope that its client did not send back."""
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
        """Report the stored seals that a relayed request lacks."""
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
        """Whether the vault must be used before the answer comes. Either the request may lack stored seals,
        or the conversation must be identified now: a stream frees a large request before its answer is
        complete.
        """
        return (request.stream and not self.small) or (self.vault.holds and _has_answers(request))

    async def _recalled(self, request: ir.Request, scope: Scope) -> Recalled | None:
        """The request with the vault's seals for this scope; None = the vault has none, or fails."""
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
        """`locate` for the restored request. A message that got seals back has other block indexes than the
        client's, so places in its blocks become the message itself.
        """
        if not self._restored:
            return locate

        def inside(where: str) -> str:
            block = _BLOCK.match(where)
            return locate(block[1] if block and int(block[2]) in self._restored else where)

        return inside

    def noted(self) -> None:
        """Note in `kept` that seals of the answer are stored."""
        if self._kept is not None:
            self._kept.add(self._tenant, self._dialect)

    async def _find(self) -> Mapping[bytes, bytes]:
        await self.vault.open()
        await self._run(self._ask)
        keys = [key for question in self._questions for key in (*question.keys, *question.hints)]
        return await self.vault.find(keys) if keys else {}

    def keeper(self, backend: Backend, scope: Scope) -> Keeper | None:
        """A `Keeper` for one answer; None = this upstream makes no seals that must return."""
        return Keeper(self, scope, backend) if issues(backend) else None


class Keeper:
    """Stores the seals of one answer, given as the client gets it, that its client cannot hold."""

    def __init__(self, sealing: Sealing, scope: Scope, backend: Backend) -> None:
        self._sealing = sealing
        self._scope = scope
        self._replay = "always" if not backend.quirks.signatures else backend.quirks.reasoning_replay
        self._native = None if backend.dialect is None else backend.dialect.opaque.native

    async def keep(self, response: ir.Response) -> None:
        """Store the seals of an answer: a whole one, or what a stream has brought when one of its candidates
        is finished. Errors are only logged.
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
