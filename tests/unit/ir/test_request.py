"""What a request holds, seen as a whole."""

from __future__ import annotations

import pytest

from dragoman import ir

PICTURE = ir.Media("image", url="https://a.example/a.png")
PAGES = ir.Media("document", blocks=(ir.Text("One."), ir.Json({"a": 1})))
CASES: list[tuple[tuple[ir.Block, ...], set[type]]] = [
    ((), set()),
    ((ir.Text("a"), ir.Text("b")), {ir.Text}),
    ((ir.ToolCall("a", "f", "{}"), ir.Thinking("hm")), {ir.ToolCall, ir.Thinking}),
    ((ir.ToolResult("a", (ir.Text("b"), PICTURE)),), {ir.ToolResult, ir.Text, ir.Media}),
    ((ir.ToolResult("a", (PAGES,)),), {ir.ToolResult, ir.Media, ir.Text, ir.Json}),
]


@pytest.mark.parametrize(("blocks", "kinds"), CASES)
def test_kinds_are_those_of_all_blocks(blocks: tuple[ir.Block, ...], kinds: set[type]) -> None:
    message = ir.Message("user", blocks)
    assert ir.kinds(ir.Request("t", "m", (ir.Message("user", ()), message))) == kinds
    assert ir.kinds(ir.Request("t", "m", system=blocks)) == kinds


@pytest.mark.parametrize(("blocks", "kinds"), CASES)
def test_only_text_is_a_request_of_texts(blocks: tuple[ir.Block, ...], kinds: set[type]) -> None:
    request = ir.Request("t", "m", (ir.Message("user", blocks),))
    assert ir.only_text(request) is (kinds <= {ir.Text})
