"""The columns of the tables of usage: how sums are packed into them."""

from __future__ import annotations

from dragoman.state.durations import BUCKETS
from dragoman.state.usage_sums import COMMON, COST, COUNTS, Sums
from dragoman.stores.sql.migrations.versions import v0007_usage
from dragoman.stores.sql.usage_columns import SUMMED, amounts, full, other_units, read

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


def test_the_migration_stays_as_the_code_reads_it() -> None:
    """Another unit with a column, or other buckets, need a migration of their own."""
    assert (*COUNTS, *COST) == (*v0007_usage._COUNTS, "unpriced", "cost")
    assert v0007_usage._UNITS == COMMON
    assert 2 * v0007_usage._COLUMNS_OF_DURATIONS == BUCKETS
