"""Finished exchanges in a database; implements `state.exchanges.Exchanges`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from dragoman.seams.clock import Seams
from dragoman.state.exchanges import ALL, Search, StoredExchange
from dragoman.state.usage_sums import text
from dragoman.stores.address import Location
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.room import Kind, Room
from dragoman.stores.sql.rows import ID, entry_size
from dragoman.stores.sql.schema import EXCHANGES
from dragoman.stores.sql.texts import begins, contains, whole

_E = EXCHANGES.c
_KEEP = upsert(EXCHANGES).on_conflict_do_nothing()
_FIND = (
    sa.select(_E.trace)
    .where(sa.or_(_E.id == ID, _E.request_id == ID))
    .order_by(sa.case((_E.id == ID, 0), else_=1), _E.created.desc())
    .limit(1)
)
"""SELECT: the trace of the exchange with this id; if there is none, of the latest exchange with this request
id. The id comes first because clients choose request ids, and may send the id of another exchange.
"""
_KIND = Kind(_E.id, _E.owner, _E.created, _E.size)
_PORTION: Final = 8
"""Exchanges for which room is made together take at most 1/8 of the store. A single exchange that is larger
is not stored.
"""
_BATCH: Final = 500
"""The most expired rows that a sweep removes in one transaction. A larger transaction would block writers."""
_FAILED: Final = 400
"""The index of statuses contains only statuses from this one upwards."""


_LONGEST: Final = 500
"""The most characters that the columns `request_id`, `owner`, `model` and `error` have, which have indexes.
Clients choose texts of any length, and an index entry in PostgreSQL has at most 2,704 bytes.
"""


class SqlExchanges:
    """Stores finished exchanges in one database. size: the most bytes of all exchanges together; a single
    exchange with more than an eighth of them is not stored. ttl: seconds from the beginning of an exchange
    after which the next sweep deletes it.
    """

    def __init__(self, database: Database, size: int, ttl: float) -> None:
        self._database = database
        self._room = Room([_KIND], size)
        self._portion = size // _PORTION
        self._ttl = ttl

    @classmethod
    async def open(cls, where: Location, size: int, ttl: float, seams: Seams) -> SqlExchanges:
        """Open a database, and sweep it: delete exchanges that are too old or too many. A missing SQLite file
        and missing tables are created (`opening.opened`). where: the place of the database. size, ttl: as for
        the class. seams: gives the clock. Raises StoreFailed; its subclass SchemaRefused if this version
        cannot use the database's schema.
        """
        database = await opened(where, "exchanges")
        try:
            exchanges = cls(database, size, ttl)
            await exchanges.sweep(seams.now())
        except BaseException:
            await database.close()
            raise
        else:
            return exchanges

    async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
        rows = [row for one in exchanges if (row := _row(one))["size"] <= self._portion]

        def keep(connection: sa.Connection) -> None:
            for some in _portions(rows, self._portion):
                shares: Counter[str] = Counter()
                for row in some:
                    shares[row["owner"]] += row["size"]
                for owner, more in shares.items():
                    self._room.make(connection, owner, more)
                connection.execute(_KEEP, some)

        if rows:
            await self._database.write(keep, sum(row["size"] for row in rows))
        return len(rows)

    async def find(self, id_: str, within: Search = ALL) -> bytes | None:
        wanted = _FIND.where(*_conditions(within))

        def find(connection: sa.Connection) -> bytes | None:
            found = connection.execute(wanted, {"id_": _indexed(id_)}).scalar()
            return None if found is None else bytes(found)

        return await self._database.read(find)

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        latest = _E.created.desc(), _E.id.desc()
        wanted = sa.select(_E.line).where(*_conditions(search)).order_by(*latest).limit(limit)
        return await self._database.read(
            lambda connection: [bytes(line) for line in connection.execute(wanted).scalars()]
        )

    async def sweep(self, now: float) -> None:
        oldest = sa.select(_E.id).where(_E.created <= now - self._ttl).order_by(_E.created).limit(_BATCH)
        some = sa.delete(EXCHANGES).where(_E.id.in_(oldest))
        removed = _BATCH
        while removed == _BATCH:
            removed = await self._database.write(lambda connection: connection.execute(some).rowcount)
        while await self._database.write(self._room.trim):
            pass
        await self._database.shrink()

    async def close(self) -> None:
        await self._database.close()


def _row(one: StoredExchange) -> dict[str, Any]:
    texts = {
        "id": whole(one.id),
        "request_id": _indexed(one.request_id),
        "owner": _indexed(one.client or ""),
        "model": one.model and _indexed(one.model),
        "ending": one.end and whole(one.end),
        "error": one.error and _indexed(one.error),
        "called": whole("|".join(["", *one.called, ""])),
        "tenant": None if one.tenant is None else _named(one.tenant),
    }
    # Most texts are in the row and in two indexes.
    indexed = 3 * sum(len(text or "") for text in texts.values())
    return {
        **texts,
        "created": one.created,
        "status": one.status,
        "attempts": one.attempts,
        "losses": one.losses,
        "size": entry_size(one.line, one.trace) + indexed,
        "line": one.line,
        "trace": one.trace,
    }


def _indexed(value: str) -> str:
    """Return a text as the columns `request_id`, `owner`, `model` and `error` have it: cut to `_LONGEST`
    characters, with "?" in place of each half of a surrogate pair.
    """
    return whole(value[:_LONGEST])


_named: Final = text
"""Returns the name of a tenant as its column has it. Tenants must not see each other's exchanges, so a hash
tells apart long names with the same beginning, which `_indexed` would not.
"""


def _portions(rows: Sequence[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows in lists of at most `most` bytes, in order. The caller has checked that there is a row,
    and that no single row has more bytes.
    """
    some: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if some and size + row["size"] > most:
            yield some
            some, size = [], 0
        some.append(row)
        size += row["size"]
    yield some


def _conditions(search: Search) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the SQL conditions of a search. An exchange must meet all of them."""
    for column, value, stored in (
        (_E.tenant, search.tenant, _named),
        (_E.owner, search.client, _indexed),
        (_E.model, search.model, _indexed),
        (_E.error, search.error, _indexed),
    ):
        if value is not None:
            yield column == stored(value)
    if search.deployment is not None:
        yield contains(_E.called, whole(f"|{search.deployment}|"))
    if search.provider is not None:
        yield contains(_E.called, whole(f"|{search.provider}/"))
    if search.status is not None:
        least, greatest = search.status
        if least >= _FAILED:
            # Without this condition, SQLite does not use the index.
            yield _E.status >= sa.literal_column(str(_FAILED))
        yield _E.status.between(least, greatest)
    if search.end is not None:
        yield begins(_E.ending, whole(search.end))
    yield from _of_time(search)
    if search.losses:
        yield _E.losses > 0
    if search.failover:
        yield _E.attempts > 1
    if search.failed:
        yield _E.error.is_not(None)
    if search.q is not None:
        part = whole(search.q)
        yield sa.or_(begins(_E.id, part), contains(_E.request_id, part))


def _of_time(search: Search) -> Iterator[sa.ColumnElement[bool]]:
    if search.since is not None:
        yield _E.created >= search.since
    if search.until is not None:
        yield _E.created <= search.until
    if search.before is not None:
        created, id_ = search.before
        yield _E.created <= created
        yield sa.or_(_E.created < created, _E.id < id_)
