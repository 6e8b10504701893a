"""The tables of usage: how sums are packed into columns, and how rows are added."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dragoman.state.durations import BUCKETS
from dragoman.state.usage_sums import COMMON, COST, COUNTS, Sums
from dragoman.stores.sql.migrations.versions import v0007_usage
from dragoman.stores.sql.usage_tables import (
    SUMMED,
    USAGE_BY_VALUE,
    USAGE_RECORDS,
    USAGE_UNITS,
    Adding,
    amounts,
    full,
    insert_new,
    other_units,
    read,
)

MANY = Sums(
    {"requests": 3, "cost": 2**40},
    {"input": 5, "images": 2},
    {0: 2, 1: 3, BUCKETS - 1: 2**31 - 1},
    {7: 1},
)


def test_sums_are_read_as_they_were_packed_and_rare_units_stand_elsewhere() -> None:
    row = full(amounts(MANY))
    assert len(row) == len(SUMMED)
    assert read(row) == Sums(MANY.counts, {"input": 5}, MANY.total, MANY.first)
    assert other_units(MANY) == {"images": 2}


def test_the_sum_of_packed_columns_is_that_of_the_sums() -> None:
    twice = [sum(pair) for pair in zip(full(amounts(MANY)), full(amounts(MANY)), strict=True)]
    once = read(full(amounts(MANY)))
    once.add(once)
    assert max(twice) < 2**63
    assert read(twice).total == once.total


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


def test_the_migration_stays_as_the_code_reads_it() -> None:
    """Another unit with a column, or other buckets, need a migration of their own."""
    assert (*COUNTS, *COST) == (*v0007_usage._COUNTS, "unpriced", "cost")
    assert v0007_usage._UNITS == COMMON
    assert 2 * v0007_usage._COLUMNS_OF_DURATIONS == BUCKETS
