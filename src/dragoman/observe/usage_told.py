"""Reports on usage, and usage records, as JSON and as CSV. Pure.

Amounts of money in Python are nano-USD (10⁻⁹ USD); in JSON and CSV they are USD as text, so that no digit is
lost. If the cost of some calls is unknown, `cost_complete` is false, and `cost_usd` is the known part of the
cost. It is null if no part is known, because an unknown cost is not 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman.state.durations import percentile
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_report import Found, Query, Report
from dragoman.state.usage_sums import COUNTS, Sums

_NANO: Final = 1_000_000_000
_CENTS: Final = 2
_SHARES: Final = {"p50": 0.5, "p95": 0.95}
_TOKENS: Final = ("input_tokens", "cached_tokens", "output_tokens")
_OF_ROWS: Final = (*COUNTS, *_TOKENS, "cost_usd", "cost_complete", "unpriced")
_OF_DURATIONS: Final = ("ttft_us_p50", "ttft_us_p95", "total_us_p50", "total_us_p95")
_OF_RECORDS: Final = (
    "id",
    "created",
    "ended",
    "client",
    "key",
    "tenant",
    "team",
    "user",
    "end_user",
    "tags",
    "face",
    "operation",
    "model",
    "deployment",
    "provider",
    "status",
    "end",
    "failed",
    "streamed",
    "first",
    "seconds",
    "overhead",
    "attempts",
    "estimated",
    "cut",
    "units",
    "cost_usd",
    "cost_complete",
)


def usd(nano: int) -> str:
    """Format an amount of nano-USD (>= 0) in USD, with at least two decimals and as many as it needs:
    `1822.40`, `0.0000125`.
    """
    whole, part = divmod(nano, _NANO)
    decimals = f"{part:09}".rstrip("0").ljust(_CENTS, "0")
    return f"{whole}.{decimals}"


def spend(known: int, *, complete: bool) -> dict[str, Any]:
    """Return the JSON fields `cost_usd` and `cost_complete` for a cost. known: the known part of the cost, in
    nano-USD. complete: True = it is all of the cost; False = another part is unknown, and then `cost_usd` is
    None if `known` is 0.
    """
    return {"cost_usd": usd(known) if known or complete else None, "cost_complete": complete}


def told(query: Query, report: Report) -> dict[str, Any]:
    """Return a report as a JSON object. query: what the report answers. Times are Unix seconds, durations are
    microseconds. `buckets` is missing if the query has no step.
    """
    by = query.by
    answer: dict[str, Any] = {
        "object": "usage",
        "from": report.begin,
        "to": report.end,
        "step": query.step,
        "group_by": list(by),
        "filters": {name: value or None for name, value in query.only.items()},
        "known_since": report.since,
        "totals": row(report.total),
        "data": [_group(by, found) for found in report.groups] if by else [],
    }
    if query.step is not None:
        answer["buckets"] = [
            {
                "t": bucket.begin,
                "complete": bucket.complete,
                "groups": [_group(by, found) for found in bucket.groups],
            }
            for bucket in report.buckets
        ]
    return answer


def _group(by: Sequence[str], found: Found) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if by:
        values = found.values or ("",) * len(by)
        named = {name: value or None for name, value in zip(by, values, strict=True)}
        named["other"] = found.values is None
    return named | row(found.sums)


def row(sums: Sums) -> dict[str, Any]:
    """Return sums as a JSON object. `ttft_us` (until the first content) and `total_us` are the percentiles
    {"p50": …, "p95": …} in microseconds, None = nothing was measured.
    """
    return {
        **{name: sums[name] for name in COUNTS},
        "input_tokens": sums.input_tokens,
        "cached_tokens": sums.cached_tokens,
        "output_tokens": sums.output_tokens,
        "units": {unit: amount for unit, amount in sorted(sums.units.items()) if amount},
        "ttft_us": _percentiles(sums.first),
        "total_us": _percentiles(sums.total),
        **spend(sums["cost"], complete=not sums["unpriced"]),
        "unpriced": sums["unpriced"],
    }


def _percentiles(counts: Mapping[int, int]) -> dict[str, int | None]:
    found = {name: percentile(counts, share) for name, share in _SHARES.items()}
    return {name: None if one is None else round(one * 1e6) for name, one in found.items()}


def report_csv(answer: Mapping[str, Any]) -> str:
    """Return a report as CSV, with the names of the columns in the first line. answer: the report as `told`
    returns it.

    Without a step there is a line for each group, or one line with the totals if the report is not grouped.
    With a step there is a line for each group of each bucket (without the totals); the first column has the
    time at which the bucket begins (Unix seconds), and the step as its name.
    """
    by, step = answer["group_by"], answer["step"]
    buckets = answer.get("buckets")
    if buckets is None:
        lines = [(None, one) for one in (answer["data"] if by else [answer["totals"]])]
    else:
        lines = [(bucket["t"], one) for bucket in buckets for one in bucket["groups"]]
    units = sorted({unit for _, one in lines for unit in one["units"]})
    titles = [*([step] if step else []), *by, *(["other"] if by else []), *_OF_ROWS, *_OF_DURATIONS, *units]
    rows = [
        [
            *([at] if step else []),
            *(one[name] for name in by),
            *([one["other"]] if by else []),
            *(one[name] for name in _OF_ROWS),
            *(one[kind][share] for kind in ("ttft_us", "total_us") for share in _SHARES),
            *(one["units"].get(unit, 0) for unit in units),
        ]
        for at, one in lines
    ]
    return _csv([titles, *rows])


def record_told(record: UsageRecord, *, for_tenant: bool = False) -> dict[str, Any]:
    """Return a usage record as a JSON object. Times are Unix seconds, durations are seconds (in reports they
    are microseconds). cost_complete: false = the cost is not fully known; then cost_usd is the known part of
    it, or null if no part is known. The same holds for each of `lines`, which are the attempts.

    for_tenant: True = an administrator of the record's tenant reads it: `key` of a line is "" unless the
    tenant or its client has brought the key, because the others are the gateway's own.
    """
    found: dict[str, Any] = {
        name: getattr(record, name) for name in _OF_RECORDS if name not in {"cost_usd", "cost_complete"}
    }
    found["tags"] = list(record.tags)
    found |= _spent(record)
    found["lines"] = [
        {
            **{name: getattr(line, name) for name in ("deployment", "provider", "units", "outcome", "own")},
            "key": line.key if line.own or not for_tenant else "",
            "estimated": line.estimated,
            "price": line.price,
            **_spent(line),
        }
        for line in record.lines
    ]
    return found


def _spent(one: UsageRecord | UsageLine) -> dict[str, Any]:
    known = (one.priced or 0) if one.cost is None else one.cost
    return spend(known, complete=one.cost is not None)


def records_csv(records: Iterable[UsageRecord], *, titles: bool) -> str:
    """Return usage records as lines of CSV, in the fields of `record_told` except `lines`. titles: True = a
    line with the names of the columns comes first. Objects and lists are written as JSON.
    """
    rows = [list(_record_row(record)) for record in records]
    return _csv([[*_OF_RECORDS], *rows] if titles else rows)


def _record_row(record: UsageRecord) -> Iterator[Any]:
    found = record_told(record)
    for name in _OF_RECORDS:
        value = found[name]
        yield msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    """Write rows as CSV (RFC 4180). None is empty; true and false are written as in JSON."""
    out = io.StringIO()
    writer = csv.writer(out)
    for one in rows:
        writer.writerow(map(_csv_value, one))
    return out.getvalue()


def _csv_value(value: Any) -> Any:
    """Return a value as the CSV writer gets it: true and false as texts. Clients choose some texts (tags, for
    example), and spreadsheets execute a text that begins like a formula, so such a text gets an apostrophe in
    front.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
"""The last four are the full-width forms of the first four. Spreadsheets read them in the same way."""
