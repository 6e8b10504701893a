"""Token counts, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.usage import decode_usage, encode_usage
from tests.unit.dialects.mistral.speaking import added, lost

COUNTS: list[tuple[dict[str, Any], ir.Usage]] = [
    ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, ir.Usage(5, output=3)),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        ir.Usage(6, 4, output=3),
    ),
    (
        {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13, "num_cached_tokens": 4},
        ir.Usage(6, 4, output=3, form="num"),
    ),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "total_tokens": 13,
            "num_cached_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        ir.Usage(6, 4, output=3, form="details+num"),
    ),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "total_tokens": 13,
            "num_cached_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        ir.Usage(6, 4, output=3, extra={"mistral": {"num_cached_tokens": 5}}),
    ),
    (
        {
            "prompt_audio_seconds": 3,
            "prompt_tokens": 9,
            "completion_tokens": 16,
            "total_tokens": 400,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375},
        },
        ir.Usage(
            384,
            0,
            output=16,
            detail={"input_audio": 375, "input_audio_seconds": 3},
            form="audio_outside",
        ),
    ),
    (
        {
            "prompt_tokens": 384,
            "completion_tokens": 16,
            "total_tokens": 400,
            "prompt_tokens_details": {"audio_tokens": 375},
        },
        ir.Usage(384, output=16, detail={"input_audio": 375}),
    ),
    (
        {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 9, "prompt_audio_seconds": {}, "x": 1},
        ir.Usage(5, output=3, extra={"mistral": {"total_tokens": 9, "prompt_audio_seconds": {}, "x": 1}}),
    ),
    ({"completion_tokens": 3}, ir.Usage(output=3)),
    ({"prompt_tokens": 5}, ir.Usage(5)),
]


@pytest.mark.parametrize(("wire", "usage"), COUNTS)
def test_counts_come_back_as_they_were(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire) == usage
    assert encode_usage(usage, Report("mistral"), own=True) == wire


def test_the_tier_is_no_count() -> None:
    assert decode_usage({"prompt_tokens": 5, "service_tier": "standard"}) == ir.Usage(5)


def test_a_cache_larger_than_the_prompt() -> None:
    usage = decode_usage({"prompt_tokens": 3, "num_cached_tokens": 5})
    assert (usage.input, usage.cache_read) == (0, 5)


def test_counts_of_others() -> None:
    report = Report("mistral", "response")
    usage = ir.Usage(
        4,
        3,
        2,
        2,
        output=5,
        reasoning=6,
        tool_input=1,
        detail={"input_audio": 2, "web_search_requests": 1, "output_text": 0},
        others=(("m", ir.Usage(1)),),
        extra={"elsewhere": {"x": 1}},
    )
    assert encode_usage(usage, report, own=False) == {
        "prompt_tokens": 10,
        "completion_tokens": 11,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 2},
    }
    assert lost(report) == dict.fromkeys(
        (
            "usage.cache_write",
            "usage.cache_write_5m",
            "usage.tool_input",
            "usage.reasoning",
            "usage.detail.web_search_requests",
            "usage.others[0]",
            "usage.x",
        ),
        "hint",
    )


def test_numbers_for_clients_that_need_them() -> None:
    report = Report("mistral", "response")
    counts = encode_usage(ir.Usage(), report, own=False)
    assert counts == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert added(report) == {"usage.prompt_tokens", "usage.completion_tokens"}
