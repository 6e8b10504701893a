"""Token counts, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.gemini.usage import decode_tier, decode_usage, encode_usage
from dragoman.dialects.loss import Report
from tests.unit.dialects.gemini.answering import lost

BOTH: list[tuple[str, dict[str, Any], ir.Usage]] = [
    ("nothing", {}, ir.Usage()),
    (
        "plain",
        {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        ir.Usage(input=3, output=2),
    ),
    (
        "thoughts are outside of the candidates",
        {
            "promptTokenCount": 40,
            "candidatesTokenCount": 18,
            "thoughtsTokenCount": 256,
            "totalTokenCount": 314,
        },
        ir.Usage(input=40, output=18, reasoning=256),
    ),
    (
        "thoughts are inside, as the total tells",
        {"promptTokenCount": 40, "candidatesTokenCount": 18, "thoughtsTokenCount": 8, "totalTokenCount": 58},
        ir.Usage(input=40, output=10, reasoning=8, form="thoughts_inside"),
    ),
    (
        "the prompt includes what was cached",
        {"promptTokenCount": 100, "cachedContentTokenCount": 90, "totalTokenCount": 100},
        ir.Usage(input=10, cache_read=90),
    ),
    (
        "what tools gave back is counted apart",
        {
            "promptTokenCount": 20,
            "candidatesTokenCount": 192,
            "toolUsePromptTokenCount": 371,
            "thoughtsTokenCount": 192,
            "totalTokenCount": 775,
        },
        ir.Usage(input=20, output=192, tool_input=371, reasoning=192),
    ),
    (
        "modalities",
        {
            "promptTokenCount": 12,
            "candidatesTokenCount": 1290,
            "toolUsePromptTokenCount": 5,
            "cachedContentTokenCount": 2,
            "totalTokenCount": 1307,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 4},
                {"modality": "AUDIO", "tokenCount": 3},
                {"modality": "VIDEO", "tokenCount": 2},
                {"modality": "DOCUMENT", "tokenCount": 3},
            ],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
        },
        ir.Usage(
            input=10,
            cache_read=2,
            tool_input=5,
            output=1290,
            detail={
                "input_text": 4,
                "input_audio": 3,
                "input_video": 2,
                "input_document": 3,
                "output_image": 1290,
                "tool_input_text": 5,
                "cache_read_text": 2,
            },
        ),
    ),
    (
        "a total that is no sum",
        {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 99},
        ir.Usage(input=3, output=2, extra={"gemini": {"totalTokenCount": 99}}),
    ),
    (
        "more cached than asked",
        {"promptTokenCount": 3, "cachedContentTokenCount": 5, "totalTokenCount": 3},
        ir.Usage(input=0, cache_read=5, extra={"gemini": {"promptTokenCount": 3, "totalTokenCount": 3}}),
    ),
    (
        "modalities of another kind",
        {
            "promptTokensDetails": [{"modality": 1, "tokenCount": 4}],
            "candidatesTokensDetails": [{"modality": "TEXT"}],
            "cacheTokensDetails": [
                {"modality": "TEXT", "tokenCount": 1},
                {"modality": "TEXT", "tokenCount": 2},
            ],
            "toolUsePromptTokensDetails": [],
        },
        ir.Usage(
            extra={
                "gemini": {
                    "promptTokensDetails": [{"modality": 1, "tokenCount": 4}],
                    "candidatesTokensDetails": [{"modality": "TEXT"}],
                    "cacheTokensDetails": [
                        {"modality": "TEXT", "tokenCount": 1},
                        {"modality": "TEXT", "tokenCount": 2},
                    ],
                    "toolUsePromptTokensDetails": [],
                }
            }
        ),
    ),
    (
        "what Vertex AI says of its traffic",
        {"trafficType": "ON_DEMAND"},
        ir.Usage(extra={"gemini": {"trafficType": "ON_DEMAND"}}),
    ),
]


@pytest.mark.parametrize(("wire", "usage"), [case[1:] for case in BOTH], ids=[case[0] for case in BOTH])
def test_both_ways(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire) == usage
    report = Report("gemini", "response")
    assert encode_usage(usage, None, report, own=True) == wire
    assert not report.losses


def test_the_total_is_told_although_it_was_not() -> None:
    usage = decode_usage({"promptTokenCount": 3})
    assert encode_usage(usage, None, Report("gemini"), own=True) == {
        "promptTokenCount": 3,
        "totalTokenCount": 3,
    }


@pytest.mark.parametrize(
    ("word", "tier"), [("standard", "default"), ("priority", "priority"), ("flex", "flex"), ("new", "new")]
)
def test_tiers(word: str, tier: str) -> None:
    wire = {"serviceTier": word}
    assert decode_tier(wire) == tier
    assert decode_usage(wire) == ir.Usage()
    assert encode_usage(ir.Usage(), tier, Report("gemini"), own=True) == wire


def test_no_tier() -> None:
    assert decode_tier(None) is None
    assert decode_tier({"serviceTier": 1}) is None


def test_counts_of_another_protocol() -> None:
    usage = ir.Usage(
        input=10,
        cache_read=20,
        cache_write=30,
        cache_write_5m=30,
        output=5,
        reasoning=2,
        detail={"input_audio": 4, "output_audio": 0, "accepted_prediction": 1, "rejected_prediction": 0},
        others=(("small", ir.Usage(input=1)),),
        extra={"elsewhere": {"cost": 1}},
        form="cache_outside",
    )
    report = Report("gemini", "response")
    assert encode_usage(usage, "priority", report, own=False) == {
        "promptTokenCount": 60,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 20,
        "totalTokenCount": 67,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
        "serviceTier": "priority",
    }
    assert lost(report) == {
        "usage.cache_write": "hint",
        "usage.cache_write_5m": "hint",
        "usage.detail.accepted_prediction": "hint",
        "usage.others[0]": "hint",
        "usage.cost": "hint",
    }


def test_a_tier_that_google_does_not_have() -> None:
    report = Report("gemini", "response")
    assert encode_usage(ir.Usage(input=1), "scale", report, own=False) == {
        "promptTokenCount": 1,
        "totalTokenCount": 1,
    }
    assert lost(report) == {"tier": "hint"}


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        ("promptTokenCount", "12"),
        ("candidatesTokenCount", []),
        ("totalTokenCount", 1.5),
        ("thoughtsTokenCount", True),
        ("promptTokensDetails", 1),
        ("promptTokensDetails", [None]),
        ("promptTokensDetails", [{"modality": [], "tokenCount": 1}]),
        ("promptTokensDetails", [{"modality": "TEXT", "tokenCount": "1"}]),
        ("promptTokensDetails", [{"modality": "TEXT", "tokenCount": -1}]),
    ],
)
def test_an_odd_count_is_a_leftover_and_costs_no_answer(key: str, odd: Any) -> None:
    stated = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5, key: odd}
    usage = decode_usage(stated)
    assert usage.extra is not None
    assert usage.extra["gemini"][key] == odd
    assert encode_usage(usage, None, Report("gemini"), own=True)[key] == odd
