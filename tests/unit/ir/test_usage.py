"""Counts that may be, and counts that cannot be."""

from __future__ import annotations

from typing import Any, cast

import msgspec
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


def test_counts_are_completed_by_earlier_ones() -> None:
    earlier = ir.Usage(input=9, cache_read=1, output=1, detail={"input_text": 9}, estimated=True)
    said = ir.Usage(output=5, detail={"output_text": 5})
    detail = {"input_text": 9, "output_text": 5}
    assert said.after(earlier) == ir.Usage(9, 1, output=5, detail=detail, estimated=True)
    assert said.after(None) is said
    whole = ir.Usage(input=2, output=3)
    assert whole.after(earlier) is whole
    prompt = ir.Usage(input=2)
    assert prompt.after(earlier).output == 1
    assert prompt.after(earlier, final=False) is prompt


def test_details_come_along_only_with_their_counts() -> None:
    """Otherwise text would be billed as sound."""
    earlier = ir.Usage(3, output=5, detail={"output_audio": 2, "accepted_prediction": 1, "input_audio": 4})
    said = ir.Usage(output=9, detail={"output_text": 9}).after(earlier)
    assert said == ir.Usage(3, output=9, detail={"input_audio": 4, "output_text": 9})
    said = ir.Usage(7).after(earlier)
    assert said == ir.Usage(7, output=5, detail={"output_audio": 2, "accepted_prediction": 1})
    said = ir.Usage(output=9).after(msgspec.structs.replace(earlier, input=None), final=False)
    assert said == ir.Usage(output=9, detail={"input_audio": 4})
    whole = ir.Usage(7, output=9)
    assert whole.after(earlier) is whole


def test_what_counts_no_tokens_of_the_model_stays_until_it_is_stated_anew() -> None:
    detail = {"web_search_requests": 2, "input_audio_seconds": 3, "cache_read_text": 1, "billed_output": 1}
    other = (("advisor", ir.Usage(1, output=1)),)
    earlier = ir.Usage(3, output=5, detail=detail, others=other, extra={"xai": {"cost": 1, "speed": "fast"}})
    kept = {"web_search_requests": 2, "input_audio_seconds": 3}
    assert ir.Usage(7, output=9).after(earlier) == ir.Usage(
        7, output=9, detail=kept, others=other, extra=earlier.extra
    )
    later = (("advisor", ir.Usage(2, output=2)),)
    said = ir.Usage(7, output=9, detail={"web_search_requests": 3}, others=later, extra={"xai": {"cost": 2}})
    assert said.after(earlier) == ir.Usage(
        7,
        output=9,
        detail={**kept, "web_search_requests": 3},
        others=later,
        extra={"xai": {"cost": 2, "speed": "fast"}},
    )
