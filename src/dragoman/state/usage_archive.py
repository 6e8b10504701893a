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
    (Unix seconds), and if it has the value of each of the fields `key` to `end_user` that is not None. key:
    the name of the client's key. before: `created` and `id` of the last record on the previous page; only
    records after it in the list match.
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
    exchanges. input_tokens, output_tokens: as in `Sums`. money: the known cost, nano-USD. calls: the number
    of calls of providers.
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
        """Return, by value of a dimension, the amounts that each value has used in exchanges that began at
        `since` (Unix seconds) or later; "" = no value. dimension: None = all usage together, under the key
        "". Usage whose record is not stored yet is not counted.
        """

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        """Return the amounts that stored records have charged (`UsageRecord.settled`) to the counters of
        these limits, by the counter's name. Only counters whose window has not ended at `now` (Unix seconds)
        are returned. limits: names of limits. Returns {} if the store does not outlive the process.
        """

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        """Return at most `limit` of the records that match, the latest first. Their `settled` is empty; from
        a database, `process` is "" too.
        """

    async def sweep(self, now: float) -> None:
        """Delete the records and sums that are too old at the time `now` (Unix seconds). A database also adds
        up the sums of tags and end users with little usage, under `usage_sums.OTHER`.
        """
