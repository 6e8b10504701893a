"""The interface through which the engine uses every upstream: a provider over HTTP, models on this machine,
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
from dragoman.upstreams.account import Account
from dragoman.upstreams.answering import Answering
from dragoman.upstreams.answers import DEFAULT_LIMITS
from dragoman.upstreams.upstream import Batches, Call, Native, Perform, Upstream, collected, native, performer
from dragoman.upstreams.wire import WireUpstream


class Backend(Answering, Protocol):
    """A provider's upstream in one of the protocols that the provider supports.

    dialect: this protocol; None = the upstream takes requests in the IR. language: the name of the protocol;
    without a protocol, the name of the upstream. sole: True = the provider has no other protocol. native: the
    features that the gateway need not emulate. quirks: the provider's deviations from the protocol. accounts:
    the provider's credentials, at least one. success: the HTTP status of a successful answer; None = the
    upstream does not use HTTP. silence: the most seconds for which the provider may send nothing, or data
    without content, such as pings: before the first content of a stream, or before the end of an answer that
    is not streamed. Later in a stream, the time runs from the first data without content. None = no limit.
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
        """Return the provider's upstream in the protocol in which a chat request is to be sent
        (`routing.apis`): `preferred`, if the provider has it for the model; else `face`, the client's own
        protocol, if the provider has it for the model; else the first one of the provider. Protocols other
        than `preferred` are passed over, if another one is left, when they are known to be of no use for this
        request: the model is not available in them, or they cannot do what the request wants (a forced tool
        call; functions while the model thinks).

        facts: what is known of the model before. asked: returns the request; it is called only if the choice
        depends on the request, and its errors are raised here. preferred: the protocol that the operator has
        chosen or that the request names, None = none. An upstream with one protocol, or without a protocol,
        returns itself.
        """

    def able(self, operation: Operation, face: str, model: str) -> Backend | None:
        """Return the provider's upstream in a protocol that has this operation: `face`, the client's own
        protocol, if it has the operation, else the first other protocol that has it. None = no protocol of
        the provider has the operation for `model`.
        """

    def facts(self, model: str, known: Facts) -> Facts:
        """Return the facts about a model: `known`, but with `reasoning` set to False if the provider has said
        earlier that the model cannot return encrypted thinking (`learns_thoughtless`).
        """

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Return whether a failure says that the model is not available in this protocol, or that the model
        cannot use tools in this protocol while it thinks. If so, remember it for later calls of `spoken`;
        another attempt may then succeed, because `spoken` may choose another protocol.
        """

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Return whether a failure says that the model cannot return encrypted thinking. If so, remember it
        for later calls of `facts`; another attempt, with these facts, may then succeed.
        """

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        """Return the fault of a call as the client may read it. A provider over HTTP hides secrets in the
        fault, and does not use `located`. Every other upstream returns `located(fault)`. located: turns a
        parameter that is a path in the IR into a path in the client's request.
        """

    def written(self, request: ir.Request, call: Call) -> Call:
        """Return a copy of the call that has the chat request, encoded, in its field `encoded`. An upstream
        that takes requests in the IR returns the call unchanged. Raises WireError if the request cannot be
        encoded.
        """


class OwnUpstream:
    """A `Backend` around an upstream that takes requests in the IR: the simulator, the models on this
    machine, or a custom upstream. It learns nothing from failures.
    """

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
        """Return this upstream if it has the operation for this model; else None."""
        return None if self.performer(operation, model) is None else self

    def performer(self, operation: Operation, model: str) -> Perform | None:
        """Return the upstream's method for an operation; None = it has no such method, or does not support
        the operation for this model. Always None for chat, whose method is `chat`, and for the operations
        `models` and `realtime`, which such an upstream cannot have.
        """
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
        """Never called, because `complete` of this class returns a response, not bytes. Raises
        AssertionError.
        """
        raise AssertionError("an upstream of one's own gives no bytes")

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        begin(call)
        async with self.upstream.chat(request, call) as batches:
            call.ready()
            yield batches


def begin(call: Call) -> None:
    """Start the call's stopwatch, and call the function in the context variable `CONNECTED`, if one is set,
    as the connection pool does for a provider over HTTP when a request gets a connection.
    """
    call.watch.start()
    if (connected := CONNECTED.get(None)) is not None:
        connected()


def backend_of(upstream: Upstream) -> Backend:
    """Return the upstream as a `Backend`. A provider over HTTP is already one; any other upstream is wrapped
    in `OwnUpstream`.
    """
    return upstream if isinstance(upstream, WireUpstream) else OwnUpstream(upstream)


def serves(upstream: Upstream, operation: Operation, model: str, facts: Facts) -> bool:
    """Whether an operation of a model is possible at an upstream, as far as it is known without a call; True
    if it is unknown. `count` (counting the tokens of a prompt) is possible for each model that chats, because
    the gateway can estimate it. facts: those of the model; only `chat` is used.
    """
    if operation not in ("chat", "count"):
        return backend_of(upstream).able(operation, "", model) is not None
    performs = getattr(upstream, "performs", None)
    return facts.chat is not False and (performs is None or performs("chat", model))


def backends(upstreams: Mapping[str, Upstream]) -> dict[str, Backend]:
    """Return every upstream as a `Backend`, by the same keys (the names of providers)."""
    return {name: backend_of(upstream) for name, upstream in upstreams.items()}


def all_over_http(upstreams: Mapping[str, object]) -> dict[str, WireUpstream]:
    """Return the upstreams (or backends) that are providers over HTTP, by the same keys; leave out all
    others.
    """
    return {name: one for name, one in upstreams.items() if isinstance(one, WireUpstream)}


def over_http(backend: Backend) -> WireUpstream:
    """Return `backend` itself, typed as a provider over HTTP. Raises AssertionError if it is another kind of
    upstream.
    """
    assert isinstance(backend, WireUpstream), "an upstream of one's own speaks no protocol"
    return backend
