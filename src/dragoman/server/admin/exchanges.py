"""The endpoints /admin/exchanges: the latest exchanges of all workers, and the trace of one exchange.

Each worker has its own exchanges in memory (`observe.finished`). The worker that gets the request asks the
others for theirs, and merges the answers. Older exchanges come from the database, if the setting
`trace.store` puts them there. The secrets of the configuration, and texts that look like keys, are masked. A
key that belongs to a tenant gets the exchanges of its tenant alone, without what is the gateway's own: its
provider keys, the messages of errors that providers address to their owner, and the candidates of the route
(`observe.trace.for_tenant`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, get_args

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.redaction import Redaction
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.observe.finished import Trait, Wanted, place
from dragoman.observe.trace import detail, for_tenant, newest_first, summary
from dragoman.seams.secret import secrets_in
from dragoman.server.admin.registry import Registry
from dragoman.server.admin.within_tenant import exchanges_within
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.numbers import decimal_number
from dragoman.state.store import StoreFailed
from dragoman.wire.json import encode_shown

LIST: Final = "exchanges.list"
ONE: Final = "exchanges.one"
_UNSTORED: Final = ((b"cache-control", b"no-store"),)
_TRAITS: Final = get_args(Trait)


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a list of exchanges; a field that is None matches everything.

    client: equal to the exchange's. model: equal to the name that the client sent. deployment, provider:
    equal to that of one of the attempts. status: `404`, or `4xx` for a class. error: the code of the error,
    or its kind if it has no code. end: a prefix of the exchange's end (`upstream`, `client/stream`). since,
    until: the earliest and the latest beginning of the exchange, Unix seconds or a time of RFC 3339 with a
    time zone. has: one or more of `losses`, `failover` (several attempts), `error`, separated by commas; all
    of them must match. q: a prefix of the exchange's id, or a part of its request id. tenant: the tenant that
    the client's key belonged to when the exchange began. limit: the most exchanges on a page. after: the id
    of the last exchange of the page before; None = the first page.
    """

    client: str | None = None
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    status: Annotated[str, msgspec.Meta(pattern=r"^[1-5](?:[0-9]{2}|xx)$")] | None = None
    error: str | None = None
    end: str | None = None
    since: str | None = None
    until: str | None = None
    has: str | None = None
    q: str | None = None
    tenant: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: str | None = None

    def wanted(self) -> Wanted:
        """Return the filter that this query asks for. Raises RequestFailed (400) for a wrong `has`, `since`
        or `until`, and names the field; the other fields were checked when the query was decoded.
        """
        traits = [] if self.has is None else self.has.split(",")
        if unknown := [one for one in traits if one not in _TRAITS]:
            raise RequestFailed(_invalid("has", f"{unknown[0][:40]!r} is not one of {', '.join(_TRAITS)}"))
        return Wanted(
            client=self.client,
            model=self.model,
            deployment=self.deployment,
            provider=self.provider,
            status=self.status,
            error=self.error,
            end=self.end,
            since=_moment("since", self.since),
            until=_moment("until", self.until),
            has=msgspec.convert(traits, tuple[Trait, ...]),
            q=self.q,
            tenant=self.tenant,
        )


class _Named(msgspec.Struct, frozen=True):
    """The question of one worker to another for one exchange. id: its id, or its request id. within:
    exchanges that do not match this filter are not found.
    """

    id: str
    within: Wanted


class _Page(msgspec.Struct, frozen=True):
    """The question of one worker to another for some of its exchanges. wanted: the filter. before: (time, id)
    of an exchange; only exchanges that come after it in the list are wanted, None = all. The list has the
    latest exchange first. limit: the most exchanges in the answer.
    """

    wanted: Wanted
    limit: int
    before: tuple[float, str] | None = None


class ExchangesApi:
    """The endpoints for the exchanges of one gateway, of all its workers."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._registry = Registry(gateway)
        gateway.peers.receive(LIST, self._page)
        gateway.peers.receive(ONE, self._own)

    def endpoints(self) -> Iterator[Endpoint]:
        listed = Handler(self.listed, for_tenants=True)
        yield Endpoint("/admin/exchanges", DEFAULT, {"GET": listed}, scope="admin")
        one = {"GET": Handler(self.one, for_tenants=True)}  # clients choose the ids of requests, slashes too
        yield Endpoint("/admin/exchanges/{id}", DEFAULT, one, scope="admin", slashes=True)

    async def listed(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the exchanges that match the query, the latest first: a JSON object whose field
        `data` has the summaries. A client that belongs to a tenant gets only the exchanges of its tenant. If
        stored exchanges cannot be read, they are missing, and the field `store` says why.

        Raises RequestFailed: 400 for an unknown field or a wrong value, for another tenant than the client's
        own, and if there is no exchange `after` that the client may see; 503 if no worker has the exchange
        `after`, and the store cannot be read.
        """
        query = _query(request.query)
        within = exchanges_within(request.caller, self._registry)
        wanted = _both(query.wanted(), within)
        page = _Page(wanted, query.limit + 1, await self._after(query.after, within))
        pages = [self._page(page), *await self._asked(LIST, msgspec.to_builtins(page))]
        stored, failed = await self._stored(page)
        lines = newest_first([*pages, stored], query.limit + 1)
        if within.tenant is not None:
            lines = [for_tenant(line) for line in lines]
        told = {
            "object": "list",
            "data": lines[: query.limit],
            "has_more": len(lines) > query.limit,
            "worker": self._gateway.worker,
            "workers": self._gateway.workers,
            "reporting": len(pages),
            "store": None if self._gateway.observers.recording is None else failed or "ok",
        }
        await client.answer(200, _UNSTORED, encode_shown(told))

    async def _stored(self, page: _Page) -> tuple[list[dict[str, Any]], str | None]:
        """Return (the summaries of the stored exchanges that `page` asks for, why they could not be read).
        The second is None if they could, or if this gateway stores no exchanges.
        """
        if (recording := self._gateway.observers.recording) is None:
            return [], None
        try:
            lines = await recording.listed(page.wanted, page.before, page.limit)
        except StoreFailed as failed:
            return [], str(failed)
        return await asyncio.to_thread(self._redaction().value, lines), None

    async def one(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the trace of one exchange, finished or running. The path names its id or its request id.
        Raises RequestFailed: 404 for an exchange that is unknown or that the client may not see, 503 if no
        worker has it and the store cannot be read.
        """
        id_ = request.params["id"]
        within = exchanges_within(request.caller, self._registry)
        found = await self._found(_Named(id_, within))
        if found is None:
            older = f"the last {self._gateway.observers.finished.keep}"
            if self._gateway.observers.recording is not None:
                older = f"those that are stored ({self._gateway.config.trace.store_ttl:g} s)"
            text = f"There is no exchange {id_[:128]!r}, or it is older than {older}."
            raise RequestFailed(ir.Fault("not_found", text, "exchange_not_found"))
        if within.tenant is not None:
            found = for_tenant(found)
        await client.answer(200, _UNSTORED, encode_shown(found))

    async def _after(self, id_: str | None, within: Wanted) -> tuple[float, str] | None:
        """Return the place in the list, (time, id), of the exchange with which the page before ended; None if
        `id_` is None. within: exchanges that do not match this filter are not found. Raises RequestFailed:
        400 if neither a worker nor the store has the exchange, 503 if no worker has it and the store cannot
        be read.
        """
        if id_ is None:
            return None
        if (own := self._gateway.observers.finished.find(id_, within)) is not None:
            return place(own)
        if (found := await self._found(_Named(id_, within))) is None:
            raise RequestFailed(_invalid("after", f"the list has no member {id_[:64]!r}, or no longer"))
        return found["created_at"], found["id"]

    async def _found(self, named: _Named) -> dict[str, Any] | None:
        """Return the trace of an exchange from this worker, or else from another worker, or else from the
        store; None = none of them has it. If several other workers have an exchange with this request id, the
        latest one is returned. Raises RequestFailed (503) if no worker has it and the store cannot be read.
        """
        if (own := self._own(named)) is not None:
            found = [own]
        else:
            asked = await self._asked(ONE, msgspec.to_builtins(named))
            found = [one for one in asked if one is not None]
        if not found and (recording := self._gateway.observers.recording) is not None:
            try:
                stored = await recording.find(named.id, named.within)
            except StoreFailed as failed:
                raise RequestFailed(_unreadable(failed)) from failed
            found = [] if stored is None else [await asyncio.to_thread(self._redaction().value, stored)]
        return max(found, key=lambda one: float(one["created_at"]), default=None)

    async def _asked(self, subject: str, value: Any) -> list[Any]:
        return await self._gateway.peers.ask(subject, value) if self._gateway.workers > 1 else []

    # What this worker keeps ---------------------------------------------------------------------------

    def _page(self, value: Any) -> list[dict[str, Any]]:
        """Return the summaries of this worker's finished exchanges that the question `value` asks for. value:
        a `_Page`, or its JSON form from another worker.
        """
        page = value if isinstance(value, _Page) else msgspec.convert(value, _Page)
        found = self._gateway.observers.finished.listed(page.wanted, page.before, page.limit)
        lines = [summary(one, self._gateway.worker) for one in found]
        told: list[dict[str, Any]] = self._redaction().value(lines)
        return told

    def _own(self, value: Any) -> dict[str, Any] | None:
        """Return the trace of a finished, or else of a running exchange of this worker; None = this worker
        has no such exchange. value: a `_Named`, or its JSON form from another worker.
        """
        named = value if isinstance(value, _Named) else msgspec.convert(value, _Named)
        gateway = self._gateway
        found = gateway.observers.finished.find(named.id, named.within)
        if found is None:
            running = [one for one in gateway.exchanges if named.id in (one.id, one.request_id)]
            found = max(filter(named.within.matches, running), key=place, default=None)
        if found is None:
            return None
        told = detail(found, gateway.worker, gateway.seams.monotonic())
        shown: dict[str, Any] = self._redaction().value(told)
        return shown

    def _redaction(self) -> Redaction:
        return Redaction(secret.reveal() for secret in secrets_in(self._gateway.config))


def _query(stated: Mapping[str, str]) -> Query:
    try:
        return msgspec.convert(dict(stated), Query, strict=False)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$.")
        name = at.rstrip("`") or what.partition("`")[2].partition("`")[0]
        raise RequestFailed(_invalid(name, what[:1].lower() + what[1:])) from None


def _both(wanted: Wanted, within: Wanted) -> Wanted:
    """Return the filter that matches what both filters match. within: the exchanges that the client may see:
    those of a tenant since a time, or all. Raises RequestFailed (400) if another tenant's are wanted.
    """
    if within.tenant is None:
        return wanted
    if wanted.tenant not in {None, within.tenant}:
        raise RequestFailed(_invalid("tenant", "this key sees only the exchanges of its own tenant"))
    bounds = [one.since for one in (wanted, within) if one.since is not None]
    return msgspec.structs.replace(wanted, tenant=within.tenant, since=max(bounds, default=None))


def _moment(name: str, stated: str | None) -> float | None:
    """Return a time in Unix seconds; None if `stated` is None. stated: Unix seconds, or a time with a time
    zone in a form that `datetime.fromisoformat` reads, as RFC 3339 has it. name: of the field, for the error.
    Raises RequestFailed (400) for any other text.
    """
    if stated is None:
        return None
    if (seconds := decimal_number(stated)) is not None:
        return seconds
    try:
        found = datetime.fromisoformat(stated)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        wanted = "Unix seconds, or a time with a time zone such as 2026-01-31T09:30:00Z"
        raise RequestFailed(_invalid(name, f"expected {wanted}"))
    return found.timestamp()


def _unreadable(failed: StoreFailed) -> ir.Fault:
    text = f"No worker keeps this exchange, and those that are stored cannot be read: {failed}."
    return ir.Fault("unavailable", text, "exchanges_unreadable", retry_after=5.0, blame="gateway")


def _invalid(name: str, why: str) -> ir.Fault:
    return ir.Fault("invalid_request", f"{name}: {why}.", "invalid_value", name)
