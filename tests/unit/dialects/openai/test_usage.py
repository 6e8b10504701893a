"""Token counts, and every vendor's way to add them up."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import STANDARD, Quirks
from tests.unit.dialects.openai_chat.speaking import added, lost

PLAIN = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}


def details(**counts: int) -> dict[str, Any]:
    return {"prompt_tokens_details": counts}


def outputs(**counts: int) -> dict[str, Any]:
    return {"completion_tokens_details": counts}


COUNTS: list[tuple[dict[str, Any], ir.Usage]] = [
    (PLAIN, ir.Usage(10, output=6)),
    (
        {**PLAIN, **details(cached_tokens=4, cache_write_tokens=1), **outputs(reasoning_tokens=2)},
        ir.Usage(5, 4, 1, output=4, reasoning=2),
    ),
    (
        {**PLAIN, **details(cached_tokens=0, audio_tokens=0), **outputs(reasoning_tokens=0, audio_tokens=3)},
        ir.Usage(10, 0, output=6, reasoning=0, detail={"input_audio": 0, "output_audio": 3}),
    ),
    (
        {**PLAIN, **outputs(accepted_prediction_tokens=1, rejected_prediction_tokens=2)},
        ir.Usage(10, output=6, detail={"accepted_prediction": 1, "rejected_prediction": 2}),
    ),
    # xAI: reasoning beside the completion, which the sum tells
    (
        {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 36, **outputs(reasoning_tokens=20)},
        ir.Usage(10, output=6, reasoning=20, form="reasoning_outside"),
    ),
    # Grok on Azure: cached tokens beside the prompt
    ({**PLAIN, **details(cached_tokens=30)}, ir.Usage(10, 30, output=6, form="cache_outside")),
    # DeepSeek: hits and misses too; Together: beside the totals
    (
        {**PLAIN, **details(cached_tokens=4), "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        ir.Usage(6, 4, output=6, form="details+hit_miss"),
    ),
    (
        {**PLAIN, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        ir.Usage(6, 4, output=6, form="hit_miss"),
    ),
    ({**PLAIN, "cached_tokens": 4}, ir.Usage(6, 4, output=6, form="cached_tokens")),
    # Counts that contradict each other are kept as they were stated
    (
        {"prompt_tokens": -1, "completion_tokens": 6, "total_tokens": 5},
        ir.Usage(output=6, extra={"openai_chat": {"prompt_tokens": -1, "total_tokens": 5}}),
    ),
    (
        {**PLAIN, "total_tokens": 100},
        ir.Usage(10, output=6, extra={"openai_chat": {"total_tokens": 100}}),
    ),
    (
        {**PLAIN, **outputs(reasoning_tokens=7)},
        ir.Usage(
            10,
            output=0,
            reasoning=6,
            extra={"openai_chat": {"completion_tokens_details.reasoning_tokens": 7}},
        ),
    ),
    (
        {**PLAIN, **details(cached_tokens=8, cache_write_tokens=5)},
        ir.Usage(0, 8, 5, output=6, extra={"openai_chat": {"prompt_tokens": 10, "total_tokens": 16}}),
    ),
    (
        {**PLAIN, "cost": 0.1, **details(odd=1)},
        ir.Usage(10, output=6, extra={"openai_chat": {"cost": 0.1, "prompt_tokens_details": {"odd": 1}}}),
    ),
    # Databricks, while the answer runs
    ({"prompt_tokens": 10}, ir.Usage(10)),
    ({}, ir.Usage()),
]


@pytest.mark.parametrize(("wire", "usage"), COUNTS)
def test_counts_are_read_apart_and_come_back_as_they_were(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire, STANDARD) == usage
    report = Report("openai_chat", "response")
    assert encode_usage(usage, report, own=True) == wire
    assert not report.losses


def test_null_counts_are_unknown_counts() -> None:
    wire = {
        "prompt_tokens": 10,
        "completion_tokens": None,
        "total_tokens": None,
        "prompt_tokens_details": None,
    }
    assert decode_usage(wire, STANDARD) == ir.Usage(10)


def test_the_vendors_row_decides_where_the_sums_do_not() -> None:
    wire = {"prompt_tokens": 10, "completion_tokens": 6, **outputs(reasoning_tokens=2)}
    assert decode_usage(wire, STANDARD).output == 4
    outside = decode_usage(wire, Quirks(reasoning_tokens="outside"))
    assert (outside.output, outside.reasoning, outside.output_total) == (6, 2, 8)
    inside = {**wire, "total_tokens": 16}
    assert decode_usage(inside, Quirks(reasoning_tokens="outside")).output == 4


def test_foreign_counts_become_totals_that_are_sums() -> None:
    usage = ir.Usage(
        5,
        3,
        2,
        cache_write_5m=2,
        output=4,
        reasoning=6,
        tool_input=1,
        detail={"web_search_requests": 2, "input_audio": 1, "web_fetch_requests": 0},
        others=(("other-model", ir.Usage(9)),),
        extra={"elsewhere": {"geo": "us"}},
        form="theirs",
    )
    report = Report("openai_chat", "response")
    assert encode_usage(usage, report, own=False) == {
        "prompt_tokens": 11,
        "completion_tokens": 10,
        "total_tokens": 21,
        "prompt_tokens_details": {"audio_tokens": 1, "cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    assert lost(report) == {
        "usage.cache_write_5m": "hint",
        "usage.tool_input": "hint",
        "usage.detail.web_search_requests": "hint",
        "usage.others[0]": "hint",
        "usage.geo": "hint",
    }


def test_a_foreign_client_always_gets_numbers() -> None:
    report = Report("openai_chat", "response")
    wire = encode_usage(ir.Usage(), report, own=False)
    assert wire == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert added(report) == {"usage.prompt_tokens", "usage.completion_tokens"}


def test_a_total_that_proves_nothing_leaves_it_to_the_row() -> None:
    wire = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 99, **outputs(reasoning_tokens=2)}
    assert decode_usage(wire, STANDARD).form is None
    usage = decode_usage(wire, Quirks(reasoning_tokens="outside"))
    assert (usage.output, usage.reasoning, usage.form) == (6, 2, None)
