"""Signatures in chat's form: Google's documented carrier for calls, and what becomes of all others."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from tests.unit.dialects.openai_chat.speaking import (
    FOREIGN,
    HELLO,
    again,
    chunk,
    decoded,
    deltas_of,
    folded,
    foreign,
    lost,
    read,
    streamed,
    told,
    written,
)

CARRIER = {"google": {"thought_signature": "c2ln"}}
SEAL = ir.Sealed("gemini", "c2ln")
OTHER = ir.Sealed("elsewhere", "c2ln")
CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED = {**CALL, "extra_content": CARRIER}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "4"}


def test_the_carrier_is_read_in_a_history() -> None:
    request = decoded(HELLO, {"role": "assistant", "tool_calls": [SIGNED]}, RESULT)
    assert request.messages[1].blocks == (ir.ToolCall("c", "f", "{}", sealed=SEAL),)


def test_the_carrier_is_read_in_an_answer() -> None:
    response = read({"content": None, "tool_calls": [SIGNED]}, "tool_calls")
    assert response.candidates[0].blocks == (ir.ToolCall("c", "f", "{}", sealed=SEAL),)


def test_the_carrier_is_read_in_a_stream() -> None:
    first = {"tool_calls": [{"index": 0, **CALL}]}
    late = {"tool_calls": [{"index": 0, "extra_content": CARRIER}]}
    response = folded(chunk(first), chunk(late), chunk(finish="tool_calls"))
    assert response.candidates[0].blocks == (ir.ToolCall("c", "f", "{}", sealed=SEAL),)


def test_a_signed_call_of_any_dialect_is_shown_with_its_signature() -> None:
    body, report = told(ir.ToolCall("c", "f", "{}", sealed=SEAL), stop=ir.Stop("tool"))
    assert body["choices"][0]["message"]["tool_calls"] == [SIGNED]
    assert lost(report) == {}


@pytest.mark.parametrize("late", [False, True])
def test_a_signed_call_is_streamed_with_its_signature(late: bool) -> None:
    call = ir.ToolCall("c", "f", sealed=None if late else SEAL)
    events: list[ir.Event] = [ir.Start(FOREIGN), ir.Open(0, call), ir.ArgsDelta(0, "{}")]
    events += [ir.SealDelta(0, SEAL)] if late else []
    deltas = deltas_of(streamed([*events, ir.Close(0)]))
    shown = [
        part["extra_content"] for delta in deltas for part in delta["tool_calls"] if "extra_content" in part
    ]
    assert shown == [CARRIER]  # once: clients join the strings of all deltas


def test_only_the_client_of_this_dialect_may_bring_it_back() -> None:
    own = again(HELLO, {"role": "assistant", "tool_calls": [SIGNED]}, RESULT)
    assert own["messages"][1]["tool_calls"] == [SIGNED]
    body, report = written(
        foreign(
            ir.Message("assistant", (ir.ToolCall("c", "f", "{}", sealed=SEAL),)),
            ir.Message("user", (ir.ToolResult("c", (ir.Text("4"),)),)),
        )
    )
    assert "extra_content" not in body["messages"][0]["tool_calls"][0]
    assert lost(report) == {"messages[0].blocks[0].sealed": "quality"}


SEALED: list[ir.Block] = [
    ir.ToolCall("c", "f", "{}", sealed=OTHER),
    ir.Text("Hi.", sealed=SEAL),
    ir.Thinking("Hm.", sealed=OTHER),
    ir.Thinking(sealed=OTHER, redacted=True),
    ir.Media("image", "image/png", "AAAA", sealed=SEAL),
    ir.Media("audio", "audio/pcm", "AAAA", sealed=SEAL),
]


@pytest.mark.parametrize("block", SEALED)
def test_other_seals_are_not_shown_which_is_no_loss(block: ir.Block) -> None:
    body, report = told(block)
    assert "c2ln" not in str(body)
    assert lost(report) == {}
    assert [change.path for change in report.changes if (change.path or "").endswith(".sealed")] == [
        "candidates[0].blocks[0].sealed"
    ]


@pytest.mark.parametrize("block", SEALED)
def test_other_seals_are_not_streamed_either(block: ir.Block) -> None:
    response = ir.Response(FOREIGN, "i", "m", 1, (ir.Candidate((block,), ir.Stop("end")),))
    assert b"c2ln" not in streamed(ir.unfold(response))


@pytest.mark.parametrize("block", SEALED)
def test_in_a_request_every_seal_of_another_is_lost(block: ir.Block) -> None:
    _, report = written(foreign(ir.Message("assistant", (block,)), ir.Message("user", (ir.Text("x"),))))
    assert "messages[0].blocks[0].sealed" in lost(report)
