"""Responses in a database; implements `state.store.Responses`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.state.store import PAGE_SIZE, UNSETTLED, Item, Lease, StoredResponse
from dragoman.stores.limits import check_read, later
from dragoman.stores.sql.database import Part
from dragoman.stores.sql.inserting import insert
from dragoman.stores.sql.rows import (
    BIT_BY_BIT,
    BODY,
    ID,
    IDS,
    LEAST_ITEM,
    NOW,
    TENANT,
    alive,
    check,
    chunks,
    entry_size,
    events_size,
    item_rows,
    items_size,
    lasting,
)
from dragoman.stores.sql.schema import (
    CONVERSATION_ITEMS,
    CONVERSATIONS,
    RESPONSE_EVENTS,
    RESPONSE_ITEMS,
    RESPONSES,
)

replace = msgspec.structs.replace
_R, _I, _E, _T = RESPONSES.c, RESPONSE_ITEMS.c, RESPONSE_EVENTS.c, CONVERSATION_ITEMS.c
_NAMES = tuple(one for one in StoredResponse.__struct_fields__ if one not in {"body", "input", "output"})
_WHOLE = (
    *(_R[name] for name in _NAMES),
    _R.inputs,
    # There is a row for each item; only the row of the first item has the response's body.
    sa.case((sa.or_(_I.place.is_(None), _I.place == 0), _R.body), else_=None).label("body"),
    _I.id.label("item"),
    _I.body.label("item_body"),
)
_COUNT = sa.bindparam("count_", type_=sa.Integer)
_MORE = sa.bindparam("more_", type_=sa.BigInteger)
_LEASE = sa.bindparam("lease_", type_=sa.Double)
_UNSETTLED = _R.status.in_(sorted(UNSETTLED))


def running(table: Any = RESPONSES) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a response has a lease and its status is not final. Such a response does
    not expire, and is not removed to make room. table: RESPONSES or an alias of it.
    """
    return sa.and_(table.c.status.in_(sorted(UNSETTLED)), table.c.lease.is_not(None))


def _there(table: Any = RESPONSES) -> sa.ColumnElement[bool]:
    return sa.or_(alive(table), running(table))


_IS = sa.and_(_R.id == ID, _R.tenant == TENANT, _there())


def _whole(source: Any = RESPONSES) -> sa.Select[*tuple[Any, ...]]:
    """Return a SELECT of the responses in `source`: one row for each item, or one row for a response without
    items. The columns are those of `_WHOLE`. source: RESPONSES, or a join that contains it.
    """
    return sa.select(*_WHOLE).select_from(source.outerjoin(RESPONSE_ITEMS, _I.response == _R.id))


def _chain() -> Any:
    """Return a recursive SQL query for a response and the responses that it continues, up to `deepest_` steps
    back: the columns `id`, `previous` and `depth`, which is the number of steps back (0 = the response
    itself). The chain ends before a response that is missing, has expired or belongs to another client.
    """
    start = sa.select(_R.id, _R.previous, sa.literal(0).label("depth")).where(_IS).cte(recursive=True)
    older = RESPONSES.alias()
    return start.union_all(
        sa.select(older.c.id, older.c.previous, start.c.depth + 1).where(
            older.c.id == start.c.previous,
            older.c.tenant == TENANT,
            _there(older),
            start.c.depth < sa.bindparam("deepest_", type_=sa.Integer),
        )
    )


_CHAIN = _chain()
_SAVE = sa.insert(RESPONSES)
_ADD_ITEMS = sa.insert(RESPONSE_ITEMS)
_ADD_EVENTS = sa.insert(RESPONSE_EVENTS)
_MAY_SETTLE = sa.and_(_IS, _UNSETTLED, sa.or_(_LEASE.is_(None), _R.lease == _LEASE))
_PROGRESS = (
    sa.update(RESPONSES)
    .where(_MAY_SETTLE)
    .values(
        status=sa.bindparam("status_", type_=sa.String),
        body=BODY,
        deployment=sa.bindparam("deployment_", type_=sa.String),
        expires=lasting(RESPONSES),
        used=NOW,
        size=_R.size + _MORE - sa.func.length(_R.body),
    )
    .returning(_R.inputs)
)
_SETTLE = _PROGRESS.values(lease=None)
_DROP_OUTPUT = (
    sa.delete(RESPONSE_ITEMS).where(_I.response == ID, _I.place >= _COUNT).returning(_I.id, _I.body)
)
_SHRINK = sa.update(RESPONSES).where(_R.id == ID).values(size=_R.size - _MORE)
_GET = _whole().where(_IS).order_by(_I.place)
_HISTORY = _whole(_CHAIN.join(RESPONSES, _R.id == _CHAIN.c.id)).order_by(_CHAIN.c.depth.desc(), _I.place)
_EXTEND = (
    sa.update(RESPONSES)
    .where(_R.id.in_(sa.select(_CHAIN.c.id)))
    .values(expires=lasting(RESPONSES), used=NOW)
    .returning(_R.id)
)
_ITEMS = sa.union_all(
    sa.select(_I.id, _I.body)
    .join(RESPONSES, _R.id == _I.response)
    .where(_I.tenant == TENANT, _I.id.in_(IDS), _there()),
    sa.select(_T.id, _T.body)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == _T.conversation)
    .where(_T.tenant == TENANT, _T.id.in_(IDS), alive(CONVERSATIONS)),
).execution_options(**BIT_BY_BIT)
_HISTORY_SIZE = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_R.size), 0)).select_from(
    _CHAIN.join(RESPONSES, _R.id == _CHAIN.c.id)
)
"""SELECT: the number of responses in a history, and their approximate bytes in the database, including those
of their events.
"""
_HISTORY_LENGTH = sa.select(
    sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(_I.body)), 0)
).select_from(_CHAIN.join(RESPONSE_ITEMS, _I.response == _CHAIN.c.id))
_BODY_SIZE = sa.select(sa.func.length(_R.body)).where(_MAY_SETTLE)
"""SELECT: the bytes of the body of a response that may be settled; no row = it may not be settled."""
_OWNER = sa.select(_R.tenant).where(_R.id == ID)
_DELETE = sa.delete(RESPONSES).where(_IS)
_GROW = sa.update(RESPONSES).where(_R.id == ID).values(size=_R.size + _MORE, used=NOW)
_EVENTS = (
    sa.select(_E.number, _E.body)
    .join(RESPONSES, _R.id == _E.response)
    .where(_E.number > sa.bindparam("after_", type_=sa.Integer), _IS)
    .order_by(_E.number)
    .limit(_COUNT)
    .execution_options(**BIT_BY_BIT)
)
_LAST_EVENT = (
    sa.select(_E.number, _E.body)
    .join(RESPONSES, _R.id == _E.response)
    .where(_IS)
    .order_by(_E.number.desc())
    .limit(1)
)
_RENEW = sa.update(RESPONSES).where(_R.id.in_(IDS), _UNSETTLED).values(lease=_LEASE).returning(_R.id)
_LEASES = sa.select(_R.id, _R.tenant, _R.lease).where(_R.lease > -inf, _UNSETTLED)
"""SELECT: the leases of all running responses. `lease > -inf` means "is not NULL", but can use the index."""


class SqlResponses(Part):
    """Stores responses in a database."""

    async def save(self, response: StoredResponse) -> None:
        items = (*response.input, *response.output)
        size = entry_size(response.body) + items_size(items)
        check(size, self._limits.size)
        row = {name: getattr(response, name) for name in _NAMES}
        row |= {"body": response.body, "inputs": len(response.input), "used": self._now(), "size": size}
        rows = item_rows("response", response.id, response.tenant, items, 0)

        def save(connection: sa.Connection) -> None:
            self._room.make(connection, response.tenant, size)
            insert(connection, _SAVE, [row])
            insert(connection, _ADD_ITEMS, rows)

        await self._database.write(save, size)

    async def settle(
        self,
        response: StoredResponse,
        first: int = 0,
        events: Sequence[bytes] = (),
        *,
        lease: float | None = None,
    ) -> bool:
        more = len(response.body) + items_size(response.output) + events_size(events)
        statement = _PROGRESS if response.status in UNSETTLED else _SETTLE
        values = {
            **self._named(response.tenant, response.id),
            "status_": response.status,
            "body_": response.body,
            "deployment_": response.deployment,
            "until_": response.expires,
            "lease_": lease,
            "more_": more,
        }

        def settle(connection: sa.Connection) -> bool:
            old_size = connection.execute(_BODY_SIZE, values).scalar()
            if old_size is None:
                return False  # before room is made, because nothing will be written
            check(more, self._limits.size)
            self._room.make(connection, response.tenant, more - old_size, response.id)
            inputs = connection.execute(statement, values).scalar_one()
            old = connection.execute(_DROP_OUTPUT, {"id_": response.id, "count_": inputs})
            if gone := items_size([Item(*item) for item in old]):
                connection.execute(_SHRINK, {"id_": response.id, "more_": gone})
            rows = item_rows("response", response.id, response.tenant, response.output, inputs)
            insert(connection, _ADD_ITEMS, rows)
            insert(connection, _ADD_EVENTS, _numbered(response.id, first, events))
            return True

        return await self._database.write(settle, more)

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        values = self._named(tenant, id_)
        found = await self._database.read(lambda connection: _folded(connection.execute(_GET, values)))
        return found[0] if found else None

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        values = {**self._named(tenant, id_), "deepest_": self._limits.history_count}

        def history(connection: sa.Connection) -> list[StoredResponse]:
            most = self._limits.history_count
            answers, size = connection.execute(_HISTORY_SIZE, values).one()
            check_read(answers, most, "answers")
            if size > min(self._limits.history_size, most * LEAST_ITEM):
                items, size = connection.execute(_HISTORY_LENGTH, values).one()
                check_read(items, most, "items")
                check_read(size, self._limits.history_size)
            return _folded(connection.execute(_HISTORY, values))

        found = await self._database.read(history)
        if not found or found[0].previous is not None:
            return None
        ends = [later(one.expires, expires) for one in found]
        if ends == [one.expires for one in found]:
            return found
        values["until_"] = expires
        there = await self._database.write(lambda connection: len(connection.execute(_EXTEND, values).all()))
        if there < len(found):
            return None
        return [replace(one, expires=end) for one, end in zip(found, ends, strict=True)]

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        now = self._now()

        def items(connection: sa.Connection) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            size = 0
            for some in chunks(ids):
                with connection.execute(_ITEMS, {"tenant_": tenant, "ids_": some, "now_": now}) as rows:
                    # One by one: the sum is checked before all rows are in memory.
                    while (row := rows.fetchone()) is not None:
                        size += len(row.body) - len(found.get(row.id, b""))
                        check_read(size, self._limits.history_size)
                        found[row.id] = row.body
            return found

        return await self._database.read(items)

    async def delete(self, tenant: str, id_: str) -> bool:
        values = self._named(tenant, id_)
        return await self._database.write(lambda connection: connection.execute(_DELETE, values).rowcount > 0)

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        if not events:
            return
        more = events_size(events)
        grown = {"id_": id_, "more_": more, "now_": self._now()}
        rows = _numbered(id_, first, events)

        def append(connection: sa.Connection) -> None:
            owner = connection.execute(_OWNER, {"id_": id_}).scalar()
            if owner is not None:
                check(more, self._limits.size)
                self._room.make(connection, owner, more, id_)
                connection.execute(_GROW, grown)
                insert(connection, _ADD_EVENTS, rows)

        await self._database.write(append, more)

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        values = {**self._named(tenant, id_), "after_": after, "count_": limit}

        def events(connection: sa.Connection) -> list[tuple[int, bytes]]:
            found: list[tuple[int, bytes]] = []
            size = 0
            with connection.execute(_EVENTS, values) as rows:
                while (row := rows.fetchone()) is not None:
                    size += len(row.body)
                    if found and size > PAGE_SIZE:
                        break
                    found.append((row.number, row.body))
            return found

        return await self._database.read(events)

    async def last_event(self, tenant: str, id_: str) -> tuple[int, bytes] | None:
        values = self._named(tenant, id_)

        def last(connection: sa.Connection) -> tuple[int, bytes] | None:
            row = connection.execute(_LAST_EVENT, values).one_or_none()
            return None if row is None else (row.number, row.body)

        return await self._database.read(last)

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        def renew(connection: sa.Connection) -> set[str]:
            renewed: set[str] = set()
            for some in chunks(ids):
                renewed.update(connection.execute(_RENEW, {"ids_": some, "lease_": lease}).scalars())
            return renewed

        return await self._database.write(renew)

    async def leases(self) -> Sequence[Lease]:
        rows = await self._database.read(lambda connection: connection.execute(_LEASES).all())
        return [Lease(row.id, row.tenant, row.lease) for row in rows]


def _numbered(id_: str, first: int, events: Sequence[bytes]) -> list[dict[str, Any]]:
    return [{"response": id_, "number": number, "body": event} for number, event in enumerate(events, first)]


def _folded(result: sa.Result[Any]) -> list[StoredResponse]:
    """Return the responses in the rows of a SELECT that `_whole` has made, in the order of the rows. The rows
    of one response must be adjacent, in the order of its items.
    """
    answers: list[tuple[list[Any], bytes, int, list[Item]]] = []
    latest, items = None, list[Item]()
    for row in result.all():
        *facts, inputs, body, item, item_body = tuple(row)
        if facts[0] != latest:
            latest, items = facts[0], []
            answers.append((facts, body, inputs, items))
        if item is not None:
            items.append(Item(item, item_body))
    return [
        StoredResponse(
            **dict(zip(_NAMES, facts, strict=True)),
            body=body,
            input=tuple(items[:inputs]),
            output=tuple(items[inputs:]),
        )
        for facts, body, inputs, items in answers
    ]
