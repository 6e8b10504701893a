"""Usage records as rows: what is written is read again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_sums import parts_of
from dragoman.stores.sql.usage_rows import is_exact, record_of, row_of

PLAIN: dict[str, Any] = {
    "id": "ex_1",
    "created": 1.25,
    "ended": 3.5,
    "model": "m",
    "units": {"input": 3},
    "cost": 7,
}
OWN = UsageLine("p/m", "p", {"input": 3}, 7, key="k1", price="2026-01-01")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"deployment": "p/m", "provider": "p", "lines": (OWN,), "attempts": 1, "client": "ann", "key": "k"},
        {"lines": (UsageLine("q/x", "q", {}, None, 2, outcome="a/b", own=True), OWN), "deployment": "p/m"},
        {"cost": None, "priced": 3, "lines": (UsageLine("p/m", "p", {"input": 3}, None, 3, estimated=True),)},
        {"model": "x" * 300, "client": "y" * 300, "end_user": "z" * 300, "tags": ("a", "a")},
        {"failed": True, "status": 404, "model": "made-up", "end": "client/request/model_not_found"},
        {
            "seconds": 0.123456,
            "first": 0.1,
            "overhead": 0.000123,
            "streamed": True,
            "cut": True,
            "estimated": True,
        },
    ],
)
def test_a_record_is_read_as_it_was_written(more: dict[str, Any]) -> None:
    record = UsageRecord(**{**PLAIN, **more})
    group = parts_of(record)[0].group
    row = row_of(record, group, 5, exact=is_exact(record, group))
    assert record_of(SimpleNamespace(**row), group) == record


def test_what_only_the_journal_needs_is_left_out_and_half_characters_are_replaced() -> None:
    record = UsageRecord(**PLAIN, settled=(("counter", 1),), tags=("\ud800",), end_user="a\0")
    group = parts_of(record)[0].group
    read = record_of(SimpleNamespace(**row_of(record, group, 5, exact=is_exact(record, group))), group)
    assert (read.settled, read.tags, read.end_user) == ((), ("?",), "a\ufffd")


def test_the_columns_that_other_programs_read() -> None:
    record = UsageRecord(**{**PLAIN, "units": {"input": 3, "cache_read": 4, "output": 5, "reasoning": 6}})
    row = row_of(record, parts_of(record)[0].group, 9, exact=True)
    assert {name: row[name] for name in ("group_id", "input", "output", "cost", "failed")} == {
        "group_id": 9,
        "input": 7,
        "output": 11,
        "cost": 7,
        "failed": False,
    }
