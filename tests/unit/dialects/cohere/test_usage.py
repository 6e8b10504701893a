"""Token counts, both ways; what is billed of them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.usage import decode_usage, encode_usage
from dragoman.dialects.loss import Report
from dragoman.ir.units import billed_of, units_of

BILLED = {"input_tokens": 41, "output_tokens": 25}
COUNTS: list[tuple[dict[str, Any], ir.Usage]] = [
    (
        {"billed_units": BILLED, "cached_tokens": 144, "tokens": {"input_tokens": 1441, "output_tokens": 54}},
        ir.Usage(1297, 144, output=54, detail={"billed_input": 41, "billed_output": 25}),
    ),
    (
        {"tokens": {"input_tokens": 510, "output_tokens": 99, "reasoning_tokens": 29}},
        ir.Usage(510, output=70, reasoning=29),
    ),
    (
        {"tokens": {"input_tokens": 34, "output_tokens": 70, "image_tokens": 259}, "cached_tokens": 0},
        ir.Usage(293, 0, output=70, detail={"input_image": 259}),
    ),
    (
        {"billed_units": {"input_tokens": 5, "search_units": 1}},
        ir.Usage(5, detail={"billed_input": 5, "search_units": 1}, form="billed"),
    ),
    ({"tokens": {"input_tokens": 1}, "new": 2}, ir.Usage(1, extra={"cohere": {"new": 2}})),
]


@pytest.mark.parametrize(("wire", "usage"), COUNTS)
def test_both_ways(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire) == usage
    report = Report("cohere", "response")
    assert encode_usage(usage, report, own=True) == wire
    assert report.losses == []


def test_what_is_billed() -> None:
    usage = COUNTS[0][1]
    units = units_of(usage)
    assert units == {"input": 1297, "cache_read": 144, "output": 54}
    assert billed_of(usage, units) == {"input": 41, "output": 25}
    assert billed_of(ir.Usage(5), {"input": 5}) == {"input": 5}


def test_counts_of_others() -> None:
    report = Report("cohere", "response")
    usage = ir.Usage(5, 2, cache_write=1, output=3, reasoning=4, estimated=True)
    assert encode_usage(usage, report, own=False) == {
        "tokens": {"input_tokens": 8, "output_tokens": 7, "reasoning_tokens": 4},
        "cached_tokens": 2,
        "estimated": True,
    }
    assert [loss.path for loss in report.losses] == ["usage.cache_write"]


def test_more_images_than_input_are_not_written() -> None:
    """A provider may leave out the whole and state a part: Gemini without `promptTokenCount` does."""
    report = Report("cohere", "response")
    wire = encode_usage(ir.Usage(0, output=3, detail={"input_image": 258}), report, own=False)
    assert wire == {"tokens": {"input_tokens": 0, "output_tokens": 3}}
    assert decode_usage(wire).input_total == 0
    assert [loss.path for loss in report.losses] == ["usage.detail.input_image"]
