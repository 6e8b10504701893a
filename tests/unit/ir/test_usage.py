"""Counts that may be, and counts that cannot be."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dragoman import ir
from dragoman.exchange import Exchange


@pytest.mark.parametrize("count", [10**400, -1, "9", [1], float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["input", "cache_read", "output", "reasoning"])
def test_no_sum_has_a_count_that_cannot_be(name: str, count: Any) -> None:
    exchange = Exchange("ex_1", "r", "openai_chat", "POST", "/", began=0.0, created=0.0)
    for others in ({}, {"tool_input": 5, "cache_write": 0, "cache_write_5m": 2.0}):
        exchange.usage = ir.Usage(**{**others, name: count})
        exchange.close(1.0)
        assert exchange.usage is None


def test_plausible_counts_stay() -> None:
    exchange = Exchange("ex_1", "r", "openai_chat", "POST", "/", began=0.0, created=0.0)
    for usage in (
        ir.Usage(1, 0, None, output=10**9, reasoning=0),
        ir.Usage(output=cast(Any, 2.0)),
        ir.Usage(),
    ):
        exchange.usage = usage
        exchange.close(1.0)
        assert exchange.usage is usage
