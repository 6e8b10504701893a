"""A shell that OpenAI runs in its own container: what clients and models of other protocols learn of it.

The items are as OpenAI wrote them (recorded 2026-02, shortened).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses.builtins import stands_for
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from tests.unit.dialects.stated import WITH_TOOLS

CALL: dict[str, Any] = {
    "id": "sh_0f1a",
    "type": "shell_call",
    "status": "completed",
    "action": {"commands": ["echo hello"], "max_output_length": None, "timeout_ms": None},
    "call_id": "call_abc123",
    "environment": {"type": "container_reference", "container_id": "cntr_aabb"},
}
RESULT: dict[str, Any] = {
    "id": "sho_0f1a",
    "type": "shell_call_output",
    "status": "completed",
    "call_id": "call_abc123",
    "max_output_length": None,
    "output": [{"outcome": {"type": "exit", "exit_code": 0}, "stderr": "", "stdout": "hello from there"}],
}
SAID: dict[str, Any] = {
    "id": "msg_0f1a",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It says hello.", "annotations": []}],
}
ANSWER: dict[str, Any] = {
    "id": "resp_0f1a",
    "object": "response",
    "created_at": 1771009000,
    "status": "completed",
    "model": "gpt-5.2",
    "output": [CALL, RESULT, SAID],
    "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18},
}
OTHERS = [name for name in DIALECTS if name != "openai_responses"]


def events() -> list[ir.Event]:
    begun = {**ANSWER, "status": "in_progress", "output": [], "usage": None}
    frames: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for number, item in enumerate(ANSWER["output"]):
        for kind in ("added", "done"):
            event = {"type": f"response.output_item.{kind}", "output_index": number, "item": item}
            frames.append(event)
    frames.append({"type": "response.completed", "response": ANSWER})
    decoder = DIALECT.stream.decoder(STANDARD)
    return [event for frame in frames for event in decoder.feed(json.dumps(frame).encode())]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", OTHERS)
def test_no_client_is_asked_to_run_what_openai_has_run(name: str, streamed: bool) -> None:
    answer = ir.fold(events()) if streamed else DIALECT.response.decode(ANSWER, STANDARD)
    (candidate,) = answer.candidates
    assert candidate.stop == ir.Stop("end")
    assert not [block for block in candidate.blocks if isinstance(block, ir.ToolCall)]
    report = Report(name, "response")
    reply = Reply(ir.Request(name, "m", stream_usage=True), report, "id-1", 1)
    if streamed:
        encoder = DIALECTS[name].stream.encoder(reply)
        sent = b"".join(map(encoder.feed, events())).decode(errors="replace")
    else:
        sent = json.dumps(DIALECTS[name].response.encode(answer, reply))
    assert "It says hello." in sent
    assert "call_abc123" not in sent
    assert "echo hello" not in sent
    lost = [loss.path for loss in report.losses]
    assert {"candidates[0].blocks[0]", "candidates[0].blocks[1]"} <= set(lost)


@pytest.mark.parametrize("name", [name for name in OTHERS if name in WITH_TOOLS])
def test_models_of_other_protocols_read_the_call_and_its_output(name: str) -> None:
    asked = [{"role": "user", "content": "Greet."}, CALL, RESULT, SAID, {"role": "user", "content": "More."}]
    body = {"model": "m", "input": asked, "tools": [{"type": "shell", "environment": CALL["environment"]}]}
    wire = WireRequest("chat", body)
    target, report = DIALECTS[name], Report(name)
    request = emulate(DIALECT.request.decode(wire), target.abilities, UNKNOWN, STANDARD, report).request
    written = target.request.encode(request, Target(report, "m"))
    blocks = [block for message in target.request.decode(written).messages for block in message.blocks]
    (call,) = [block for block in blocks if isinstance(block, ir.ToolCall)]
    (result,) = [block for block in blocks if isinstance(block, ir.ToolResult)]
    assert (call.name, json.loads(call.arguments)) == ("shell", {"commands": ["echo hello"]})
    assert result.id == call.id
    assert "hello from there" in str(result.content)
    losses, _ = report.located(DIALECT.locator(wire))
    assert [(loss.path, loss.severity) for loss in losses] == [
        ("$.input[1].environment", "hint"),
        ("$.tools[0]", "meaning"),
    ]


@pytest.mark.parametrize("stated", [{}, {"execution": None}, {"execution": "client"}])
def test_a_null_execution_is_an_absent_one(stated: dict[str, Any]) -> None:
    item = {"type": "tool_search_call", "call_id": "call_1", "arguments": {"query": "mail"}, **stated}
    assert stands_for(item) == ir.ToolCall("call_1", "tool_search", '{"query":"mail"}', "builtin")
