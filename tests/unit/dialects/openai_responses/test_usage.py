"""Counts: inclusive totals to disjoint counts, and back."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.usage import decode_usage, encode_usage
from tests.unit.dialects.openai_responses.answering import NAME, USAGE


def again(value: dict[str, Any]) -> dict[str, Any] | None:
    return encode_usage(decode_usage(value), Report(NAME, "response"), own=True)


def test_the_parts_of_a_total_are_counted_once() -> None:
    usage = decode_usage(USAGE)
    assert (usage.input, usage.cache_read, usage.cache_write) == (5, 4, 1)
    assert (usage.output, usage.reasoning) == (5, 2)
    assert usage.total == 17


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"total_tokens": 99},
        {"input_tokens_details": {"cached_tokens": 11}},
        {"input_tokens_details": {"cached_tokens": 4, "image_tokens": 2}},
        {"output_tokens_details": {"reasoning_tokens": 8}},
        {"output_tokens_details": {}},
        {"cost": 0.25},
    ],
)
def test_what_a_provider_counts_comes_back_as_it_was(change: dict[str, Any]) -> None:
    assert again({**USAGE, **change}) == {**USAGE, **change}


def test_counts_above_their_total_are_not_believed() -> None:
    usage = decode_usage({**USAGE, "output_tokens_details": {"reasoning_tokens": 8}})
    assert (usage.output, usage.reasoning) == (7, None)


def test_others_answers_state_every_count() -> None:
    report = Report(NAME, "response")
    assert encode_usage(ir.Usage(input=1, output=2), report, own=False) == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    }
    assert report.losses == []


def test_no_usage_is_not_zero() -> None:
    assert encode_usage(None, Report(NAME, "response"), own=False) is None


def test_counts_without_a_place_are_named() -> None:
    report = Report(NAME, "response")
    usage = ir.Usage(
        input=1,
        tool_input=3,
        output=2,
        cache_write_5m=1,
        detail={"input_audio": 4, "output_audio": 0},
        others=(("m", ir.Usage(input=1)),),
        extra={"elsewhere": {"cost": 1}},
    )
    out = encode_usage(usage, report, own=False)
    assert out is not None
    assert out["input_tokens"] == 4
    assert [loss.path for loss in report.losses] == [
        "usage.cache_write_5m",
        "usage.detail.input_audio",
        "usage.others",
        "usage.cost",
    ]
