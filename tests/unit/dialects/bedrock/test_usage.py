"""Token counts: no count includes another, and the wire's own form comes back."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.usage import decode_usage, encode_usage
from dragoman.dialects.loss import Report


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (
            {"inputTokens": 12, "outputTokens": 8, "totalTokens": 20},
            ir.Usage(12, output=8),
        ),
        (
            {
                "inputTokens": 3,
                "outputTokens": 121,
                "totalTokens": 2072,
                "cacheReadInputTokens": 1712,
                "cacheWriteInputTokens": 236,
                "cacheDetails": [{"inputTokens": 236, "ttl": "5m"}],
            },
            ir.Usage(3, 1712, 236, 236, output=121),
        ),
        (
            {"inputTokens": 100, "outputTokens": 5, "totalTokens": 105, "cacheReadInputTokens": 60},
            ir.Usage(40, 60, output=5, form="inclusive"),
        ),
        (
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "totalTokens": 13,
                "cacheReadInputTokens": 10,
                "cacheReadInputTokenCount": 10,
            },
            ir.Usage(1, 10, output=2, form="counts"),
        ),
        (
            {"inputTokens": 1, "outputTokens": 2, "totalTokens": 4, "aNewOne": 7},
            ir.Usage(1, output=2, extra={"bedrock": {"totalTokens": 4, "aNewOne": 7}}),
        ),
    ],
)
def test_counts_and_back(wire: dict[str, Any], usage: ir.Usage) -> None:
    assert decode_usage(wire) == usage
    assert encode_usage(usage, Report("bedrock", "response"), own=True) == wire


def test_counts_of_another_protocol() -> None:
    report = Report("bedrock", "response")
    usage = ir.Usage(5, 10, output=3, reasoning=4)
    told = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 22, "cacheReadInputTokens": 10}
    assert encode_usage(usage, report, own=False) == told


def test_tokens_of_tools_alone_are_an_input() -> None:
    report = Report("bedrock", "response")
    assert encode_usage(ir.Usage(tool_input=4, output=1), report, own=False)["inputTokens"] == 4
