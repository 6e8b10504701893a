"""Answers in a database; see `state.store.Responses`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, case, delete, insert, literal, or_, select, union_all, update

from dragoman.state.store import UNSETTLED, Item, StoredResponse
from dragoman.stores.limits import later
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.rows import alive, bodies, check, chunks, lasting, weight
from dragoman.stores.sql.schema import (
    CONVERSATION_ITEMS,
    CONVERSATIONS,
    RESPONSE_EVENTS,
    RESPONSE_ITEMS,
    RESPONSES,
)

replace = msgspec.structs.replace
_R, _I, _E = RESPONSES.c, RESPONSE_ITEMS.c, RESPONSE_EVENTS.c
_UNSETTLED = _R.status.in_(sorted(UNSETTLED))
_FACTS = (
    _R.id,
    _R.tenant,
    _R.created,
    _R.status,
    _R.previous,
    _R.conversation,
    _R.deployment,
    _R.background,
    _R.expires,
    _R.lease,
)
_WHOLE = (
    *_FACTS,
    _R.inputs,
    # One row for each item, but the answer's own body only once.
    case((or_(_I.place.is_(None), _I.place == 0), _R.body), else_=None).label("body"),
    _I.place,
    _I.id.label("item"),
    _I.body.label("item_body"),
)


class SqlResponses:
    """max_size: bytes beyond which one answer is refused. now: Unix seconds."""

    def __init__(self, database: Database, max_size: int, now: Callable[[], float]) -> None:
        self._database = database
        self._max_size = max_size
        self._now = now

    async def save(self, response: StoredResponse) -> None:
        items = (*response.input, *response.output)
        size = weight(response.body, *bodies(items))
        check(size, self._max_size)
        row = {column.name: getattr(response, column.name) for column in _FACTS}
        row |= {"body": response.body, "inputs": len(response.input), "used": self._now(), "size": size}
        async with self._database.write() as connection:
            await connection.execute(insert(RESPONSES), row)
            if items:
                await connection.execute(insert(RESPONSE_ITEMS), _rows(response, items, 0))

    async def settle(self, response: StoredResponse) -> bool:
        more = weight(response.body, *bodies(response.output))
        check(more, self._max_size)
        written = (
            update(RESPONSES)
            .where(_R.id == response.id, _R.tenant == response.tenant, _UNSETTLED)
            .where(alive(RESPONSES, self._now()))
            .values(
                status=response.status,
                body=response.body,
                deployment=response.deployment,
                lease=_R.lease if response.status in UNSETTLED else None,
                used=self._now(),
                size=_R.size + more,
            )
            .returning(_R.inputs)
        )
        async with self._database.write() as connection:
            inputs = (await connection.execute(written)).scalar()
            if inputs is None:
                return False
            await connection.execute(
                delete(RESPONSE_ITEMS).where(_I.response == response.id, _I.place >= inputs)
            )
            if response.output:
                await connection.execute(insert(RESPONSE_ITEMS), _rows(response, response.output, inputs))
        return True

    async def get(self, tenant: str, id_: str) -> StoredResponse | None:
        one = _whole().where(_R.id == id_, _R.tenant == tenant, alive(RESPONSES, self._now()))
        async with self._database.read() as connection:
            found = _folded(await connection.execute(one.order_by(_I.place)))
        return found[0] if found else None

    async def history(
        self, tenant: str, id_: str, *, expires: float | None
    ) -> Sequence[StoredResponse] | None:
        now = self._now()
        start = select(_R.id, _R.previous, literal(0).label("depth"))
        chain = start.where(_R.id == id_, _R.tenant == tenant, alive(RESPONSES, now)).cte(recursive=True)
        older = RESPONSES.alias()
        chain = chain.union_all(
            select(older.c.id, older.c.previous, chain.c.depth + 1).where(
                older.c.id == chain.c.previous, older.c.tenant == tenant, alive(older, now)
            )
        )
        whole = _whole(chain.join(RESPONSES, _R.id == chain.c.id))
        async with self._database.read() as connection:
            rows = await connection.execute(whole.order_by(chain.c.depth.desc(), _I.place))
            found = _folded(rows)
        if not found or found[0].previous is not None:
            return None
        lasting_now = [replace(one, expires=later(one.expires, expires)) for one in found]
        if lasting_now == found:
            return found
        extended = (
            update(RESPONSES)
            .where(_R.id.in_(select(chain.c.id)))
            .values(expires=lasting(RESPONSES, expires), used=now)
            .returning(_R.id)
        )
        async with self._database.write() as connection:
            there = len((await connection.execute(extended)).all())
        return lasting_now if there == len(found) else None

    async def items(self, tenant: str, ids: Collection[str]) -> Mapping[str, bytes]:
        now, found = self._now(), dict[str, bytes]()
        turns = CONVERSATION_ITEMS.c
        async with self._database.read() as connection:
            for some in chunks(ids):
                answered = (
                    select(_I.id, _I.body)
                    .join(RESPONSES, _R.id == _I.response)
                    .where(_I.tenant == tenant, _I.id.in_(some), alive(RESPONSES, now))
                )
                added = (
                    select(turns.id, turns.body)
                    .join(CONVERSATIONS, CONVERSATIONS.c.id == turns.conversation)
                    .where(turns.tenant == tenant, turns.id.in_(some), alive(CONVERSATIONS, now))
                )
                rows = await connection.execute(union_all(answered, added))
                found.update((row.id, row.body) for row in rows)
        return found

    async def delete(self, tenant: str, id_: str) -> bool:
        gone = delete(RESPONSES).where(_R.id == id_, _R.tenant == tenant, alive(RESPONSES, self._now()))
        async with self._database.write() as connection:
            return bool((await connection.execute(gone)).rowcount)

    async def append(self, id_: str, first: int, events: Sequence[bytes]) -> None:
        more = weight(*events)
        check(more, self._max_size)
        grown = update(RESPONSES).where(_R.id == id_).values(size=_R.size + more, used=self._now())
        rows = [
            {"response": id_, "number": number, "body": event} for number, event in enumerate(events, first)
        ]
        async with self._database.write() as connection:
            if rows and (await connection.execute(grown)).rowcount:
                await connection.execute(insert(RESPONSE_EVENTS), rows)

    async def events(
        self, tenant: str, id_: str, *, after: int, limit: int = 1000
    ) -> Sequence[tuple[int, bytes]]:
        wanted = (
            select(_E.number, _E.body)
            .join(RESPONSES, _R.id == _E.response)
            .where(_E.response == id_, _E.number > after)
            .where(_R.tenant == tenant, alive(RESPONSES, self._now()))
            .order_by(_E.number)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(row.number, row.body) for row in await connection.execute(wanted)]

    async def renew(self, ids: Collection[str], lease: float) -> Collection[str]:
        renewed: set[str] = set()
        async with self._database.write() as connection:
            for some in chunks(ids):
                written = update(RESPONSES).where(_R.id.in_(some), _UNSETTLED).values(lease=lease)
                renewed.update((await connection.execute(written.returning(_R.id))).scalars())
        return renewed

    async def orphans(self, now: float) -> Sequence[StoredResponse]:
        left = _whole().where(_R.lease <= now, _UNSETTLED).order_by(_R.created, _R.id, _I.place)
        async with self._database.read() as connection:
            return _folded(await connection.execute(left))


def _whole(source: Any = RESPONSES) -> Select[Any]:
    """Answers with their items, a row for each item."""
    return select(*_WHOLE).select_from(source.outerjoin(RESPONSE_ITEMS, _I.response == _R.id))


def _rows(response: StoredResponse, items: Sequence[Item], first: int) -> list[dict[str, Any]]:
    return [
        {
            "response": response.id,
            "place": place,
            "tenant": response.tenant,
            "id": item.id,
            "body": item.body,
        }
        for place, item in enumerate(items, first)
    ]


def _folded(rows: Iterable[Any]) -> list[StoredResponse]:
    """The answers that some rows tell of; those of one stand together, its items in order."""
    answers: list[tuple[Any, list[Item]]] = []
    for row in rows:
        if not answers or answers[-1][0].id != row.id:
            answers.append((row, []))
        if row.item is not None:
            answers[-1][1].append(Item(row.item, row.item_body))
    return [
        StoredResponse(
            **{column.name: getattr(row, column.name) for column in _FACTS},
            body=row.body,
            input=tuple(items[: row.inputs]),
            output=tuple(items[row.inputs :]),
        )
        for row, items in answers
    ]
