"""The interface through which the engine uses every upstream: a provider over HTTP, models of this machine,
the simulator, or a custom upstream.
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
from dragoman.net.connected import CONNECTED
from dragoman.upstreams.answering import Answering
from dragoman.upstreams.answers import DEFAULT_LIMITS
from dragoman.upstreams.upstream import Batches, Call, Native, Perform, Upstream, collected, native, performer
from dragoman.upstreams.wire import Account, WireUpstream


class Backend(Answering, Protocol):
    """A provider's upstream in one of the protocols that it supports.

    dialect: that protocol, None = the IR itself. language: its name, or that of the upstream. sole: the
    provider has no other protocol. native: the features that need no emulation. quirks: its
    deviations from the protocol. accounts: its credentials, at least one. success: the HTTP status of a good
    answer, None = no HTTP. silence: seconds that it may send no content, None = no limit.
    """

    @property
    def dialect(self) -> Dialect | None: ...
    @property
    def language(self) -> str: ...
    @property
    def sole(self) -> bool: ...
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
        """The upstream in the best protocol for a chat: the operator's `preferred`, else the client's `face`;
        if that is lacking, or `facts` exclude it for the request, the first that they allow, or any.
        """

    def able(self, operation: Operation, face: str, model: str) -> Backend | None:
        """The provider in a protocol with this operation, if possible `face`; None = none for `model`."""

    def facts(self, model: str, known: Facts) -> Facts:
        """`known`, with `reasoning` False for a model that `learns_thoughtless` has remembered."""

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Remember what a failure says about a model in this protocol: absent, or no tools while it thinks.
        True: it said that, so try again.
        """

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Remember that a model cannot encrypt its thinking, if the failure says so. True: then try again."""

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        """A call's failure as clients may read it. located: makes a parameter that is a path in the IR a path
        of the client's request.
        """

    def written(self, request: ir.Request, call: Call) -> Call:
        """The call with the encoded chat (for the IR, as it is). Raises WireError if it cannot be encoded."""


class OwnUpstream:
    """Adapts an upstream that takes requests in the IR to `Backend`. It learns nothing from failures."""

    dialect: Final = None
    sole: Final = True
    quirks: Final = STANDARD
    limits: Final = DEFAULT_LIMITS
    accounts: Sequence[Account] = (Account({}),)
    success: Final = None
    silence: Final = None

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.name = self.language = upstream.name
        self.native = native(upstream)

    def spoken(
        self,
        face: str,
        model: str,
        facts: Facts,
        asked: Callable[[], ir.Request],
        preferred: str | None = None,
    ) -> OwnUpstream:
        return self

    def able(self, operation: Operation, face: str, model: str) -> OwnUpstream | None:
        """This upstream if it has the operation's method, for this model; else None."""
        return None if self.performer(operation, model) is None else self

    def performer(self, operation: Operation, model: str) -> Perform | None:
        """The upstream's method for an operation other than chat; None = it has none for this model."""
        return performer(self.upstream, operation, model)

    def facts(self, model: str, known: Facts) -> Facts:
        return known

    def learns(self, model: str, fault: ir.Fault) -> bool:
        return False

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        return False

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        return located(fault)

    def written(self, request: ir.Request, call: Call) -> Call:
        return call

    async def complete(self, request: ir.Request, call: Call) -> ir.Response:
        async with self.chat(request, call) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        """Never called: `complete` returns no bytes."""
        raise AssertionError("an upstream of one's own gives no bytes")

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        begin(call)
        async with self.upstream.chat(request, call) as batches:
            call.ready()
            yield batches


def begin(call: Call) -> None:
    """Start the call's stopwatch and report the upstream, which needs no connection, as connected."""
    call.watch.start()
    if (connected := CONNECTED.get(None)) is not None:
        connected()


def backend_of(upstream: Upstream) -> Backend:
    """The upstream as a `Backend`: itself if it is a provider over HTTP, else adapted."""
    return upstream if isinstance(upstream, WireUpstream) else OwnUpstream(upstream)


def backends(upstreams: Mapping[str, Upstream]) -> dict[str, Backend]:
    """Every upstream as a `Backend`; the keys, names of providers, stay."""
    return {name: backend_of(upstream) for name, upstream in upstreams.items()}


def over_http(backend: Backend) -> WireUpstream:
    """The backend, which has a dialect and so is a provider over HTTP. Raises AssertionError for another."""
    assert isinstance(backend, WireUpstream), "an upstream of one's own speaks no protocol"
    return backend
