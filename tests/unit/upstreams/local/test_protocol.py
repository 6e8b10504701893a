from __future__ import annotations

import pytest

from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.protocol import (
    MAX_FRAME,
    Cancel,
    Delta,
    Done,
    Draw,
    Failed,
    Generate,
    Inspect,
    Invocation,
    Loaded,
    Options,
    Order,
    PromptTurn,
    Reply,
    Report,
    Started,
    TokenProb,
    ToolSpec,
    Unload,
)

ORDERS: list[Order] = [
    Generate(
        7,
        Options("model.gguf", context=100),
        (
            PromptTurn("assistant", "é", (Invocation("a", "{}", "1"),)),
            PromptTurn("tool", "x", name="a", id="1"),
        ),
        tools=(ToolSpec("a", None, '{"type": "object"}'),),
        draw=Draw(seed=1, bias=((3, -1.5),), top_logprobs=2),
        stop=("\n",),
    ),
    Cancel(7),
    Unload("model.gguf"),
    Inspect(8),
]
ANSWERS: list[Reply] = [
    Started(7, 12),
    Delta(7, "é", (TokenProb(1, b"\xc3", -0.5, (TokenProb(2, b"a", -1.0),)),)),
    Done(7, "sequence", 3, "\n"),
    Failed(7, "overloaded", "full"),
    Report(8, (Loaded(Options("model.gguf"), 100),), waiting=1),
]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_arrives_as_it_left(order: Order) -> None:
    frame = protocol.frame(order)
    assert protocol.length(frame[:4]) == len(frame) - 4
    assert protocol.order(frame[4:]) == order


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_arrives_as_it_left(answer: Reply) -> None:
    assert protocol.answer(protocol.frame(answer)[4:]) == answer


def test_a_length_that_is_none_of_ours_is_refused() -> None:
    assert protocol.length(MAX_FRAME.to_bytes(4, "big")) == MAX_FRAME
    with pytest.raises(ValueError, match="out of step"):
        protocol.length(b"HTTP")
