"""Histories of other dialects as Cohere takes them."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.errors import WireError
from tests.unit.dialects.cohere.speaking import foreign, lost, written

ASK = ir.Message("user", (ir.Text("Rain?"),))
CALL = ir.ToolCall("toolu_1", "look", '{"a":"b"}')
WIRE_CALL = {"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": '{"a":"b"}'}}


def answered(*blocks: ir.Block, error: bool | None = None) -> ir.Message:
    return ir.Message("user", (ir.ToolResult("toolu_1", blocks, error=error),))


def test_text_before_calls_is_the_plan_and_thinking_goes_back() -> None:
    said = ir.Message("assistant", (ir.Thinking("Hm."), ir.Text("I look."), CALL))
    body, report = written(foreign(ASK, said, answered(ir.Text("yes"))))
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "tool_plan": "I look.",
            "content": [{"type": "thinking", "thinking": "Hm."}],
            "tool_calls": [WIRE_CALL],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "yes"},
    ]
    assert lost(report) == {}


def test_seals_and_withheld_thinking_are_lost() -> None:
    sealed = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "s"))
    withheld = ir.Thinking(redacted=True, sealed=ir.Sealed("anthropic", "s"))
    body, report = written(foreign(ASK, ir.Message("assistant", (sealed, withheld, ir.Text("No."))), ASK))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "No."},
    ]
    assert lost(report)["messages[1].blocks[1]"] == "hint"


def test_documents_of_a_result_are_parts_and_images_move() -> None:
    document = ir.Media("document", text="rain", name="Oslo")
    image = ir.Media("image", "image/png", "AAAA")
    said = ir.Message("assistant", (CALL,))
    body, _ = written(foreign(ASK, said, answered(ir.Text("two"), document, image)))
    result, moved = body["messages"][2:]
    assert result["content"][0]["text"].startswith("two")
    assert result["content"][1] == {
        "type": "document",
        "document": {"data": {"title": "Oslo", "text": "rain"}},
    }
    assert moved["role"] == "user"
    assert {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}} in moved["content"]


def test_a_call_without_a_result_gets_one() -> None:
    body, _ = written(foreign(ASK, ir.Message("assistant", (CALL,)), ASK))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "user"]
    assert "never answered" in body["messages"][2]["content"]


def test_a_failed_tool_and_a_developer() -> None:
    developer = ir.Message("developer", (ir.Text("Be brief."),))
    failed = answered(ir.Text("no net"), error=True)
    body, _ = written(foreign(developer, ASK, ir.Message("assistant", (CALL,)), failed))
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["messages"][3]["content"] == "Error: no net"


def test_system_text_may_stand_anywhere() -> None:
    system = ir.Message("system", (ir.Text("Be kind."),))
    body, report = written(foreign(ASK, ir.Message("assistant", (ir.Text("No."),)), system, ASK))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "system", "user"]
    assert report.changes == []


@pytest.mark.parametrize("kind", ["audio", "video", "document"])
def test_media_that_it_cannot_read_are_refused(kind: str) -> None:
    media = ir.Media(kind, "a/b", "AAAA")  # type: ignore[arg-type]
    with pytest.raises(WireError) as refused:
        written(foreign(ir.Message("user", (ir.Text("This?"), media))))
    assert refused.value.path == "messages[0].blocks[1]"
    assert refused.value.code == "unsupported_modality"
