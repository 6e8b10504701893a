"""Thoughts of other protocols, for clients that ask for a summary: they show nothing else to people."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.openai_responses.response import encode_response
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.dialects.reply import Reply
from tests.unit.dialects.openai_responses.answering import (
    START,
    foreign,
    kinds,
    payloads,
    reply,
    streamed,
)

END = (ir.Finish(ir.Stop("end")), ir.End())
SEAL = ir.Sealed("anthropic", "S")


def wished(reasoning: ir.Reasoning | None) -> Reply:
    """An answer to a client that wants its thoughts so."""
    return msgspec.structs.replace(reply(), request=ir.Request(NAME, "m", reasoning=reasoning))


ASKS = wished(ir.Reasoning(effort="high", summary="auto"))


def item(response: ir.Response, to: Reply) -> dict[str, Any]:
    (made,) = encode_response(response, to)["output"]
    return {key: value for key, value in made.items() if key not in {"id", "type"}}


def test_a_whole_thought_is_a_summary() -> None:
    assert item(foreign(ir.Thinking("I look.", sealed=SEAL)), ASKS) == {
        "summary": [{"type": "summary_text", "text": "I look."}],
        "encrypted_content": "dgm1.anthropic.S",
    }


@pytest.mark.parametrize("reasoning", [None, ir.Reasoning(effort="high")])
def test_without_the_wish_it_is_told_as_it_is(reasoning: ir.Reasoning | None) -> None:
    made = item(foreign(ir.Thinking("I look.")), wished(reasoning))
    assert made == {"summary": [], "content": [{"type": "reasoning_text", "text": "I look."}]}


def test_a_summary_that_a_thought_has_goes_behind_it() -> None:
    made = item(foreign(ir.Thinking("long", ("short",))), ASKS)
    assert [part["text"] for part in made["summary"]] == ["long", "short"]


def test_ours_is_as_it_came() -> None:
    response = msgspec.structs.replace(foreign(ir.Thinking("raw")), dialect=NAME)
    assert item(response, ASKS)["content"] == [{"type": "reasoning_text", "text": "raw"}]


def test_a_streamed_thought_is_a_summary() -> None:
    said = (
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "I "),
        ir.ThinkDelta(0, "look."),
        ir.SealDelta(0, SEAL),
        ir.Close(0),
    )
    values = payloads(streamed(START, *said, *END, for_=ASKS))[2:-1]
    assert kinds(values) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert values[4]["text"] == "I look."
    assert values[-1]["item"]["summary"] == [{"type": "summary_text", "text": "I look."}]
    assert "content" not in values[-1]["item"]


@pytest.mark.parametrize("told", ["at once", "in pieces"])
def test_a_streamed_summary_is_numbered_behind_the_thought(told: Literal["at once", "in pieces"]) -> None:
    said: tuple[ir.Event, ...] = (ir.Open(0, ir.Thinking("long", ("short",))), ir.Close(0))
    if told == "in pieces":
        said = (
            ir.Open(0, ir.Thinking()),
            ir.ThinkDelta(0, "long"),
            ir.ThinkDelta(0, "short", part=0),
            ir.Close(0),
        )
    values = payloads(streamed(START, *said, *END, for_=ASKS))[2:-1]
    done = [value for value in values if value["type"] == "response.reasoning_summary_text.done"]
    assert [(value["summary_index"], value["text"]) for value in done] == [(0, "long"), (1, "short")]
    assert [part["text"] for part in values[-1]["item"]["summary"]] == ["long", "short"]
