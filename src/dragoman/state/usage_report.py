"""Reports on usage: the query, the check of a query, the report, and the function that makes the report from
sums. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.state.periods import HOUR, Step, buckets, end_of, rounded_up, start_of
from dragoman.state.usage_sums import OPEN, Dimension, Sums

Rank: TypeAlias = Literal["requests", "cost", "tokens", "failed"]
MOST_BUCKETS: Final = 1000
MOST_GROUPS: Final = 1000
"""The most groups of one report; the group of all others is not counted."""
MOST_ROWS: Final = 50_000
"""The most buckets times groups of one report."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query for usage: of the exchanges that began at `begin` or later and before `end`, in Unix seconds.
    The store rounds both outwards to the periods that it has sums for (see `widened`). not_before: no usage
    before this time (Unix seconds) is counted; a period that begins earlier is left out completely. step:
    the length of the buckets, None = no buckets. by: the dimensions to group by, at most two; () = everything
    is one group. only: {dimension: value}; only usage with these values is counted, "" = usage without a
    value. top: how many groups are shown separately, the same ones in all buckets; the others are added up.
    rank: the sum of the whole span by which groups are chosen and sorted, the largest first; "tokens" are
    input and output together, but a database chooses by the units in `usage_sums.COMMON` alone.
    """

    begin: int
    end: int
    not_before: float = 0.0
    step: Step | None = None
    by: tuple[Dimension, ...] = ()
    only: Mapping[Dimension, str] = {}
    top: int = 10
    rank: Rank = "requests"

    @property
    def dimensions(self) -> frozenset[Dimension]:
        """All dimensions in `by` and `only`."""
        return frozenset([*self.by, *self.only])


class Found(NamedTuple):
    """One group of a report. values: the group's value in each dimension of `Query.by`, in the same order; ""
    = no value. None instead of a tuple = all groups that are not shown separately.
    """

    values: tuple[str, ...] | None
    sums: Sums


class Bucket(NamedTuple):
    """One bucket of a report, from `begin` to `end` (not included), in Unix seconds. The first and the last
    bucket may reach beyond the report's span; their sums have only the usage inside the span. complete: True
    = the bucket is over and lies completely inside the span, so usage is added to it only if records come
    late. groups: those with usage in this bucket, in the order of `Report.groups`.
    """

    begin: int
    end: int
    complete: bool
    groups: list[Found]


class Report(NamedTuple):
    """The answer to a query. begin, end: the span that the report covers, in Unix seconds. groups: the groups
    of the complete span, the largest first; the added-up others come last. Groups without usage are missing.
    total: the sums of the complete span. If usage is grouped by tags, the sum of the groups may be larger,
    because a request may have several tags. buckets: all buckets of the span, also those without usage; [] if
    the query has no `step` or the span is empty. since: usage before this time (Unix seconds) is not known,
    or not completely; None = no stored usage was deleted.
    """

    begin: int
    end: int
    groups: list[Found]
    total: Sums
    buckets: list[Bucket]
    since: float | None = None


class Cell(NamedTuple):
    """The sums of one group in one bucket. bucket: the start of the bucket, in Unix seconds. values: the
    group's value in each dimension of `Query.by`, "" = no value; None instead of a tuple = all groups that
    are not shown separately.
    """

    bucket: int
    values: tuple[str, ...] | None
    sums: Sums


def problem(query: Query) -> tuple[str, str] | None:
    """Return the first reason why a query cannot be answered, as (name of the parameter of the HTTP API that
    must change, reason in words); None = it can be answered.
    """
    if query.begin >= query.end:
        return "to", "is not later than `from`"
    if len(query.by) > 2 or len(set(query.by)) != len(query.by):
        return "group_by", "names two different dimensions at most"
    if not 1 <= query.top <= MOST_GROUPS:
        return "top", f"is from 1 to {MOST_GROUPS}"
    chosen = [one for one in OPEN if one in query.dimensions]
    if chosen and len(query.dimensions) > 1:
        field = "group_by" if chosen[0] in query.by else chosen[0]
        return field, f"`{chosen[0]}` cannot be combined with another dimension; the records can be exported"
    if query.step == "hour" and "end_user" in query.dimensions:
        return "step", "the usage of end users is summed up by day; choose day or month"
    if query.step is not None:
        count = 0
        for count, _ in enumerate(buckets(query.begin, query.end, query.step), 1):
            if count > MOST_BUCKETS:
                return "step", f"there would be more than {MOST_BUCKETS} buckets; choose a longer one"
        if query.by and count * query.top > MOST_ROWS:
            return "top", f"{count} buckets of {query.top} groups are more than {MOST_ROWS} lines"
    return None


class Known(NamedTuple):
    """The times since which the sums of hours, days and months are stored, in Unix seconds; None = none of
    them were deleted.
    """

    hours: int | None = None
    days: int | None = None
    months: int | None = None

    def since(self, step: Step | None) -> int | None:
        """Return the time (Unix seconds) since which a report with buckets of this length is complete; None =
        it is always complete. step: None = no buckets; such a report can be made of months.
        """
        if step == "hour":
            return self.hours
        return self.days if step == "day" else self.months


EVER: Final = Known()


def widened(query: Query, known: Known = EVER) -> Query:
    """Return a copy of the query with its span rounded outwards: to whole hours; to whole days where the sums
    of hours are deleted; to whole months where the sums of days are deleted. But a period that begins before
    `not_before` is left out, so the span may become empty (`begin` equals `end`). known: since when sums are
    stored; the default means that none were deleted.
    """
    begin, end = start_of("hour", query.begin), start_of("hour", query.end + HOUR - 1)
    earliest = rounded_up("hour", query.not_before)
    steps: tuple[tuple[Step, int | None], ...] = ("day", known.hours), ("month", known.days)
    for step, since in steps:
        if since is not None:
            begin = start_of(step, begin) if begin < since else begin
            end = rounded_up(step, end) if end < since else end
            earliest = rounded_up(step, earliest) if earliest < since else earliest
    begin = max(begin, earliest)
    return msgspec.structs.replace(query, begin=begin, end=max(begin, end))


RANKED: Final[Mapping[Rank, Callable[[Sums], int]]] = {
    "requests": lambda sums: sums["requests"],
    "cost": lambda sums: sums["cost"],
    "tokens": lambda sums: sums.input_tokens + sums.output_tokens,
    "failed": lambda sums: sums["failed"],
}


def best(amounts: Mapping[tuple[str, ...], int], top: int) -> list[tuple[str, ...]]:
    """Return the `top` groups with the largest amounts (all groups if there are fewer), the largest first.
    Groups with the same amount are sorted by their values. amounts: {values of the group: amount}.
    """
    return sorted(amounts, key=lambda values: (-amounts[values], values))[:top]


def made(query: Query, cells: Iterable[Cell], total: Sums | None, now: float) -> Report:
    """Return the report made of these cells; its `since` is None. query: a query whose span was already
    rounded (`widened`). cells: a group and bucket may have several; the `sums` of cells may be changed.
    total: the sums of the complete span; None = add up all cells. now: Unix seconds; it decides which buckets
    are over.
    """
    groups: dict[tuple[str, ...] | None, Sums] = {}
    by_bucket: dict[int, dict[tuple[str, ...] | None, Sums]] = {}
    whole = Sums()
    for cell in cells:
        if cell.values not in groups:
            groups[cell.values] = Sums()
        groups[cell.values].add(cell.sums)
        here = by_bucket.setdefault(cell.bucket, {})
        if cell.values in here:
            here[cell.values].add(cell.sums)
        else:
            here[cell.values] = cell.sums
    for sums in groups.values():
        whole.add(sums)
    rank = RANKED[query.rank]
    order = sorted(groups, key=lambda values: (values is None, -rank(groups[values]), values or ()))
    found = []
    for begin, end in _spans(query):
        here = by_bucket.get(begin, {})
        complete = begin >= query.begin and end <= min(query.end, now)
        rows = [Found(values, here[values]) for values in order if values in here]
        found.append(Bucket(begin, end, complete, rows))
    rows = [Found(values, groups[values]) for values in order]
    return Report(query.begin, query.end, rows, whole if total is None else total, found)


def _spans(query: Query) -> list[tuple[int, int]]:
    """Return (begin, end) of each bucket of a query; [] = it has no buckets, or its span is empty."""
    step = query.step
    if step is None or query.begin >= query.end:
        return []
    return [(begin, end_of(step, begin)) for begin in buckets(query.begin, query.end, step)]
