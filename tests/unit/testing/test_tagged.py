"""Reasoning in the text of a request is found where a provider wants it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.testing.tagged import apart

CALL = ir.ToolCall("1", "look", "{}")


@pytest.mark.parametrize(
    ("role", "blocks", "expected"),
    [
        ("assistant", (ir.Text("<think>\na\n</think>\n\nb"), CALL), (ir.Thinking("a"), ir.Text("b"), CALL)),
        ("assistant", (ir.Text("<think>\na\n</think>\n\n"),), (ir.Thinking("a"),)),
        ("assistant", (ir.Text("b"),), (ir.Text("b"),)),
        ("assistant", (CALL, ir.Text("<think>a</think>")), (CALL, ir.Text("<think>a</think>"))),
        ("assistant", (), ()),
        ("user", (ir.Text("<think>a</think>b"),), (ir.Text("<think>a</think>b"),)),
    ],
)
def test_only_the_beginning_of_an_assistant_message_is_divided(
    role: Any, blocks: tuple[ir.Block, ...], expected: tuple[ir.Block, ...]
) -> None:
    request = ir.Request("openai_chat", "m", (ir.Message(role, blocks),))
    assert apart(request).messages[0].blocks == expected
