"""Usage in memory, since the process began; implements `state.usage_archive.UsageArchive`.

The latest records are stored one by one. Sums are stored for each hour and each combination of values that
occurred in it. If there are too many sums, those of the oldest hour are dropped (but never those of the only
hour). Each report states the time since which usage is known.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from dragoman.state.periods import HOUR, start_of
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import Spent, UsageSearch, spent_of
from dragoman.state.usage_report import RANKED, Cell, Query, Report, best, made, widened
from dragoman.state.usage_sums import Dimension, Group, Sums, parts_of, tags_of, text

_MOST: Final = 20_000
"""The most sums in memory if they are of more than one hour; they take about 40 MB."""
_RECORDS: Final = 10_000
"""The most records that are stored one by one; the latest ones."""


class _Key(NamedTuple):
    """The combination of values that sums are stored for. group: the values in the dimensions that can be
    combined. tags: all tags of the request together. end_user: "" = none.
    """

    group: Group
    tags: tuple[str, ...]
    end_user: str

    def values(self, dimension: Dimension) -> tuple[str, ...]:
        """Return the values of a dimension: for `tag` all tags, else one value; "" = no value."""
        if dimension == "tag":
            return self.tags or ("",)
        if dimension == "end_user":
            return (self.end_user,)
        return (getattr(self.group, dimension),)


class MemoryUsage:
    """Stores usage in memory. now: returns Unix seconds. most: the most sums, if they are of more than one
    hour. records: how many of the latest records are stored one by one. A record that comes again is not
    counted again if its id is among the latest 2 × `records` ids.
    """

    def __init__(self, now: Callable[[], float], most: int = _MOST, records: int = _RECORDS) -> None:
        self._since = now()
        self._most = most
        self._hours: dict[int, dict[_Key, Sums]] = {}
        self._count = 0
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._latest: deque[UsageRecord] = deque(maxlen=records)

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        new = 0
        for record in records:
            if record.id in self._ids:
                continue
            new += 1
            self._ids[record.id] = None
            self._latest.append(msgspec.structs.replace(record, settled=()))
            self._add(record)
        while len(self._ids) > 2 * (self._latest.maxlen or 1):
            self._ids.popitem(last=False)
        return new

    def _add(self, record: UsageRecord) -> None:
        hour = self._hours.setdefault(start_of("hour", record.created), {})
        for group, sums in parts_of(record):
            key = _Key(group, tuple(tags_of(record)), text(record.end_user))
            if key not in hour:
                hour[key] = Sums()
                self._count += 1
            hour[key].add(sums)
        while self._count > self._most and len(self._hours) > 1:
            oldest = min(self._hours)
            self._count -= len(self._hours.pop(oldest))
            self._since = max(self._since, oldest + HOUR)

    async def report(self, query: Query, now: float) -> Report:
        query = widened(query)
        chosen = [
            (hour, key, sums)
            for hour, kept in self._hours.items()
            if query.begin <= hour < query.end
            for key, sums in kept.items()
            if all(value in key.values(name) for name, value in query.only.items())
        ]
        return await asyncio.to_thread(_report, query, chosen, self._since, now)

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        found: dict[str, Sums] = {}
        for key, sums in self._of(since):
            for value in ("",) if dimension is None else key.values(dimension):
                found.setdefault(value, Sums()).add(sums)
        return {value: spent_of(sums) for value, sums in found.items()}

    def _of(self, since: float) -> Iterator[tuple[_Key, Sums]]:
        """Yield the sums of exchanges that began at `since` (Unix seconds) or later, with their keys. For the
        rest of an hour, only records that are still stored one by one count. A key may come several times;
        then its sums have to be added up.
        """
        for hour, kept in self._hours.items():
            if hour >= since:
                yield from kept.items()
        for record in self._latest:
            if record.created >= since > start_of("hour", record.created):
                for group, sums in parts_of(record):
                    yield _Key(group, tuple(tags_of(record)), text(record.end_user)), sums

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        """Return {}: the counters of limits are in the memory of the same process, and end with it."""
        return {}

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        found = [record for record in self._latest if _matches(record, search)]
        return sorted(found, key=lambda record: (record.created, record.id), reverse=True)[:limit]

    async def sweep(self, now: float) -> None:
        """Do nothing: nothing expires, and `keep` itself drops the records and sums that are too many."""


def _report(query: Query, chosen: Sequence[tuple[int, _Key, Sums]], since: float, now: float) -> Report:
    cells: dict[tuple[int, tuple[str, ...]], Sums] = {}
    amounts: dict[tuple[str, ...], int] = {}
    total, rank = Sums(), RANKED[query.rank]
    for hour, key, sums in chosen:
        bucket = query.begin if query.step is None else start_of(query.step, hour)
        total.add(sums)
        for values in _combined(key, query):
            cells.setdefault((bucket, values), Sums()).add(sums)
            amounts[values] = amounts.get(values, 0) + rank(sums)
    top = set(best(amounts, query.top))
    found = [
        Cell(bucket, values if values in top else None, sums) for (bucket, values), sums in cells.items()
    ]
    return made(query, found, total, now)._replace(since=since)


def _combined(key: _Key, query: Query) -> Iterator[tuple[str, ...]]:
    """Yield the groups of a report to which sums with this key belong, as the values of `Query.by`: () if the
    query does not group. Several groups are possible only for the dimension `tag`.
    """
    values = [key.values(name) for name in query.by]
    if not values:
        yield ()
    elif len(values) == 1:
        name = query.by[0]
        for value in values[0]:
            if query.only.get(name, value) == value:
                yield (value,)
    else:
        yield (values[0][0], values[1][0])


def _matches(record: UsageRecord, search: UsageSearch) -> bool:
    if not search.begin <= record.created < search.end:
        return False
    if search.before is not None and (record.created, record.id) >= search.before:
        return False
    wanted = (
        (search.key, record.client),
        (search.tenant, record.tenant),
        (search.model, record.model),
        (search.provider, record.provider),
    )
    if search.end_user is not None and (record.end_user or "") != search.end_user:
        return False
    return all(value is None or text(stated) == text(value) for value, stated in wanted)
