"""Content that only its own protocol knows: refused in a question, put into words where it can be."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.unknown import in_words
from dragoman.errors import WireError

ODD = ir.Native("anthropic", "hologram", {})
NAMED = ir.Native("anthropic", "tool_reference", {}, stands_for=ir.Text("the tool a"))


def asked(*blocks: ir.Block, role: str = "user") -> ir.Request:
    return ir.Request("anthropic", "m", (ir.Message(role, blocks),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blocks", "path"),
    [
        ((ir.Text("a"), ODD), "messages[0].blocks[1]"),
        ((ir.ToolResult("1", (ODD,)),), "messages[0].blocks[0].content[0]"),
    ],
)
def test_half_a_question_is_refused_with_its_place(blocks: tuple[ir.Block, ...], path: str) -> None:
    with pytest.raises(WireError, match="'hologram' is unknown") as refused:
        in_words(asked(*blocks))
    assert refused.value.path == path


def test_an_earlier_answer_may_hold_it() -> None:
    request = asked(ODD, role="assistant")
    assert in_words(request) is request


def test_what_words_can_say_becomes_words() -> None:
    request = in_words(asked(NAMED, ir.ToolResult("1", (NAMED,))))
    assert request.messages[0].blocks == (
        ir.Text("the tool a"),
        ir.ToolResult("1", (ir.Text("the tool a"),)),
    )
