"""The amounts that were charged to the counters of limits, in the database, so that the counters continue
after a restart.

A usage record states its charges (`UsageRecord.settled`). The transaction that stores the record adds them to
the rows of their counters (but not to counters whose windows have ended), so a record that is stored once is
charged once. At a start, one row is read for each counter whose window is running, however many records
exist. Limits on `concurrency` have no window, and nothing of them is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa

from dragoman.state.counters import read
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.schema import METADATA
from dragoman.stores.sql.usage_tables import PADDING, Adding

_BATCH: Final = 500
"""The most rows that one transaction deletes. A larger transaction would block writers."""
_READ: Final = 10_000
"""The most rows that one statement reads."""
LIMIT_COUNTERS: Final = sa.Table(
    "limit_counters",
    METADATA,
    sa.Column("counter", sa.String, primary_key=True),  # its name, see `state.counters`
    sa.Column("ends", sa.BigInteger, nullable=False),  # of its window, Unix seconds
    sa.Column("used", sa.BigInteger, nullable=False),  # in the limit's unit; money in nano-USD
    sa.Index("limit_counters_by_end", "ends"),
    **PADDING,
)
_C: Final = LIMIT_COUNTERS.c
_ADD: Final = Adding(LIMIT_COUNTERS, ["used"])


def add(connection: sa.Connection, rows: Sequence[tuple[str, int, int]]) -> None:
    """Add amounts to the rows of counters; a counter without a row gets one. rows: (name of the counter, end
    of its window in Unix seconds, amount in the limit's unit), as in `Batch.charges`. No counter comes twice.
    """
    _ADD.run(connection, rows)


async def charged(database: Database, limits: Collection[str], now: float) -> dict[str, int]:
    """Return the amounts that were charged to the counters of these limits, by the counter's name; money in
    nano-USD. Only counters whose window ends after `now` (Unix seconds) are returned. limits: the names of
    limits. Raises StoreFailed.
    """
    found: dict[str, int] = {}
    after: str | None = ""
    while after is not None:
        last = after

        def step(connection: sa.Connection, last: str = last) -> Sequence[Any]:
            wanted = sa.select(_C.counter, _C.used).where(_C.counter > last, _C.ends > now)
            return connection.execute(wanted.order_by(_C.counter).limit(_READ)).all()

        rows = await database.read(step)
        found.update((name, used) for name, used in rows if _limit_of(name) in limits)
        after = rows[-1][0] if len(rows) == _READ else None
    return found


async def remove_over(database: Database, now: float) -> None:
    """Delete the counters whose windows have ended at `now` (Unix seconds), at most `_BATCH` in one
    transaction. Raises StoreFailed.
    """
    over = sa.select(_C.counter).where(_C.ends <= now).limit(_BATCH)
    some = sa.delete(LIMIT_COUNTERS).where(_C.counter.in_(over))
    removed = _BATCH
    while removed == _BATCH:
        removed = await database.write(lambda connection: connection.execute(some).rowcount)


def _limit_of(counter: str) -> str | None:
    found = read(counter)
    return None if found is None else found.name
