"""Items as they are kept, and compactions."""

from __future__ import annotations

import json
from typing import Any

from dragoman.state.store import Item
from dragoman.turns.items import displayed, items_of, kept, kind, unanswerable, wanted


def test_a_text_is_a_message_of_the_user() -> None:
    part = {"type": "input_text", "text": "Hi"}
    assert items_of("Hi") == [{"type": "message", "role": "user", "content": [part]}]
    assert items_of(None) == []
    assert items_of([{"a": 1}]) == [{"a": 1}]


def test_what_has_no_id_gets_one_beside_it() -> None:
    given: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"type": "function_call", "id": "fc_1", "call_id": "c"},
        {"type": "odd"},
    ]
    items = kept(given, iter("12").__next__)
    assert [item.id for item in items] == ["msg_1", "fc_1", "item_2"]
    assert [json.loads(item.body) for item in items] == given


def test_what_clients_may_leave_out_is_shown() -> None:
    def shown(**body: Any) -> dict[str, Any]:
        return displayed(Item("a_1", json.dumps(body).encode()))

    text = {"type": "input_text", "text": "Hi"}
    said = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    assert shown(role="user", content="Hi") == {
        "type": "message",
        "id": "a_1",
        "status": "completed",
        "role": "user",
        "content": [text],
    }
    assert shown(role="assistant", content="Hi")["content"] == [said]
    assert shown(role="assistant", content=[{**said, "annotations": [1]}])["content"][0]["annotations"] == [1]
    assert (
        shown(role="user", content=[{"type": "input_image", "detail": "low"}])["content"][0]["detail"]
        == "low"
    )
    assert shown(role="user", content=[{"type": "input_image"}])["content"][0]["detail"] == "auto"
    assert shown(type="function_call", status="incomplete")["status"] == "incomplete"
    assert shown(type="function_call_output", status=None)["status"] == "completed"
    assert shown(type="message", content="Hi")["content"] == [said]  # a provider's, without a role
    odd = ["Hi", {"type": ["input_image"]}, None]
    assert shown(type="message", content=odd)["content"] == odd
    assert shown(type="message", content=7)["content"] == []
    assert shown(type="reasoning", summary=[]) == {"type": "reasoning", "id": "a_1", "summary": []}


def test_references_and_unsealed_thoughts_are_looked_up() -> None:
    given: list[dict[str, Any]] = [
        {"id": "msg_1"},
        {"type": "item_reference", "id": "msg_2"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "x"},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "user", "id": "msg_3"},
    ]
    assert kind(given[0]) == "item_reference"
    assert wanted(given) == ["msg_1", "msg_2", "rs_1"]


def test_an_output_needs_its_call_before_it() -> None:
    call = {"type": "function_call", "call_id": "c"}
    output = {"type": "function_call_output", "call_id": "c", "output": ""}
    other = {"type": "custom_tool_call_output", "call_id": "d", "output": ""}
    assert unanswerable([call, output]) is None
    assert unanswerable([output, call]) == (0, "c")
    assert unanswerable([call, output, other]) == (2, "d")
    assert unanswerable([{"type": "compaction", "encrypted_content": "x"}, other]) is None
