"""The one shape in which the engine sees every upstream: a provider over HTTP, models of this machine, the
simulator, yours.

`WireUpstream` has this shape. `OwnUpstream` gives it to an `Upstream` that speaks no protocol: it takes
requests as they stand in the IR, has one credential that nobody sees, and learns nothing from refusals.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from dragoman import ir
from dragoman.dialects.dialect import Abilities, Dialect
from dragoman.dialects.facts import Facts
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Operation
from dragoman.net.connector import CONNECTED
from dragoman.upstreams.answering import Answering
from dragoman.upstreams.answers import DEFAULT_LIMITS
from dragoman.upstreams.upstream import Batches, Call, Native, Perform, Upstream, collected, native, performer
from dragoman.upstreams.wire import Account, WireUpstream


class Backend(Answering, Protocol):
    """An upstream in one of the protocols that it speaks.

    dialect: that protocol, None = the IR itself. native: what it takes as it is; the rest is emulated.
    accounts: its credentials, at least one. success: the status of a good answer, None = there is no HTTP.
    silence: seconds that it may say nothing, None = any.
    """

    @property
    def dialect(self) -> Dialect | None: ...
    @property
    def native(self) -> Abilities | Native: ...
    @property
    def quirks(self) -> Quirks: ...
    @property
    def accounts(self) -> Sequence[Account]: ...
    @property
    def success(self) -> int | None: ...
    @property
    def silence(self) -> float | None: ...

    def spoken(
        self,
        face: str,
        model: str,
        facts: Facts,
        asked: Callable[[], ir.Request],
        preferred: str | None = None,
    ) -> Backend:
        """This upstream in the protocol in which a chat is asked of it."""
        ...

    def able(self, operation: Operation, face: str, model: str) -> Backend | None:
        """This upstream in a protocol in which it can be asked for an operation; None = it cannot."""
        ...

    def facts(self, model: str, known: Facts) -> Facts:
        """What is known of a model, with what refusals told."""
        ...

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Whether a failure tells something about asking for this model in this protocol."""
        ...

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Whether a failure tells that a model does not think."""
        ...

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        """A failure of a call as clients may be told it. located: puts a place of the request that is meant
        in IR terms into the client's own words.
        """
        ...

    def written(self, request: ir.Request, call: Call) -> Call:
        """The call with the chat request in this upstream's words, where it has any of its own."""
        ...


class OwnUpstream:
    """An upstream that speaks no protocol, in the shape of `Backend`."""

    dialect: Final = None
    quirks: Final = STANDARD
    limits: Final = DEFAULT_LIMITS
    accounts: Sequence[Account] = (Account({}),)
    success: Final = None
    silence: Final = None

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.name = upstream.name
        self.native = native(upstream)

    def spoken(
        self,
        face: str,
        model: str,
        facts: Facts,
        asked: Callable[[], ir.Request],
        preferred: str | None = None,
    ) -> OwnUpstream:
        """This upstream: it is asked in one way."""
        return self

    def able(self, operation: Operation, face: str, model: str) -> OwnUpstream | None:
        """This upstream, if it has the operation's method."""
        return None if self.performer(operation, model) is None else self

    def performer(self, operation: Operation, model: str) -> Perform | None:
        """What carries out an operation beside chat; None = nothing does."""
        return performer(self.upstream, operation, model)

    def facts(self, model: str, known: Facts) -> Facts:
        """What is known anyway."""
        return known

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Learn nothing."""
        return False

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Learn nothing."""
        return False

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        """The fault with its place in the client's words, because this upstream knows the request in the
        IR's.
        """
        return located(fault)

    def written(self, request: ir.Request, call: Call) -> Call:
        """The call as it is."""
        return call

    async def complete(self, request: ir.Request, call: Call) -> ir.Response:
        """The whole answer, of its events."""
        async with self.chat(request, call) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        """Never called: answers are no bytes."""
        raise AssertionError("an upstream of one's own gives no bytes")

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        """Answer one chat request as events."""
        begin(call)
        async with self.upstream.chat(request, call) as batches:
            call.ready()
            yield batches


def begin(call: Call) -> None:
    """Begin to wait for an upstream that no connection is made to."""
    call.watch.start()
    if (connected := CONNECTED.get(None)) is not None:
        connected()


def backend_of(upstream: Upstream) -> Backend:
    """An upstream in the shape that the engine knows."""
    return upstream if isinstance(upstream, WireUpstream) else OwnUpstream(upstream)


def backends(upstreams: Mapping[str, Upstream]) -> dict[str, Backend]:
    """All of them, by the provider's name."""
    return {name: backend_of(upstream) for name, upstream in upstreams.items()}


def over_http(backend: Backend) -> WireUpstream:
    """The upstream of an attempt that is relayed or asked for an operation in a protocol: a provider."""
    assert isinstance(backend, WireUpstream), "an upstream of one's own speaks no protocol"
    return backend
