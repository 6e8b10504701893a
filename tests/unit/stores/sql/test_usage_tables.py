"""The tables of usage: how rows are added."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

import sqlalchemy as sa

from dragoman.state.usage_sums import Sums
from dragoman.stores.sql.usage_columns import SUMMED, amounts, full
from dragoman.stores.sql.usage_tables import USAGE_BY_VALUE, USAGE_RECORDS, USAGE_UNITS, Adding, insert_new

MANY = Sums({"requests": 3, "cost": 2**40}, {"input": 5, "images": 2}, {0: 2}, {7: 1})


def test_a_row_is_made_first_and_added_to_later() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        USAGE_BY_VALUE.create(connection)
        USAGE_UNITS.create(connection)
        adding = Adding(USAGE_BY_VALUE, SUMMED)
        row = (0, 1, 3600, "ann", *full(amounts(MANY)))
        adding.run(connection, [])
        adding.run(connection, [row, row])
        found = connection.execute(sa.select(USAGE_BY_VALUE.c.requests, USAGE_BY_VALUE.c.cost)).all()
        units = Adding(USAGE_UNITS, ["amount"])
        units.run(connection, [(0, 1, 3600, "ann", "images", 2), (0, 1, 3600, "ann", "images", 5)])
        amount = connection.execute(sa.select(USAGE_UNITS.c.amount)).scalars().all()
    engine.dispose()
    assert (found, amount) == ([(6, 2**41)], [7])


def test_records_are_inserted_once_whatever_their_number() -> None:
    def rows(*numbers: int) -> list[dict[str, Any]]:
        row: dict[str, Any] = {
            "ended": 2.0,
            "group_id": 3,
            "end_user": None,
            "status": 200,
            "failed": False,
            "cost": 4,
        }
        row |= {"input": 5, "output": 6, "rest": b"[]"}
        return [{**row, "id": f"ex_{number}", "created": float(number)} for number in numbers]

    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        USAGE_RECORDS.create(connection)
        first = insert_new(connection, rows(*range(0, 246, 2)))
        second = insert_new(connection, rows(*range(246)))
        assert insert_new(connection, []) == insert_new(connection, rows(7, 8)) == set()
        stored = (
            connection.execute(sa.select(USAGE_RECORDS).order_by(USAGE_RECORDS.c.created)).mappings().all()
        )
    engine.dispose()
    assert first == {f"ex_{number}" for number in range(0, 246, 2)}
    assert second == {f"ex_{number}" for number in range(1, 246, 2)}
    assert [dict(row) for row in stored] == rows(*range(246))
