"""Whole responses, decoded and encoded."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.response import decode_response, encode_response
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.bedrock.speaking import reasons, reply

WIRE: dict[str, Any] = {
    "metrics": {"latencyMs": 9},
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}], "new": 1, "a.b": 3}, "newer": 2},
    "stopReason": "guardrail_intervened",
    "trace": {"guardrail": {"actionReason": "No action."}},
    "serviceTier": {"type": "flex"},
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
}


def test_a_response_and_back() -> None:
    response = decode_response(WIRE, STANDARD)
    assert response.candidates == (ir.Candidate((ir.Text("Hi"),), ir.Stop("filter", "guardrail_intervened")),)
    assert response.tier == "flex"
    assert response.usage == ir.Usage(1, output=2)
    assert response.extra == {
        "bedrock": {
            "metrics": {"latencyMs": 9},
            "trace": {"guardrail": {"actionReason": "No action."}},
            "output.message.new": 1,
            "output.message..a.b": 3,
            "output.newer": 2,
        }
    }
    assert encode_response(response, reply()) == WIRE


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end"),
        ("tool_use", "tool"),
        ("max_tokens", "length"),
        ("stop_sequence", "sequence"),
        ("content_filtered", "filter"),
        ("malformed_tool_use", "broken"),
        ("malformed_model_output", "broken"),
        ("model_context_window_exceeded", "context"),
        ("a_new_one", "other"),
    ],
)
def test_stop_reasons(word: str, reason: str) -> None:
    response = decode_response({**WIRE, "stopReason": word}, STANDARD)
    assert response.candidates[0].stop is not None
    assert response.candidates[0].stop.reason == reason
    assert encode_response(response, reply())["stopReason"] == word


def test_an_error_and_what_is_none() -> None:
    with pytest.raises(RequestFailed, match="Too long"):
        decode_response({"message": "Too long"}, STANDARD)
    odds: list[dict[str, Any]] = [{}, {"output": {}}, {"output": {"message": {"content": "a"}}}]
    for odd in odds:
        with pytest.raises(WireError, match=r"output\.message\.content"):
            decode_response(odd, STANDARD)


def test_a_response_of_another_protocol() -> None:
    report = Report("bedrock", "response")
    call = ir.ToolCall(None, "f", "{}")
    candidates = (ir.Candidate((call,), ir.Stop("end")), ir.Candidate((ir.Text("b"),), index=1))
    response = ir.Response("openai_chat", "chatcmpl-1", "gpt", candidates=candidates)
    wire = encode_response(response, reply(report))
    used = wire["output"]["message"]["content"][0]["toolUse"]
    assert used == {"toolUseId": "tooluse_answer-1_0", "name": "f", "input": {}}
    assert wire["stopReason"] == "tool_use"
    assert wire["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    assert reasons(report) == [("candidates[1]", "meaning"), ("id", "hint"), ("model", "hint")]
