"""The rows of usage records: each record once, and its sums at all lengths."""

from __future__ import annotations

from dragoman.state.usage_sums import Group
from dragoman.stores.sql.usage_batch import Batch, group_id
from tests.unit.stores.test_usage import BEGIN, record


def test_the_number_of_a_group_is_the_same_in_every_process_and_fits() -> None:
    assert group_id(Group("ann", model="m")) == 1923297782247579930
    assert 0 <= group_id(Group()) < 2**63
    assert group_id(Group("a", "b")) != group_id(Group("ab"))


def test_a_record_is_in_the_rows_once_and_in_the_sums_of_hour_day_and_month() -> None:
    batch = Batch([record(1, end_user="u"), record(2, created=BEGIN + 3700.0), record(1, end_user="u")])
    assert [row["id"] for row in batch.rows] == ["ex_1", "ex_2"]
    own = group_id(next(iter(batch.groups.values())))
    assert [row[:4] for row in batch.by_group] == [
        (0, BEGIN, own, 1),
        (0, BEGIN + 3600, own, 1),
        (1, BEGIN, own, 2),
        (2, BEGIN, own, 2),
    ]
    end_users = [row[:5] for row in batch.by_value if row[3] == "u"]
    assert [row[0] for row in end_users] == [1, 2]  # not by hour


def test_what_is_stored_already_adds_nothing() -> None:
    batch = Batch([record(1), record(2)])
    assert batch.without_known(["ex_1", "ex_2"]) is batch
    left = batch.without_known(["ex_2"])
    assert [row["id"] for row in left.rows] == ["ex_2"]
    assert {row[3] for row in left.by_group} == {1}
