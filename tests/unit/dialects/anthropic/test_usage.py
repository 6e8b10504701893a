"""Token counts: what each total includes, and where work on other models goes."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ServerToolUsage

from dragoman import ir
from dragoman.dialects.anthropic.usage import decode_usage, encode_usage
from dragoman.dialects.loss import Report
from tests.unit.dialects.anthropic.saying import FOREIGN, changed, lost

USAGES: list[tuple[dict[str, Any], ir.Usage]] = [
    ({"input_tokens": 3, "output_tokens": 2}, ir.Usage(input=3, output=2)),
    (
        {
            "input_tokens": 3,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
            "output_tokens": 2,
        },
        ir.Usage(input=3, cache_read=20, cache_write=10, cache_write_5m=4, cache_write_1h=6, output=2),
    ),
    (
        {"input_tokens": 3, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 7}},
        ir.Usage(input=3, output=2, reasoning=7),
    ),
    (
        {"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"web_search_requests": 1}},
        ir.Usage(input=3, output=2, detail={"web_search_requests": 1}),
    ),
    (
        {"input_tokens": 3, "output_tokens": 2, "inference_geo": "eu", "speed": "fast"},
        ir.Usage(input=3, output=2, extra={"anthropic": {"inference_geo": "eu", "speed": "fast"}}),
    ),
    # Details that contradict the totals, or have another shape, stay as they are.
    (
        {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 7}},
        ir.Usage(input=3, output=2, extra={"anthropic": {"output_tokens_details": {"thinking_tokens": 7}}}),
    ),
    (
        {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": 5, "server_tool_use": {"odd": 1}},
        ir.Usage(
            input=3,
            output=2,
            extra={"anthropic": {"output_tokens_details": 5, "server_tool_use": {"odd": 1}}},
        ),
    ),
    (
        {"input_tokens": 3, "output_tokens": 2, "cache_creation": {"ephemeral_12h_input_tokens": 1}},
        ir.Usage(
            input=3, output=2, extra={"anthropic": {"cache_creation": {"ephemeral_12h_input_tokens": 1}}}
        ),
    ),
]


@pytest.mark.parametrize(("wire", "usage"), USAGES)
def test_usage_both_ways(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire, "claude") == usage
    report = Report("anthropic", "response")
    assert encode_usage(usage, report, own=True) == wire
    assert not report.losses


def test_input_total_counts_caches_once() -> None:
    usage = decode_usage(
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 100,
            "output_tokens": 5,
        },
        None,
    )
    assert (usage.input_total, usage.output_total, usage.total) == (111, 5, 116)


def iteration(kind: str, tokens: int, model: str | None = None) -> dict[str, Any]:
    named = {} if model is None else {"model": model}
    return {"type": kind, "input_tokens": tokens, "output_tokens": 1, **named}


@pytest.mark.parametrize(
    ("iterations", "others"),
    [
        ([iteration("message", 3)], []),
        ([iteration("compaction", 60), iteration("message", 3)], [("claude", 60)]),
        (
            [iteration("message", 1), iteration("advisor_message", 9, "opus"), iteration("message", 2)],
            [("opus", 9)],
        ),
        (
            [iteration("message", 8, "fable"), iteration("fallback_message", 3, "opus")],
            [("fable", 8)],
        ),
        (
            [iteration("message", 8, "opus"), iteration("fallback_message", 3, "opus")],
            [],
        ),
        (None, []),
        ("odd", []),
        ([5], []),
    ],
)
def test_only_work_that_the_totals_leave_out_goes_to_others(
    iterations: Any, others: list[tuple[str, int]]
) -> None:
    wire = {"input_tokens": 3, "output_tokens": 1, "iterations": iterations}
    usage = decode_usage(wire, "claude")
    assert [(model, other.input) for model, other in usage.others] == others
    assert usage.input == 3
    assert encode_usage(usage, Report("anthropic"), own=True) == wire


def test_nothing_stated_is_not_zero_but_must_be_written() -> None:
    report = Report("anthropic", "response")
    assert encode_usage(None, report, own=False) == {"input_tokens": 0, "output_tokens": 0}
    assert changed(report) == ["usage"]


def test_another_provider_s_counts() -> None:
    usage = ir.Usage(
        input=3,
        tool_input=4,
        cache_read=5,
        output=2,
        reasoning=1,
        detail={"input_audio": 2, "output_audio": 0, "web_search_requests": 1, "x_search_requests": 3},
        others=(("small", ir.Usage(input=1)),),
        extra={FOREIGN: {"cost": 0.1}},
    )
    report = Report("anthropic", "response")
    written = encode_usage(usage, report, own=False)
    assert written == {
        "input_tokens": 7,
        "cache_read_input_tokens": 5,
        "output_tokens": 3,
        "output_tokens_details": {"thinking_tokens": 1},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    }
    ServerToolUsage.model_validate(written["server_tool_use"], strict=True)
    assert lost(report) == [
        ("usage.detail.input_audio", "hint"),
        ("usage.detail.x_search_requests", "hint"),
        ("usage.others", "hint"),
        ("usage.cost", "hint"),
    ]
    assert changed(report) == ["usage.tool_input"]
    coded = encode_usage(ir.Usage(3, output=2, detail={"code_execution_requests": 1}), report, own=False)
    assert coded["server_tool_use"] == {
        "web_search_requests": 0,
        "web_fetch_requests": 0,
        "code_execution_requests": 1,
    }
