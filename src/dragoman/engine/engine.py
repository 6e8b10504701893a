"""The way of a request: a literal list of stages, and nothing else orchestrates.

Every operation of every face goes through `Engine.handle`. A stage either moves the work on or raises
`RequestFailed`, which ends in one place: rendered by the face, whole before the answer has begun and
in-band afterwards.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.dialects.capabilities import DEMANDED, refuse
from dragoman.dialects.defaults import opens_with_system, with_defaults
from dragoman.dialects.forms import texts
from dragoman.dialects.gateway_members import HEADERS, concerns_gateway, take
from dragoman.dialects.request import PROMPTED, WireRequest
from dragoman.engine.count import count
from dragoman.engine.flight import Flight, spoken
from dragoman.engine.operate import able, lacking
from dragoman.engine.runtime import Runtime
from dragoman.engine.work import Client, Inbound, Turn, Work
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.hooks import HookFailed
from dragoman.routing.route import Strict, Table
from dragoman.routing.window import room
from dragoman.verify.bounds import available
from dragoman.verify.check import form_of
from dragoman.wire.json import decode_both, refuse_case_variants, refuse_many_values

log = logging.getLogger("dragoman.engine")


class Engine:
    """Carries requests from a face to an upstream and the answers back. One per gateway generation."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def table(self) -> Table:
        """What model names stand for."""
        return self._runtime.table

    def rename(self, table: Table) -> None:
        """Let names stand for what this table says, for requests that come from now on."""
        self._runtime = msgspec.structs.replace(self._runtime, table=table)

    async def handle(self, exchange: Exchange, inbound: Inbound, client: Client) -> None:
        """Answer one request, whatever happens. Only the client's own going away leaves through here."""
        runtime = self._runtime
        exchange.operation = inbound.operation
        work = Work(
            exchange,
            inbound,
            client,
            heavy=runtime.heavy,
            now=runtime.seams.now,
            always_usage=runtime.always_usage,
        )
        try:
            await self._decode(work)
            if work.turn is not None:
                await self._expand(work, work.turn)
            if work.light:
                self._route(work)
            else:
                await work.step(self._route, work)
            if work.operation == "chat":
                await self._before(work)
                if work.light:
                    self._fit(work)
                else:
                    await work.step(self._fit, work)
            elif work.operation == "count":
                await self._before(work)
                await work.step(self._allow, work)
                work.client = client  # nothing is kept of what is only counted
                await count(runtime, work)
                exchange.phase = "done"
                return
            else:
                self._keep_able(work)
            if work.turn is None or await work.turn.admitted(work):
                await Flight(self._runtime, work).run()
            exchange.phase = "done"
        except RequestFailed as failed:
            await self._fail(work, failed.fault)
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            await self._fail(work, _INTERNAL)

    # Stages ------------------------------------------------------------------------------------------

    async def _decode(self, work: Work) -> None:
        """Check the body exactly, in the client's own protocol."""
        work.exchange.phase = "decode"
        for name in HEADERS:
            if (tags := work.inbound.headers.get(name)) is not None:
                work.tag(tags)
        try:
            model, streamed = _read(work) if work.light else await work.step(_read, work)
        except WireError as error:
            work.exchange.asked = work.stated_model
            raise RequestFailed(work.blamed(error)) from error
        work.exchange.asked = model
        if streamed:
            work.exchange.streamed = True
            work.client.expect_stream()

    async def _expand(self, work: Work, turn: Turn) -> None:
        """What the request continues comes before it."""
        await turn.expand(work)
        work.changed = work.changed or turn.hears

    def _route(self, work: Work) -> None:
        """What the model name stands for, and what its alias adds."""
        work.exchange.phase = "route"
        asked, granted = work.exchange.asked, work.inbound.models
        if granted is not None and asked is not None and asked not in granted:
            raise RequestFailed(
                _not_granted(asked, granted)
            )  # before it is looked up: nothing is told about other names
        work.route = route = self._runtime.table.resolve(asked, work.operation)
        if granted is not None and route.asked not in granted:
            work.exchange.asked = route.asked
            raise RequestFailed(_not_granted(route.asked, granted))
        wished = work.inbound.headers.get("x-dragoman-strict")
        work.strict = route.strict if wished is None else _stricter(wished, route.strict)
        if work.exchange.losses:
            work.hold_strict()
        if work.operation in PROMPTED:
            self._fill_in(work)

    def _fill_in(self, work: Work) -> None:
        """What the alias adds to a request: what goes before it, and what it leaves open."""
        route = work.route
        if route.opening and not opens_with_system(work.request):
            request, added = work.request, len(route.opening)
            work.request = msgspec.structs.replace(request, messages=route.opening + request.messages)
            # What is continued comes first of all, unless the client's system message does.
            work.wire.continued = (0, work.wire.continued[1] + added)
            work.sealed = tuple(
                msgspec.structs.replace(sealed, start=sealed.start + added, stop=sealed.stop + added)
                for sealed in work.sealed
            )
            work.changed = True
        if route.defaults or route.system_prompt is not None:
            work.request = with_defaults(work.request, route.defaults, route.system_prompt)
            work.changed = True

    async def _before(self, work: Work) -> None:
        """Hooks may change the request, or end it."""
        hooks = self._runtime.hooks
        if hooks.change_requests:
            asked = await work.step(work.decoded)
            request = await hooks.before(work.exchange, asked)
            work.changed = work.changed or request is not asked
            work.request = request
        work.changed = work.changed or hooks.need_events

    def _fit(self, work: Work) -> None:
        """Keep the deployments that can answer this, and note what its answer is held to."""
        if work.beyond is not None:
            self._keep_willing(work, work.beyond)
        self._allow(work)
        self._make_room(work)
        self._hold_to_form(work)

    def _keep_willing(self, work: Work, beyond: WireError) -> None:
        """Leave out the deployments that are known not to take this; refuse when none is left."""
        upstreams = self._runtime.upstreams
        kept = tuple(
            one for one in work.route.deployments if work.is_taken(spoken(upstreams[one.provider], one, work))
        )
        if not kept:
            raise RequestFailed(work.blamed(beyond))
        work.route = msgspec.structs.replace(work.route, deployments=kept)

    def _allow(self, work: Work) -> None:
        """Leave out the deployments that are known to be unable to do this; refuse when none is left."""
        deployments = work.route.deployments
        thinks = (work.brief.forms or {}).get("reasoning") == DEMANDED
        if not thinks and True not in [deployment.facts.restricts for deployment in deployments]:
            return
        refused = [refuse(work.request, deployment.facts) for deployment in deployments]
        able = tuple(d for d, fault in zip(deployments, refused, strict=True) if fault is None)
        if not able and (fault := refused[0]) is not None:
            raise RequestFailed(work.located(fault))
        work.route = msgspec.structs.replace(work.route, deployments=able)

    def _keep_able(self, work: Work) -> None:
        """Leave out the deployments that have nothing of the kind; refuse when none is left."""
        upstreams, operation, face = self._runtime.upstreams, work.operation, work.face.name
        kept = tuple(
            deployment
            for deployment in work.route.deployments
            if able(upstreams[deployment.provider], operation, face, deployment.model) is not None
        )
        if not kept:
            raise RequestFailed(lacking(operation))
        work.route = msgspec.structs.replace(work.route, deployments=kept)

    def _make_room(self, work: Work) -> None:
        """Leave out the deployments whose stated window is too small; refuse when none is left."""
        deployments = work.route.deployments
        windows = [deployment.window for deployment in deployments]
        if not any(windows):
            return
        try:
            found = room(work.request, deployments)
        except RequestFailed as failed:
            raise RequestFailed(work.located(failed.fault)) from failed
        work.route = msgspec.structs.replace(work.route, deployments=found.deployments)
        work.changed = work.changed or found.shortened

    def _hold_to_form(self, work: Work) -> None:
        """Whether the answer is checked against the form that was asked for; it is then translated."""
        asked = work.inbound.headers.get("x-dragoman-check-output")
        if asked == "0" or not (asked == "1" or work.route.check_output):
            return
        if not available():
            raise RequestFailed(_NO_CHECKS)
        try:
            work.form = form_of(work.request.output)
        except RequestFailed as failed:
            raise RequestFailed(work.located(failed.fault)) from failed
        work.changed = work.changed or work.form is not None

    # The one place where failures end ------------------------------------------------------------------

    async def _fail(self, work: Work, fault: ir.Fault) -> None:
        exchange, client = work.exchange, work.client
        try:
            fault = await self._runtime.hooks.on_error(exchange, fault)
        except RequestFailed as failed:
            fault = failed.fault
        except HookFailed:
            log.exception("exchange %s: an error hook failed", exchange.id)
        exchange.fault = fault
        if client.begun:
            if work.operation == "chat":
                await client.end(work.failing(fault))
            elif work.ending is not None:
                await client.end(work.ending(fault))
            return  # a sound that breaks off cannot say so: the connection is cut
        status, headers, body = work.face.errors.encode(fault, exchange.request_id)
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        if exchange.answered:
            named.extend(work.headers())
        await client.answer(status, named, body)


def _read(work: Work) -> tuple[str | None, bool]:
    """The body, checked; the model that it asks for, and whether for a stream. Raises WireError."""
    inbound = work.inbound
    if inbound.fields:
        body, work.head = texts(inbound.fields), {}
    else:
        refuse_many_values(inbound.body, inbound.max_values)
        body, work.head = decode_both(inbound.body, inbound.max_depth)
    codec = work.face.request if work.operation == "chat" else work.codec.client
    if concerns_gateway(body):
        work.keep(take(body, work.head, work.face.name, codec.members))
    if not body.keys() <= codec.members:
        refuse_case_variants(body, codec.members)
    work.wire = WireRequest(
        work.operation,
        body,
        path=inbound.path,
        params=dict(inbound.params),
        headers=work.passed_headers,
        fields=inbound.fields,
        preceded=work.turn is not None and work.turn.precedes,
    )
    try:
        codec.check(work.wire)
    except WireError as refused:
        if work.reread():
            refuse_case_variants(body, work.face.request.members)
            work.face.request.check(work.wire)
        else:
            work.suspend(refused)
    model, streamed = work.asked
    _check_model(model)
    return model, streamed


_INTERNAL = ir.Fault(
    "internal", "The gateway failed to handle this request.", code="internal_error", blame="gateway"
)


_NO_CHECKS = ir.Fault(
    "unsupported",
    "Structured output cannot be validated: this gateway was installed without the extra `schema`.",
    code="unsupported_value",
    param="x-dragoman-check-output",
)


_STRICTNESS: list[Strict] = [False, True, "all"]
_WISHES: dict[str, Strict] = {"0": False, "false": False, "1": True, "true": True, "all": "all"}
_UNKNOWN_WISH = ir.Fault(
    "invalid_request",
    "Invalid value for the header 'x-dragoman-strict': expected 1, 0 or all.",
    code="invalid_value",
    param="x-dragoman-strict",
)
_LONGEST_MODEL = 256


def _check_model(model: Any) -> None:
    """A name is shown in headers and logs, so it has to be one line of a sensible length."""
    if isinstance(model, str) and (len(model) > _LONGEST_MODEL or not model.isprintable()):
        raise WireError(
            f"Invalid 'model': expected at most {_LONGEST_MODEL} printable characters.",
            "model",
            "invalid_value",
        )


def _not_granted(model: str, granted: Grants) -> ir.Fault:
    named = sorted(granted.entries)
    more = ", …" if len(named) > _NAMED_GRANTS else ""
    allowed = f" It may use: {', '.join(named[:_NAMED_GRANTS])}{more}." if named else ""
    text = f"This API key is not allowed to use the model {model!r}.{allowed}"
    return ir.Fault("permission", text, "model_not_granted", "model")


_NAMED_GRANTS = 8


def _stricter(header: str, strict: Strict) -> Strict:
    """What the client wishes, or what its model demands where that is more. Raises RequestFailed."""
    wished = _WISHES.get(header.lower())
    if wished is None:
        raise RequestFailed(_UNKNOWN_WISH)
    return max(wished, strict, key=_STRICTNESS.index)
