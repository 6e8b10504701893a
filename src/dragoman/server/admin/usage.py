"""The endpoints for usage: /admin/usage (reports), /admin/usage/records (single usage records), and /v1/usage
(a report on the usage of the client's own key).

A process may answer the same query within a second with the report that it has made before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.observe.usage_told import record_told, records_csv, report_csv, told
from dragoman.server.admin import reading
from dragoman.server.admin.operation import Operation
from dragoman.server.admin.registry import Registry
from dragoman.server.admin.tags import etag, unchanged
from dragoman.server.admin.within_tenant import admits
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.numbers import decimal_number
from dragoman.state.periods import Step, start_of
from dragoman.state.store import StoreFailed
from dragoman.state.usage_archive import UsageArchive, UsageSearch
from dragoman.state.usage_report import MOST_GROUPS, Query, Rank, problem
from dragoman.state.usage_sums import DIMENSIONS, Dimension, text
from dragoman.wire.json import encode

_FRESH: Final = 1.0
"""Seconds for which a report is sent again for the same query."""
_MOST: Final = 64
"""The most reports that are stored for repeated queries."""
_PAGE: Final = 500
"""How many records an export reads at once."""
_CSV: Final = (b"content-type", b"text/csv; charset=utf-8; header=present")
_UNSTORED: Final = (b"cache-control", b"no-store")
_LATEST: Final = 1e11
"""The latest time of a report, in Unix seconds: the year 5138."""
_DATE: Final = len("2026-01-31")

Format = Literal["json", "csv"]


class _Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields that the queries of reports and of records share. from, to: the span, without the moment
    `to` itself: Unix seconds, a date (its beginning in UTC), or a time of RFC 3339; `to` is by default now.
    Fractions are rounded to whole seconds: those of `from` down, those of `to` up. key, tenant, …: only usage
    with this value; "" = only usage without a value; None = all usage. format: `csv` or `json`; None = as the
    header Accept says.
    """

    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    key: str | None = None
    tenant: str | None = None
    model: str | None = None
    provider: str | None = None
    end_user: str | None = None
    format: Format | None = None


class ReportQuery(_Chosen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The query of a report. from: by default the beginning of today (UTC). step: the length of the buckets,
    None = no buckets. group_by: one or two dimensions, separated by a comma; None = no groups. top: how many
    groups are shown separately; the others are added up. rank: the sum by which groups are sorted, the
    largest first. team, user, …, tag: only usage with this value; "" = only usage without a value; None = all
    usage.
    """

    step: Step | None = None
    group_by: str | None = None
    top: Annotated[int, msgspec.Meta(ge=1, le=MOST_GROUPS)] = 10
    rank: Rank = "requests"
    team: str | None = None
    user: str | None = None
    deployment: str | None = None
    face: str | None = None
    operation: str | None = None
    outcome: str | None = None
    tag: str | None = None


class RecordsQuery(_Chosen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The query of a list of records, the latest first. from: by default the first record. limit:
    from 1 to 1000; for JSON, the most records of a page (None = 100); for CSV, the most records in
    all (None = no limit, so more than 1000 records can be had only without a limit). after: the
    cursor (`next`) of the page before, None = the first page.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    after: str | None = None


OPERATIONS: Final = (
    Operation(
        "GET",
        "/admin/usage",
        "report_usage",
        "What was used, by one or two dimensions and by hour, day or month; JSON or CSV.",
        query=ReportQuery,
        for_tenants=True,
    ),
    Operation(
        "GET",
        "/admin/usage/records",
        "list_usage_records",
        "The usage records, the latest first; JSON in pages, or all as CSV.",
        query=RecordsQuery,
        for_tenants=True,
    ),
)


class _Kept(msgspec.Struct, frozen=True):
    """A report that was sent. until: the time until which it may be sent again, in monotonic seconds."""

    until: float
    body: bytes
    etag: str


class UsageApi:
    """The endpoints for usage at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._registry = Registry(gateway)
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()

    def endpoints(self) -> Iterator[Endpoint]:
        report, records = Handler(self.report, for_tenants=True), Handler(self.records, for_tenants=True)
        yield Endpoint("/admin/usage", DEFAULT, {"GET": report}, scope="admin")
        yield Endpoint("/admin/usage/records", DEFAULT, {"GET": records}, scope="admin")
        yield Endpoint("/v1/usage", DEFAULT, {"GET": Handler(self.own)})

    async def report(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a report on the usage of all clients, or on the part of it that the query selects; to a key
        that belongs to a tenant, on that of its tenant. Raises RequestFailed: 400 for a wrong query, also if
        such a key asks for another tenant; 503 if the store fails, or if the gateway keeps no usage.
        """
        tenant = request.caller.tenant
        if not admits(request.caller, request.query.get("tenant", tenant)):
            raise RequestFailed(_OTHER_TENANT)
        within: Mapping[Dimension, str] = {} if tenant is None else {"tenant": tenant}
        await self._report(request, client, within, self._registry.usage_since(tenant))

    async def own(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a report on the usage of the client's own key. Raises RequestFailed: 400 for a wrong query,
        also for one with the field `key`; 503 if the store fails, or if the gateway keeps no usage.
        """
        if "key" in request.query:
            raise RequestFailed(_invalid("key", "this report is on the key that asks for it"))
        await self._report(request, client, {"key": request.caller.name})

    async def _report(
        self,
        request: HttpRequest,
        client: HttpClient,
        within: Mapping[Dimension, str],
        not_before: float = 0.0,
    ) -> None:
        asked: ReportQuery = reading.query(request.query, ReportQuery)
        form = _format(asked.format, request.headers)
        now = self._gateway.seams.monotonic()
        key = (*within.items(), not_before, form, *sorted(request.query.items()))
        kept = self._kept.get(key)
        if kept is None or kept.until <= now:
            kept = await self._made(asked, form, within, not_before)
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        headers = [
            (b"cache-control", b"private, max-age=1"),
            (b"vary", b"accept"),
            (b"etag", kept.etag.encode()),
        ]
        if unchanged(request.headers, kept.etag):
            await client.empty(304, headers)
        else:
            await client.answer(200, [*([_CSV] if form == "csv" else []), *headers], kept.body)

    async def _made(
        self, asked: ReportQuery, form: Format, within: Mapping[Dimension, str], not_before: float
    ) -> _Kept:
        query = self._query(asked, within, not_before)
        try:
            report = await self._store().report(query, self._gateway.seams.now())
        except StoreFailed as failed:
            raise RequestFailed(_unreadable(failed)) from failed
        answer = told(query, report)
        body = report_csv(answer).encode() if form == "csv" else encode(answer)
        # A cache must not take one form for the other, so each has its own ETag.
        return _Kept(self._gateway.seams.monotonic() + _FRESH, body, etag([form, answer]))

    def _query(self, asked: ReportQuery, within: Mapping[Dimension, str], not_before: float) -> Query:
        """Return the query for the store. within: only usage with these values is reported, for example
        {"key": "ann"}, whatever `asked` states for them; {} = all usage. not_before: usage before this time
        (Unix seconds) is not counted. Raises RequestFailed (400) for a query that cannot be answered.
        """
        begin, end = self._span(asked)
        only: dict[Dimension, str] = {
            name: value for name in DIMENSIONS if (value := getattr(asked, name)) is not None
        }
        only = {name: text(value) for name, value in (only | dict(within)).items()}
        by = _dimensions(asked.group_by)
        query = Query(
            begin=begin,
            end=end,
            not_before=not_before,
            step=asked.step,
            by=by,
            only=only,
            top=asked.top,
            rank=asked.rank,
        )
        if begin >= end:
            raise RequestFailed(_backwards(asked))
        if (found := problem(query)) is not None:
            raise RequestFailed(_invalid(*found))
        return query

    def _span(self, asked: _Chosen) -> tuple[int, int]:
        now = self._gateway.seams.now()
        begin = start_of("day", now) if asked.from_ is None else moment("from", asked.from_)
        end = now if asked.to is None else moment("to", asked.to)
        return int(begin), int(-(-end // 1))

    async def records(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send a page of records as JSON, or records as CSV, the latest first; to a key that belongs to a
        tenant, those of its tenant, without the ids of the gateway's own provider keys. Raises RequestFailed:
        400 for a wrong query, also if such a key asks for another tenant; 503 if the store fails, or if the
        gateway keeps no usage.
        """
        asked: RecordsQuery = reading.query(request.query, RecordsQuery)
        if not admits(request.caller, request.query.get("tenant", request.caller.tenant)):
            raise RequestFailed(_OTHER_TENANT)
        begin, end = self._span(asked)
        if asked.from_ is not None and begin >= end:
            raise RequestFailed(_backwards(asked))
        search = UsageSearch(
            begin=max(
                0.0 if asked.from_ is None else begin, self._registry.usage_since(request.caller.tenant)
            ),
            end=end,
            key=asked.key,
            tenant=request.caller.tenant or asked.tenant,
            model=asked.model,
            provider=asked.provider,
            end_user=asked.end_user,
            before=_place(asked.after),
        )
        if _format(asked.format, request.headers) == "csv":
            await self._export(search, asked.limit, client)
            return
        limit = asked.limit or 100
        found = await self._read(search, limit + 1)
        page, more = found[:limit], len(found) > limit
        answer = {
            "object": "list",
            "data": [record_told(one, for_tenant=request.caller.tenant is not None) for one in page],
            "has_more": more,
            "next": f"{page[-1].created!r},{page[-1].id}" if more else None,
        }
        await client.answer(200, (_UNSTORED,), encode(answer))

    async def _export(self, search: UsageSearch, limit: int | None, client: HttpClient) -> None:
        """Send records as CSV, in pieces, the latest first. limit: the most records, None = all. Raises
        RequestFailed (503) if the store fails, or if the gateway keeps no usage. If the store fails after the
        answer has begun, the answer stays incomplete.
        """
        left, first = limit, True
        while left is None or left > 0:
            wanted = _PAGE if left is None else min(_PAGE, left)
            found = await self._read(search, wanted)
            text = records_csv(found, titles=first).encode()
            if first:
                await client.begin(200, (_CSV, _UNSTORED))
                first = False
            if text:
                await client.write(text)
            if len(found) < wanted:
                break
            left = None if left is None else left - len(found)
            search = msgspec.structs.replace(search, before=(found[-1].created, found[-1].id))
        await client.end()

    async def _read(self, search: UsageSearch, limit: int) -> list[Any]:
        try:
            return await self._store().records(search, limit)
        except StoreFailed as failed:
            raise RequestFailed(_unreadable(failed)) from failed

    def _store(self) -> UsageArchive:
        store = self._gateway.usage
        if store is None:
            raise RequestFailed(_unreadable(StoreFailed("the gateway keeps no usage")))
        return store


def moment(name: str, stated: str) -> float:
    """Return a time in Unix seconds. stated: Unix seconds from 0 up to, but without, `_LATEST`; a date, which
    means the beginning of that day in UTC; or a time with a time zone, as RFC 3339 or another form of ISO
    8601 that Python reads. A date or time outside the span from 0 to `_LATEST` gives the nearest end of this
    span. name: of the field, for the error. Raises RequestFailed (400) for any other text.
    """
    if (found := decimal_number(stated)) is not None and 0 <= found < _LATEST:
        return found
    try:
        if len(stated) == _DATE:
            day = date.fromisoformat(stated)
            return _bounded(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        if (read := datetime.fromisoformat(stated)).tzinfo is not None:
            return _bounded(read.timestamp())
    except ValueError:
        pass
    wanted = (
        "Unix seconds, a date such as 2026-01-31, or a time with a time zone such as 2026-01-31T09:30:00Z"
    )
    raise RequestFailed(_invalid(name, f"expected {wanted}"))


def _bounded(seconds: float) -> float:
    """Return a time (Unix seconds), limited to the span from 0 to `_LATEST`."""
    return min(max(seconds, 0.0), _LATEST)


def _dimensions(stated: str | None) -> tuple[Dimension, ...]:
    names = [] if not stated else stated.split(",")
    if unknown := [name for name in names if name not in DIMENSIONS]:
        raise RequestFailed(
            _invalid("group_by", f"{unknown[0][:40]!r} is not one of {', '.join(DIMENSIONS)}")
        )
    return msgspec.convert(names, tuple[Dimension, ...])


def _format(stated: Format | None, headers: Mapping[str, str]) -> Format:
    if stated is not None:
        return stated
    first = headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return "csv" if first == "text/csv" else "json"


def _place(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    stated, comma, id_ = cursor.partition(",")
    created = decimal_number(stated)
    if not comma or created is None:
        raise RequestFailed(_invalid("after", "is not the cursor `next` of a page"))
    return created, id_


def _unreadable(failed: StoreFailed) -> ir.Fault:
    text = f"Usage cannot be read: {failed}."
    return ir.Fault("unavailable", text, "usage_unreadable", retry_after=5.0, blame="gateway")


def _backwards(asked: _Chosen) -> ir.Fault:
    """Return the fault for a span that ends before it begins. It blames a field that the query states."""
    if asked.to is None:
        return _invalid("from", "is in the future")
    default = ", which is the beginning of today" if asked.from_ is None else ""
    return _invalid("to", f"is not later than `from`{default}")


def _invalid(name: str, why: str) -> ir.Fault:
    return ir.Fault("invalid_request", f"{name}: {why}.", "invalid_value", name)


_OTHER_TENANT: Final = _invalid("tenant", "this key reads only the usage of its own tenant")
