"""The interface of what keeps usage records and answers questions about them: reports, limits, lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec

from dragoman.state.usage import UsageRecord, UsageStore
from dragoman.state.usage_report import Query, Report
from dragoman.state.usage_sums import Dimension, Sums


class UsageSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted: of exchanges that began from `begin` to `end` (not included), Unix seconds,
    which match all other fields that are not None. before: the last record (`created`, `id`) of the page
    before; the wanted ones come after it in the list.
    """

    begin: float = 0.0
    end: float = 1e11
    key: str | None = None
    tenant: str | None = None
    model: str | None = None
    provider: str | None = None
    end_user: str | None = None
    before: tuple[float, str] | None = None


class Spent(NamedTuple):
    """What one subject has used since a time. money: the known cost, nano-USD. calls: of providers."""

    requests: int
    input_tokens: int
    output_tokens: int
    money: int
    calls: int = 0


def spent_of(sums: Sums) -> Spent:
    """What these sums are for a limit."""
    return Spent(sums["requests"], sums.input_tokens, sums.output_tokens, sums["cost"], sums["calls"])


class UsageArchive(UsageStore, Protocol):
    """Keeps usage records and their sums. Each method raises StoreFailed if the database fails."""

    async def report(self, query: Query, now: float) -> Report:
        """Answer a query without a `problem` (`state.usage_report`). now: Unix seconds."""

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """What each value of a dimension has used in exchanges that began at `since` (Unix seconds) or later;
        None = all together, as the value "". Records that are not stored yet are not counted.
        """

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        """What records have charged (`UsageRecord.settled`) to the counters of these limits (their names)
        whose windows run at `now` (Unix seconds), by the counter's name. Empty if nothing outlives a process.
        """

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        """At most `limit` of the wanted records, the latest first, without `settled`."""

    async def sweep(self, now: float) -> None:
        """Delete what is too old at the time `now`."""
