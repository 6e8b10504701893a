"""Items to blocks and back: what an item says is in the blocks, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.builtins import called
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.items import decode_item, encode_items, native
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.errors import WireError

DONE = ir.Item("x_1", "completed")
HEAD = {"id": "x_1", "status": "completed"}

ITEMS: list[tuple[dict[str, Any], str, tuple[ir.Block, ...]]] = [
    (
        {
            "type": "message",
            **HEAD,
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Hi", "annotations": []},
                {"type": "refusal", "refusal": "No"},
            ],
        },
        "assistant",
        (ir.Text("Hi", item=DONE), ir.Refusal("No", item=DONE)),
    ),
    (
        {
            "type": "message",
            "role": "developer",
            "phase": "commentary",
            "content": [{"type": "input_text", "text": "x"}],
        },
        "developer",
        (ir.Text("x", item=ir.Item(phase="commentary")),),
    ),
    (
        {"type": "function_call", **HEAD, "call_id": "c1", "name": "f", "arguments": "{", "namespace": "n"},
        "assistant",
        (ir.ToolCall("c1", "f", "{", namespace="n", item=DONE),),
    ),
    (
        {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "free", "caller": "me"},
        "assistant",
        (ir.ToolCall("c1", "f", "free", "custom", item=ir.Item(extra={NAME: {"caller": "me"}})),),
    ),
    (
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
        "user",
        (ir.ToolResult("c1", (ir.Text("ok"),)),),
    ),
    (
        {
            "type": "custom_tool_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "ok"}, {"type": "input_image", "file_id": "f1"}],
        },
        "user",
        (ir.ToolResult("c1", (ir.Text("ok"), ir.Media("image", file="f1")), kind="custom", form="parts"),),
    ),
    (
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "content": [{"type": "reasoning_text", "text": "raw"}],
            "encrypted_content": "opaque",
        },
        "assistant",
        (ir.Thinking("raw", ("a", "b"), ir.Sealed(NAME, "opaque"), item=ir.Item("rs_1")),),
    ),
    (
        {
            "type": "image_generation_call",
            **HEAD,
            "result": "AAAA",
            "output_format": "webp",
        },
        "assistant",
        (
            ir.Media(
                "image",
                "image/webp",
                "AAAA",
                item=ir.Item("x_1", "completed", extra={NAME: {"output_format": "webp"}}),
            ),
        ),
    ),
]


def encode(*blocks: ir.Block, own: bool = True, answer: bool = False) -> list[dict[str, Any]]:
    draft = Draft(
        Report(NAME), own=own, answer=answer, mint=(lambda prefix: f"{prefix}_new") if answer else None
    )
    return encode_items(blocks, draft)


@pytest.mark.parametrize(("item", "role", "blocks"), ITEMS)
def test_items_become_blocks_and_items_again(
    item: dict[str, Any], role: ir.Role, blocks: tuple[ir.Block, ...]
) -> None:
    assert decode_item(item) == (role, blocks)
    assert encode_items(blocks, Draft(Report(NAME), own=True), role=role) == [item]


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ({"type": "web_search_call", **HEAD, "action": {"type": "search", "query": "x"}}, "assistant"),
        ({"type": "compaction", "id": "x_1", "encrypted_content": "opaque"}, "assistant"),
        ({"type": "item_reference", "id": "x_1"}, "user"),
        ({"id": "x_1"}, "user"),
        ({"type": "additional_tools", "role": "developer", "tools": []}, "developer"),
        ({"type": "function_call", "call_id": "c1", "name": 7, "arguments": "{}"}, "assistant"),
        ({"type": "message", "role": "assistant", "content": []}, "assistant"),
        ({"type": "something_new", "value": [1]}, "assistant"),
    ],
)
def test_what_no_block_fits_is_kept_whole(item: dict[str, Any], role: str) -> None:
    said, blocks = decode_item(item)
    assert said == role
    assert [block.value for block in blocks if isinstance(block, ir.Native)] == [item]
    assert encode(*blocks) == [item]


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"type": "message", "role": "assistant", "content": [5]}, "output[3].content[0]"),
        ({"type": "function_call_output", "call_id": "c", "output": [5]}, "output[3].output[0]"),
    ],
)
def test_a_part_that_is_no_object_is_named_with_its_item(item: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as raised:
        decode_item(item, "output[3]")
    assert raised.value.path == path


def test_neighbouring_parts_of_one_item_are_one_message() -> None:
    other = ir.Item("x_2")
    items = encode(ir.Text("a", item=DONE), ir.Text("b", item=DONE), ir.Text("c", item=other))
    assert [[part["text"] for part in item["content"]] for item in items] == [["a", "b"], ["c"]]


def test_answers_get_ids_and_states() -> None:
    items = encode(ir.Thinking("t"), ir.Text("a"), ir.ToolCall(None, "f"), own=False, answer=True)
    assert [(item["id"], item.get("status")) for item in items] == [
        ("rs_new", None),
        ("msg_new", "completed"),
        ("fc_new", "completed"),
    ]
    assert items[2]["arguments"] == "{}"
    assert items[1]["content"] == [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]


@pytest.mark.parametrize("origin", ["anthropic", "azure.eu/gpt-5.1", "50%.x"])
def test_a_foreign_seal_finds_its_way_back(origin: str) -> None:
    (item,) = encode(ir.Thinking("t", sealed=ir.Sealed(origin, "pay.load")), own=False, answer=True)
    _, (block,) = decode_item(item)
    assert isinstance(block, ir.Thinking)
    assert block.sealed == ir.Sealed(origin, "pay.load")


def test_a_foreign_seal_is_not_sent_to_the_provider() -> None:
    report = Report(NAME)
    thought = ir.Thinking("t", sealed=ir.Sealed("anthropic", "x"))
    assert encode_items((thought,), Draft(report, own=True)) == []
    assert [loss.path for loss in report.losses] == ["blocks[0]"]


def test_a_search_of_another_provider_is_shown() -> None:
    call = ir.ToolCall("s1", "web_search", '{"query": "cats"}', "builtin", "provider")
    (item,) = encode(call, own=False, answer=True)
    assert item == {
        "type": "web_search_call",
        "id": "ws_new",
        "status": "completed",
        "action": {"type": "search", "query": "cats"},
    }


@pytest.mark.parametrize("arguments", ["[" * 200_000 + "]" * 200_000, '{"query": "\ud800"}'])
def test_a_search_with_unreadable_arguments_has_no_query(arguments: str) -> None:
    call = ir.ToolCall("s1", "web_search", arguments, "builtin", "provider")
    (item,) = encode(call, own=False, answer=True)
    assert item["action"] == {"type": "search", "query": ""}


def test_a_call_with_too_deep_arguments_has_no_item_of_its_own() -> None:
    call = ir.ToolCall("s1", "shell", "[" * 200_000 + "]" * 200_000, "builtin")
    assert called(call) is None


def test_a_native_of_an_answer_is_the_item_that_it_was() -> None:
    kept = ir.Native(NAME, "compaction", {"type": "compaction"})
    assert native(kept) is kept
    picture = native(ir.Media("image", "image/png", "AAAA", item=DONE))
    assert picture.value == {"type": "image_generation_call", **HEAD, "result": "AAAA"}


def test_what_stands_for_an_item_keeps_its_unknown_members() -> None:
    call = {
        "type": "local_shell_call",
        "call_id": "c",
        "action": {"type": "exec", "command": ["ls"]},
        "odd": 1,
    }
    for item in (call, {"type": "local_shell_call_output", "id": "c", "output": "a", "odd": 1}):
        (block,) = decode_item(item)[1]
        assert isinstance(block, ir.Native)
        plain = block.stands_for
        assert isinstance(plain, ir.ToolCall | ir.ToolResult)
        assert plain.item == ir.Item(extra={"openai_responses": {"odd": 1}})
