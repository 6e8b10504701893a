"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.anthropic.saying import FOREIGN, answer, lost, reply

TEXT = {"type": "text", "text": "Hi"}


def message(**more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [TEXT],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        **more,
    }


def test_a_message_both_ways() -> None:
    body = message(
        container={"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
        usage={"input_tokens": 3, "output_tokens": 2, "service_tier": "standard"},
    )
    response = DIALECT.response.decode(body, STANDARD)
    assert response == ir.Response(
        "anthropic",
        "msg_1",
        "claude",
        candidates=(ir.Candidate((ir.Text("Hi"),), ir.Stop("end")),),
        usage=ir.Usage(input=3, output=2),
        tier="default",
        extra={"anthropic": {"container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"}}},
    )
    asked = reply()
    assert DIALECT.response.encode(response, asked) == body
    assert not asked.report.losses


REFUSED: dict[str, Any] = {"type": "refusal", "category": "cyber", "explanation": "no"}


@pytest.mark.parametrize(
    ("members", "stop"),
    [
        ({"stop_reason": "end_turn"}, ir.Stop("end")),
        ({"stop_reason": "tool_use"}, ir.Stop("tool")),
        ({"stop_reason": "max_tokens"}, ir.Stop("length")),
        ({"stop_reason": "stop_sequence", "stop_sequence": "END"}, ir.Stop("sequence", sequence="END")),
        ({"stop_reason": "pause_turn"}, ir.Stop("pause")),
        ({"stop_reason": "refusal", "stop_details": REFUSED}, ir.Stop("filter", detail=REFUSED)),
        ({"stop_reason": "model_context_window_exceeded"}, ir.Stop("context")),
        ({"stop_reason": "compaction"}, ir.Stop("compaction")),
        ({"stop_reason": "new_reason"}, ir.Stop("other", "new_reason")),
        ({"stop_reason": None}, None),
    ],
)
def test_stop_reasons_both_ways(members: dict[str, Any], stop: ir.Stop | None) -> None:
    body = message(**members)
    response = DIALECT.response.decode(body, STANDARD)
    assert response.candidates[0].stop == stop
    assert DIALECT.response.encode(response, reply()) == body


@pytest.mark.parametrize(
    ("stop", "word", "losses"),
    [
        (ir.Stop("end"), "end_turn", []),
        (ir.Stop("tool"), "tool_use", []),
        (ir.Stop("length"), "max_tokens", []),
        (ir.Stop("context"), "model_context_window_exceeded", []),
        (ir.Stop("filter"), "refusal", []),
        (ir.Stop("broken", "malformed"), "end_turn", [("candidates[0].stop", "quality")]),
        (ir.Stop("filter", detail={"x": 1}), "refusal", [("candidates[0].stop.detail", "hint")]),
    ],
)
def test_stop_reasons_of_another_provider(stop: ir.Stop, word: str, losses: list[tuple[str, str]]) -> None:
    asked = reply()
    assert DIALECT.response.encode(answer("Hi", stop=stop), asked)["stop_reason"] == word
    assert lost(asked.report) == losses


def test_calls_mean_tool_use_whatever_the_upstream_said() -> None:
    called = answer(ir.ToolCall("c", "f", "{}"), stop=ir.Stop("end"))
    assert DIALECT.response.encode(called, reply())["stop_reason"] == "tool_use"
    cut = answer(ir.ToolCall("c", "f", "{}"), stop=ir.Stop("length"))
    assert DIALECT.response.encode(cut, reply())["stop_reason"] == "max_tokens"


def test_an_answer_of_another_provider() -> None:
    asked = reply(model="shown")
    body = DIALECT.response.encode(
        answer(
            ir.Thinking("Hm."), "Hi", ir.Refusal("No."), ir.ToolCall(None, "f", '{"x":1}'), tier="default"
        ),
        asked,
    )
    assert body == {
        "id": "answer-1",
        "type": "message",
        "role": "assistant",
        "model": "shown",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            TEXT,
            {"type": "text", "text": "No."},
            {"type": "tool_use", "id": "toolu_answer-1_3", "name": "f", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2, "service_tier": "standard"},
    }
    assert not asked.report.losses
    Message.model_validate(body, strict=True)


def test_what_the_upstream_left_out_is_filled_in() -> None:
    body = DIALECT.response.encode(ir.Response(FOREIGN), reply())
    assert (body["id"], body["model"], body["content"]) == ("answer-1", "claude", [])
    assert body["usage"] == {"input_tokens": 0, "output_tokens": 0}
    Message.model_validate(body, strict=True)


def test_more_answers_than_one_and_leftovers_are_named() -> None:
    response = ir.Response(
        FOREIGN,
        candidates=(ir.Candidate((ir.Text("A"),)), ir.Candidate((ir.Text("B"),), index=1)),
        usage=ir.Usage(),
        status="completed",
        tier="flex",
        extra={FOREIGN: {"fingerprint": "f"}},
    )
    asked = reply()
    assert DIALECT.response.encode(response, asked)["content"] == [{"type": "text", "text": "A"}]
    assert lost(asked.report) == [
        ("candidates[1]", "meaning"),
        ("status", "hint"),
        ("tier", "hint"),
        ("fingerprint", "hint"),
    ]


def test_leftovers_of_a_candidate_are_named() -> None:
    candidate = ir.Candidate((ir.Text("A"),), extra={FOREIGN: {"score": 1}})
    asked = reply()
    DIALECT.response.encode(ir.Response(FOREIGN, candidates=(candidate,), usage=ir.Usage()), asked)
    assert lost(asked.report) == [("candidates[0].score", "hint")]


def test_a_failed_answer_is_an_error() -> None:
    fault = ir.Fault("upstream", "It broke.")
    with pytest.raises(RequestFailed) as caught:
        DIALECT.response.encode(ir.Response(FOREIGN, error=fault), reply())
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
        ({"error": {"message": "no", "code": 429}}, "upstream"),
        ({"error": "no"}, "upstream"),
        ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, "upstream"),
        ({"detail": "no", "content": None}, "upstream"),
    ],
)
def test_an_error_inside_a_success_is_an_error(body: dict[str, Any], kind: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        DIALECT.response.decode(body, STANDARD)
    assert caught.value.fault.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": "Hi"},
        {"content": [5]},
    ],
)
def test_what_is_no_message_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        DIALECT.response.decode(body, STANDARD)
