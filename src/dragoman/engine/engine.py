"""Handles a request as a list of stages. A stage returns the value for the next stage, or raises
`RequestFailed`. If no headers were sent to the client yet, the client gets this failure as a whole error
answer; otherwise it gets the failure inside its stream. A stream of audio cannot carry a failure, so its
connection is cut instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.capacity.heavy import MEDIUM, Steps
from dragoman.engine.asked import Asked, Inbound, Turn
from dragoman.engine.client import Client
from dragoman.engine.continued import Continued
from dragoman.engine.count import count
from dragoman.engine.decode import decode, decode_small
from dragoman.engine.delivery import Delivery
from dragoman.engine.expected import reserve
from dragoman.engine.fallbacks import fitted
from dragoman.engine.flight import Flight
from dragoman.engine.hedged import Hedged
from dragoman.engine.media import Media
from dragoman.engine.meter import Meter, metered
from dragoman.engine.named_files import with_files
from dragoman.engine.plan import Plan, fill_in, route
from dragoman.engine.runtime import Runtime
from dragoman.engine.ways import WAYS, Way
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import HookFailed
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.routing.route import Route
from dragoman.routing.table import Table

log = logging.getLogger("dragoman.engine")
Own: TypeAlias = Callable[[Runtime, Caller | None], Runtime]
"""A function that returns the runtime for the requests of one caller: the given runtime, changed to use the
provider keys that the caller's tenant has brought, if it has brought any. The caller is None if it is not
known.
"""


class Engine:
    """Answers clients' requests with the help of upstreams. A request is served to its end with the runtime
    that is current when `handle` is called.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.own: Own | None = None
        """Changes the runtime for tenants that have brought provider keys (see `Own`); None = no tenant has
        brought any.
        """

    @property
    def table(self) -> Table:
        """The table that finds the routes of model names for new requests."""
        return self._runtime.table

    @property
    def runtime(self) -> Runtime:
        """The runtime for new requests, before it is changed for one caller's own keys."""
        return self._runtime

    def become(self, runtime: Runtime) -> None:
        """Serve new requests with this runtime, for example after a reload."""
        self._runtime = runtime

    def rename(self, table: Table) -> None:
        """Use this table of model names for new requests. Everything else of the runtime stays the same."""
        self._runtime = msgspec.structs.replace(self._runtime, table=table)

    async def handle(self, exchange: Exchange, inbound: Inbound, client: Client) -> None:
        """Answer one request. A failure, also an unexpected exception, is recorded in `exchange.fault` and
        sent to the client; it is not raised, unless it cannot be sent. Raises CancelledError if the task is
        cancelled (the client has disconnected, or the server stops, for example); then a stream that has
        begun ends with an error if it can carry one, unless the client has disconnected.
        """
        operation = inbound.operation
        runtime, keyed = self._runtime, self.own is not None or self._runtime.lent is not None
        runtime = self._with_keys(runtime, exchange, inbound) if keyed else runtime
        exchange.operation = operation
        delivery = Delivery(exchange, inbound, client, runtime.seams.monotonic)
        meter = delivery.meter = metered(runtime.accounting, exchange, runtime.seams, own=runtime.own)
        try:
            way, steps = WAYS[operation], Steps(runtime.heavy, exchange.client)
            always_usage = runtime.always_usage
            asked = (
                decode_small(exchange, inbound, steps, always_usage=always_usage)
                if len(inbound.body) < MEDIUM and not runtime.passing and way.read is None
                else await self._decoded(runtime, exchange, inbound, steps)
            )
            inbound = asked.inbound
            delivery.expect(asked)
            if asked.turn is not None:
                asked = delivery.asked = await self._expanded(asked, asked.turn)
            # No local variable but `asked` refers to the request or a large body: `Said.forget` frees them.
            hooks = runtime.hooks
            resolved = await hooks.resolve(exchange, exchange.asked) if hooks.resolves else None
            plan = route(runtime.table, asked, resolved)
            exchange.deployments = plan.route.deployments
            if meter is not None and _limits(meter, plan.route) and way.admits(plan.route, hooks):
                await meter.admit()  # before any work; otherwise `reserve` does it
            if plan.route.fills and asked.prompts:
                asked = fill_in(asked, plan) if asked.light else await asked.look(fill_in, asked, plan)
            if way.hooked and hooks.change_requests:
                asked = await self._before(runtime, asked)
            if plan.route.selects or way.selects(asked):
                plan = await self._fitted(runtime, way, asked, plan, meter)
            delivery.asked = asked
            if meter is not None and way.reserves == "usage":
                await reserve(meter, asked, plan)
            if operation == "count":
                await count(runtime, way, asked, plan, delivery)
            elif asked.turn is None or await self._admitted(runtime, asked, delivery):
                media = Media(runtime.fetcher, exchange.client or "")
                flight = Flight if plan.route.simple else _flight(plan.route, way, asked)
                await flight(runtime, way, asked, plan, delivery, media).run()
            exchange.phase = "done"
        except RequestFailed as failed:
            await self._fail(runtime, exchange, delivery, failed.fault)
        except asyncio.CancelledError:
            await self._cut(exchange, delivery)
            raise
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            await self._fail(runtime, exchange, delivery, INTERNAL)
        finally:
            delivery.release()

    def _with_keys(self, runtime: Runtime, exchange: Exchange, inbound: Inbound) -> Runtime:
        """Return the runtime for this request: with the provider keys that the client's tenant has brought,
        and with the provider credentials that the client has sent. A provider that needs such a credential is
        not called without it.
        """
        if self.own is not None:
            runtime = self.own(runtime, exchange.caller)
        return runtime if runtime.lent is None else runtime.lent(runtime, inbound)

    async def _decoded(self, runtime: Runtime, exchange: Exchange, inbound: Inbound, steps: Steps) -> Asked:
        """Return the decoded request, in the cases that `decode_small` does not handle: a large body, a body
        that may name files which clients have stored at providers, or an operation with a function of its own
        for reading (`Way.read`).
        """
        if (read := WAYS[inbound.operation].read) is not None:
            return read(exchange, inbound, steps)
        if runtime.passing:
            inbound = await with_files(runtime, inbound, exchange.client or "", steps)
        return await decode(exchange, inbound, steps, always_usage=runtime.always_usage)

    async def _expanded(self, asked: Asked, turn: Turn) -> Asked:
        """Return the request with the earlier messages that its turn adds. Unless the turn allows that the
        request is relayed, every attempt translates it (reason "continued").
        """
        asked = await turn.expand(asked)
        if turn.relayed:
            return asked
        return msgspec.structs.replace(asked, reasons=(*asked.reasons, "continued"))

    async def _before(self, runtime: Runtime, asked: Asked) -> Asked:
        request = await asked.decoded()
        changed = await runtime.hooks.before(asked.exchange, request)
        return asked if changed is request else asked.with_request(changed, "hook")

    async def _fitted(
        self, runtime: Runtime, way: Way, asked: Asked, plan: Plan, meter: Meter | None
    ) -> Plan:
        """Return the plan after the stages of its way or, if they refuse the request, the plan of its first
        fallback route that accepts it (`fallbacks.fitted`), at whose limits the request is then reserved,
        too. Raises RequestFailed if a limit refuses the request, or a stage of every route.
        """
        found = await asked.step(fitted, runtime, way, asked, plan)
        if meter is not None and way.reserves != "nothing" and found.route.counted != plan.route.counted:
            await meter.admit()
            await meter.turn(found.route)
        return found

    async def _admitted(self, runtime: Runtime, asked: Asked, delivery: Delivery) -> bool:
        """Return whether a model must be called. False = the turn has an answer without a model, and this
        answer has been sent. asked: a request with a turn.
        """
        assert asked.turn is not None
        answer = await asked.turn.admitted(asked, delivery.last_words)
        if answer is not None:
            await delivery.without_model(asked, answer, runtime.seams.now)
        return answer is None

    # The only place where failures end ------------------------------------------------------------------

    async def _fail(self, runtime: Runtime, exchange: Exchange, delivery: Delivery, fault: ir.Fault) -> None:
        try:
            fault = await runtime.hooks.on_error(exchange, fault)
        except RequestFailed as failed:
            fault = failed.fault
        except HookFailed:
            log.exception("exchange %s: an error hook failed", exchange.id)
        exchange.fault = fault
        await delivery.fail(fault)

    async def _cut(self, exchange: Exchange, delivery: Delivery) -> None:
        """Send the error `STOPPING` inside the client's stream, because the task is cancelled. Nothing is
        sent if no headers were sent yet, or if the client has disconnected. A failure to send is logged.
        """
        if not delivery.client.begun or delivery.client.gone:
            return
        exchange.fault = STOPPING
        try:
            await delivery.fail(STOPPING)
        except Exception:
            log.exception("exchange %s: its stream could not be told of the stop", exchange.id)


def _flight(route: Route, way: Way, asked: Asked) -> type[Flight]:
    """Return the class that makes the attempts of a request whose route is not `simple`."""
    if route.hedge is not None:
        return Hedged
    return Continued if asked.streamed and way.continues else Flight


def _limits(meter: Meter, route: Route) -> bool:
    """Look up the limits that apply to the exchange under the model names of this route. Returns whether
    there are any.
    """
    return meter.applies(*route.counted, bare=route.bare)
