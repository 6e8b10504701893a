"""The interface of the store that keeps usage records and answers questions about them: for reports, limits
and lists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec

from dragoman.state.usage import UsageRecord, UsageStore
from dragoman.state.usage_report import Query, Report
from dragoman.state.usage_sums import Dimension, Sums


class UsageSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A filter for usage records. A record matches if its exchange began at `begin` or later and before `end`
    (Unix seconds), and if it has the value of each of the fields `key` to `end_user` that is not None; "" =
    records without a value. key: the name of the client's key. provider: the one that was called last.
    before: `created` and `id` of the last record on the previous page of a list, which has the latest records
    first; only earlier records match, and of those with the same `created` only those with a smaller id.
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
    """What one key, tenant or other value of a dimension has used since a time. requests: the number of
    exchanges. input_tokens: all input tokens, those read from or written to caches included. output_tokens:
    all output tokens, those of reasoning included. money: the known cost, nano-USD. calls: the number of
    calls of providers.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    money: int
    calls: int = 0


def spent_of(sums: Sums) -> Spent:
    """Return the amounts in these sums that limits count."""
    return Spent(sums["requests"], sums.input_tokens, sums.output_tokens, sums["cost"], sums["calls"])


class UsageArchive(UsageStore, Protocol):
    """Stores usage records and their sums. Each method raises StoreFailed if the database fails."""

    async def report(self, query: Query, now: float) -> Report:
        """Return the report for a query. The query must be one for which `usage_report.problem` returns None.
        now: Unix seconds.
        """

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        """Return {value of the dimension: amounts} of the exchanges that began at `since` (Unix seconds) or
        later; the key "" has the usage without a value. dimension: None = all usage together, under the key
        "". A value without usage is missing. Usage whose record is not stored yet is not counted. If `since`
        lies inside an hour (for end users in a database: inside a day), the rest of this hour or day is
        counted from the single records that are still stored.
        """

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        """Return {name of the counter: amount}: what stored records have charged (`UsageRecord.settled`) to
        the counters of these limits, in the limits' own units (nano-USD for money). Only counters whose
        window has not ended at `now` (Unix seconds) are returned. limits: names of limits. Returns {} if the
        store does not outlive the process.
        """

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        """Return at most `limit` of the records that match, the latest (by `created`) first. Their `settled`
        is empty; from a database, `process` is "" too.
        """

    async def sweep(self, now: float) -> None:
        """Delete the records, sums and counters of limits that are too old at the time `now` (Unix seconds),
        and add up the sums of tags and end users with little usage, under `usage_sums.OTHER`. A store in
        memory does nothing.
        """
