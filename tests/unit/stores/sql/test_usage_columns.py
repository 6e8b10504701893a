"""The columns of the tables of usage: how sums are packed into them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.state.durations import BUCKETS
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_sums import COMMON, COST, COUNTS, Sums, is_plain, parts_of
from dragoman.stores.sql.migrations.versions import v0007_usage
from dragoman.stores.sql.usage_columns import (
    SUMMED,
    ZEROS,
    Amounts,
    amounts,
    count,
    full,
    other_units,
    read,
    stated,
)
from tests.unit.stores.test_usage import record, records

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


def counted(*found: UsageRecord) -> tuple[Amounts, dict[str, int]]:
    sums = list(ZEROS)
    units: dict[str, int] = {}
    for one in found:
        count(one, sums, units)
    return stated(sums), units


@given(records())
def test_a_plain_record_adds_what_its_only_part_adds(one: UsageRecord) -> None:
    assume(is_plain(one))
    ((_, sums),) = parts_of(one)
    expected = {place: amount for place, amount in amounts(sums).items() if amount}
    assert counted(one) == (expected, other_units(sums))
    assert counted(one, one)[0] == {place: 2 * amount for place, amount in expected.items()}


def test_a_cut_record_and_one_of_unknown_cost_are_plain_too() -> None:
    line = UsageLine("p/m", "p", {"searches": 2}, None, 7)
    for one in (
        record(1, cut=True, failed=True, attempts=0),
        record(2, cost=None, priced=7, estimated=True, units={"searches": 2}, lines=(line,)),
    ):
        assert is_plain(one)
        ((_, sums),) = parts_of(one)
        assert counted(one) == (amounts(sums), other_units(sums))
    assert not is_plain(record(3, lines=(UsageLine("p/m", "p", outcome="failed"),)))
    assert not is_plain(record(4, lines=(UsageLine("q/m", "q"),)))
