"""The way of a request: a literal list of stages, and nothing else orchestrates.

Every operation of every face goes through `Engine.handle`. A stage either moves the work on or raises
`RequestFailed`, which ends in one place: rendered by the face, whole before the answer has begun and
in-band afterwards.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from dragoman import ir
from dragoman.deadlines import Deadlines
from dragoman.dialects.capabilities import refuse
from dragoman.dialects.defaults import with_defaults
from dragoman.dialects.dialect import Dialect, Reply, WireRequest
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.fetch import Fetcher
from dragoman.flight import Flight
from dragoman.hooks import HookFailed, Hooks
from dragoman.routing.attempts import Policy
from dragoman.routing.route import Deployment, Route, Strict, Table
from dragoman.seams import SYSTEM, Seams
from dragoman.upstreams.upstream import Call, Upstream
from dragoman.upstreams.wire import WireUpstream
from dragoman.wire.json import decode_head, decode_object, refuse_case_variants

log = logging.getLogger("dragoman.engine")

Headers = Sequence[tuple[bytes, bytes]]


class Client(Protocol):
    """Whoever waits for the answer. Writing waits while the client reads slowly."""

    begun: bool
    """Whether headers have been sent: a failure is then told in-band."""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer."""
        ...

    def expect_stream(self) -> None:
        """The answer will be a stream: from now on silence is filled with heartbeats."""
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """The headers of a stream; once, later calls are ignored."""
        ...

    async def write(self, data: bytes) -> None:
        """More of a stream."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        ...


class Inbound(msgspec.Struct, frozen=True):
    """A client's request as the server hands it over: authenticated, its body read and bounded.

    headers: lower-case names. max_depth: how deeply the JSON may be nested. models: the names that the
    caller is granted, None = all.
    """

    face: Dialect
    body: bytes
    headers: Mapping[str, str]
    max_depth: int = 200
    models: frozenset[str] | None = None


class Work:
    """One request on its way through the stages."""

    __slots__ = (
        "_always_usage",
        "_request",
        "changed",
        "client",
        "deployment",
        "exchange",
        "face",
        "head",
        "inbound",
        "route",
        "strict",
        "wire",
    )

    def __init__(
        self, exchange: Exchange, inbound: Inbound, client: Client, *, always_usage: bool = False
    ) -> None:
        self._always_usage = always_usage
        self.exchange = exchange
        self.inbound = inbound
        self.face = inbound.face
        self.client = client
        self.head: dict[str, msgspec.Raw]
        self.wire: WireRequest
        self.route: Route
        self.deployment: Deployment
        """The one that the running attempt calls."""
        self.strict: Strict = False
        self.changed = False
        self._request: ir.Request | None = None

    @property
    def request(self) -> ir.Request:
        """The request in IR terms, decoded when a stage first needs it: a plain relay never does."""
        if self._request is None:
            try:
                self._request = self.face.decode_request(self.wire)
            except WireError as error:
                raise RequestFailed(self.blamed(error)) from error
        return self._request

    @request.setter
    def request(self, request: ir.Request) -> None:
        self._request = request

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.exchange.streamed

    @property
    def names_deployment(self) -> bool:
        """Whether the client chose the upstream model itself, instead of a name of the configuration."""
        return self.route.shown(self.route.deployments[0]) is None

    @property
    def passed_headers(self) -> dict[str, str]:
        """The client's headers that may reach an upstream of the same dialect."""
        allowed = self.face.request_headers
        return (
            {name: value for name, value in self.inbound.headers.items() if name in allowed}
            if allowed
            else {}
        )

    def blamed(self, error: WireError) -> ir.Fault:
        """The inbound edge: what does not fit the client's protocol is the client's to mend."""
        return ir.Fault(
            "invalid_request", error.message, code=error.code, param=error.path or None, blame="client"
        )

    def located(self, fault: ir.Fault) -> ir.Fault:
        """A fault whose parameter is a place in IR terms, with the place in the client's own words."""
        if fault.param is None:
            return fault
        path = self.face.located(self.wire)(fault.param)
        return msgspec.structs.replace(fault, param=path.removeprefix("$."))

    def can_relay(self, upstream: Upstream, facts: Facts) -> bool:
        """Whether this attempt may pass bytes: same dialect, nothing changed but names, nothing emulated."""
        return (
            not self.changed
            and isinstance(upstream, WireUpstream)
            and upstream.dialect is self.face
            and upstream.quirks.relays(self.wire.body)
            and (facts.structured is not False or self.request.output is None)
        )

    def edits(self, call: Call) -> dict[str, Any]:
        """The named edits of a relayed request: the model, and what the configuration adds."""
        edits: dict[str, Any] = {"model": call.model}
        for key, value in (call.body or {}).items():
            own = self.wire.body.get(key)
            edits[key] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
        return edits

    def reply(self, report: Report, *, relayed: bool = False) -> Reply:
        """What the answer is encoded for."""
        exchange = self.exchange
        request = self.face.brief(self.wire) if relayed else self.request
        if self._always_usage:
            request = msgspec.structs.replace(request, stream_usage=True)
        return Reply(
            request,
            report,
            self.face.id_prefix + exchange.id.removeprefix("ex_"),
            int(exchange.created),
            self.route.shown(self.deployment),
        )

    def hold_strict(self) -> None:
        """Refuse a translation that loses more than the client allows, before anything is sent."""
        if not self.strict:
            return
        lost = [loss for loss in self.exchange.losses if self.strict == "all" or loss.severity == "meaning"]
        if lost:
            named = "; ".join(f"{loss.path}: {loss.reason}" for loss in lost)
            raise RequestFailed(
                ir.Fault(
                    "untranslatable",
                    f"{self.exchange.answered} cannot be asked this without loss: {named}",
                    code="untranslatable",
                    param=lost[0].path,
                )
            )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Our own headers of a good answer, with what is known by now."""
        exchange = self.exchange
        headers = [
            (b"x-dragoman-deployment", (exchange.answered or "").encode()),
            (b"x-dragoman-losses", b"%d" % len(exchange.losses)),
        ]
        if len(exchange.attempts) > 1:
            headers.append((b"x-dragoman-attempts", b"%d" % len(exchange.attempts)))
        if self.inbound.headers.get("x-dragoman-report") == "1":
            report = {"losses": exchange.losses, "changes": exchange.changes}
            # json escapes everything outside ASCII, which a header may not hold.
            headers.append((b"x-dragoman-report", json.dumps(msgspec.to_builtins(report)).encode()))
        return headers


class Engine:
    """Carries requests from a face to an upstream and the answers back. One per gateway generation."""

    def __init__(
        self,
        table: Table,
        upstreams: Mapping[str, Upstream],
        *,
        deadlines: Deadlines,
        hooks: Hooks | None = None,
        policy: Policy | None = None,
        seams: Seams = SYSTEM,
        fetcher: Fetcher | None = None,
        always_usage: bool = False,
    ) -> None:
        self.fetcher = fetcher
        self.deadlines = deadlines
        self.table = table
        self.upstreams = upstreams
        self.accounts = {
            name: len(upstream.accounts) if isinstance(upstream, WireUpstream) else 1
            for name, upstream in upstreams.items()
        }
        """How many credentials each provider has."""
        self.hooks = hooks or Hooks()
        self.policy = policy or Policy()
        self.seams = seams
        self.always_usage = always_usage

    async def handle(self, exchange: Exchange, inbound: Inbound, client: Client) -> None:
        """Answer one request, whatever happens. Only the client's own going away leaves through here."""
        work = Work(exchange, inbound, client, always_usage=self.always_usage)
        try:
            self._decode(work)
            self._route(work)
            await self._before(work)
            self._allow(work)
            await Flight(self, work).run()
            exchange.phase = "done"
        except RequestFailed as failed:
            await self._fail(work, failed.fault)
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            await self._fail(work, _INTERNAL)

    # Stages ------------------------------------------------------------------------------------------

    def _decode(self, work: Work) -> None:
        """Check the body exactly, in the client's own protocol."""
        work.exchange.phase = "decode"
        inbound = work.inbound
        try:
            body = decode_object(inbound.body, inbound.max_depth)
            work.head = decode_head(inbound.body)
            if not body.keys() <= work.face.maps:
                refuse_case_variants(body, work.face.maps)
            work.wire = WireRequest("chat", body)
            work.face.check(work.wire)
        except WireError as error:
            raise RequestFailed(work.blamed(error)) from error
        work.exchange.asked = body.get("model")
        if body.get("stream") is True:
            work.exchange.streamed = True
            work.client.expect_stream()

    def _route(self, work: Work) -> None:
        """What the model name stands for, and what its alias adds."""
        work.exchange.phase = "route"
        work.route = route = self.table.resolve(work.exchange.asked)
        granted = work.inbound.models
        if granted is not None and route.asked not in granted:
            raise RequestFailed(
                ir.Fault(
                    "permission",
                    f"The key is not granted the model {route.asked!r}.",
                    "model_not_granted",
                    "model",
                )
            )
        work.strict = _strict(work.inbound.headers.get("x-dragoman-strict")) or route.strict
        if route.defaults or route.system_prompt is not None:
            work.request = with_defaults(work.request, route.defaults, route.system_prompt)
            work.changed = True

    async def _before(self, work: Work) -> None:
        """Hooks may change the request, or end it."""
        if self.hooks.change_requests:
            request = await self.hooks.before(work.exchange, work.request)
            work.changed = work.changed or request is not work.request
            work.request = request
        work.changed = work.changed or self.hooks.need_events

    def _allow(self, work: Work) -> None:
        """Leave out the deployments that are known to be unable to do this; refuse when none is left."""
        deployments = work.route.deployments
        if not any(deployment.facts.restricts for deployment in deployments):
            return
        refused = [refuse(work.request, deployment.facts) for deployment in deployments]
        able = tuple(d for d, fault in zip(deployments, refused, strict=True) if fault is None)
        if not able and (fault := refused[0]) is not None:
            place = work.face.located(work.wire)
            where = None if fault.param is None else place(fault.param).removeprefix("$.")
            raise RequestFailed(msgspec.structs.replace(fault, param=where))
        work.route = msgspec.structs.replace(work.route, deployments=able)

    # The one place where failures end ------------------------------------------------------------------

    async def _fail(self, work: Work, fault: ir.Fault) -> None:
        exchange, client = work.exchange, work.client
        try:
            fault = await self.hooks.on_error(exchange, fault)
        except RequestFailed as failed:
            fault = failed.fault
        except HookFailed:
            log.exception("exchange %s: an error hook failed", exchange.id)
        exchange.fault = fault
        if client.begun:
            reply = Reply(
                work.face.brief(work.wire), Report(work.face.name), exchange.id, int(exchange.created)
            )
            await client.end(work.face.stream_encoder(reply).feed(ir.Error(fault)))
            return
        status, headers, body = work.face.encode_error(fault, exchange.request_id)
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        if exchange.answered:
            named.extend(work.headers())
        await client.answer(status, named, body)


_INTERNAL = ir.Fault(
    "internal", "The gateway failed to handle this request.", code="internal_error", blame="gateway"
)


def _strict(header: str | None) -> Strict:
    return "all" if header == "all" else header == "1"
