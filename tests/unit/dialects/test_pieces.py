"""Places in a request whose answers were put together are places in the client's own request."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.pieces import joined

ASK = ir.Message("user", (ir.Text("Hi"),))


def piece(*blocks: ir.Block) -> ir.Message:
    return ir.Message("assistant", blocks)


@pytest.mark.parametrize(
    ("messages", "places"),
    [
        (
            (ASK, piece(ir.Text("a")), piece(ir.Text("b")), ASK),
            {"messages[0].blocks[0]": "messages[0].blocks[0]", "messages[1].blocks[0]": "messages[1]"},
        ),
        (
            (ASK, piece(ir.Text("a")), piece(ir.Text("b")), ASK),
            {"messages[2].blocks[0]": "messages[3].blocks[0]", "tools[0]": "tools[0]"},
        ),
        (
            (ASK, piece(ir.Text("a")), piece(ir.Text("b"), ir.ToolCall("c", "f", "{}"))),
            {"messages[1].blocks[1]": "messages[1]"},
        ),
        ((ASK, piece(ir.Text("a"))), {"messages[1].blocks[0]": "messages[1].blocks[0]"}),
    ],
)
def test_a_place_in_a_whole_answer(messages: tuple[ir.Message, ...], places: dict[str, str]) -> None:
    locate = joined(ir.Request("gemini", "m", messages)).located(lambda where: where)
    assert {where: locate(where) for where in places} == places
