"""Streams whose events do not number their items, or that leave out events, are read all the same."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bounds import MOST_OPEN
from dragoman.dialects.openai_responses.placing import Places
from dragoman.errors import WireError
from dragoman.testing.case import check_grammar
from tests.unit.dialects.openai_responses.answering import body, call, events, message, sent, text


def told(*values: dict[str, Any]) -> ir.Response:
    """The answer that a stream adds up to, whose grammar holds."""
    found = events(*values)
    check_grammar(found)
    return ir.fold(found)


CREATED = sent("created", response={"id": "resp_1", "object": "response", "status": "in_progress"})
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": []}


def added(item: dict[str, Any]) -> dict[str, Any]:
    return sent("output_item.added", item=item)


def done(item: dict[str, Any]) -> dict[str, Any]:
    return sent("output_item.done", item=item)


def test_a_stream_of_llamacpp() -> None:
    """It numbers nothing, and ends all items together."""
    thought = {**THOUGHT, "content": [{"type": "reasoning_text", "text": "Hm."}]}
    calls = [{**call(), "id": f"fc_{at}", "call_id": f"call_{at}", "name": f"look_{at}"} for at in (0, 1)]
    response = told(
        CREATED,
        added(THOUGHT),
        sent("reasoning_text.delta", item_id="rs_1", delta="Hm."),
        added(message(status="in_progress")),
        sent("content_part.added", item_id="msg_1", part=text("")),
        sent("output_text.delta", item_id="msg_1", delta="Hel"),
        sent("output_text.delta", item_id="msg_1", delta="lo"),
        *(
            event
            for one in calls
            for event in (
                added({**one, "arguments": "", "status": "in_progress"}),
                sent("function_call_arguments.delta", item_id=one["id"], delta="{}"),
            )
        ),
        done(thought),
        done(message("Hello")),
        *map(done, calls),
        sent("completed", response=body(thought, message("Hello"), *calls)),
    )
    thinking, words, *called = response.candidates[0].blocks
    assert isinstance(thinking, ir.Thinking)
    assert isinstance(words, ir.Text)
    assert (thinking.text, words.text) == ("Hm.", "Hello")
    assert [(one.id, one.name, one.arguments) for one in called if isinstance(one, ir.ToolCall)] == [
        ("call_0", "look_0", "{}"),
        ("call_1", "look_1", "{}"),
    ]
    assert response.candidates[0].stop == ir.Stop("tool")


def test_items_without_an_id_are_found_by_their_type() -> None:
    item = {"type": "message", "role": "assistant", "content": [text("OK")]}
    response = told(
        CREATED,
        added({"type": "message", "role": "assistant", "content": []}),
        sent("output_text.delta", delta="OK"),
        done(item),
        sent("completed", response=body(item)),
    )
    (words,) = response.candidates[0].blocks
    assert isinstance(words, ir.Text)
    assert words.text == "OK"


def test_a_stream_of_text_and_an_end_alone() -> None:
    """https://github.com/anomalyco/opencode/issues/40325"""
    found = events(
        {"type": "ping", "cost": "0"},
        sent("output_text.delta", delta="Hel"),
        sent("output_text.delta", delta="lo"),
        sent("completed", response={"id": "resp_1", "model": "m"}),
    )
    check_grammar(found)
    response = ir.fold(found)
    assert response.candidates == (ir.Candidate((ir.Text("Hello"),), ir.Stop("end")),)
    assert response.model == "m"
    assert [event.value for event in found if isinstance(event, ir.Raw)] == [{"type": "ping", "cost": "0"}]


def test_reasoning_may_begin_without_its_item() -> None:
    response = told(
        sent("reasoning_text.delta", delta="Hm."), sent("completed", response={"status": None, "output": []})
    )
    assert response.candidates == (ir.Candidate((ir.Thinking("Hm."),), ir.Stop("end")),)


@pytest.mark.parametrize(
    ("kind", "stop"),
    [
        ("done", ir.Stop("end")),
        ("incomplete", ir.Stop("other")),
        ("cancelled", ir.Stop("error", "cancelled")),
    ],
)
def test_the_last_event_tells_the_status_if_the_response_does_not(kind: str, stop: ir.Stop) -> None:
    response = told(CREATED, sent("output_text.delta", delta="Hi"), sent(kind, response={"id": "resp_1"}))
    assert response.candidates[0].stop == stop


def test_arguments_of_a_call_that_nobody_named_are_refused() -> None:
    with pytest.raises(WireError, match="not open"):
        events(CREATED, sent("function_call_arguments.delta", delta="{}"))


def test_numbers_that_are_stated_are_kept() -> None:
    places = Places()
    places.find("response.output_item.added", {"output_index": 4, "item": {"type": "message", "id": "a"}})
    known: dict[str, Any] = {"item_id": "a"}
    places.find("response.output_text.delta", known)
    following: dict[str, Any] = {"item": {"type": "message", "id": "b"}}
    places.find("response.output_item.added", following)
    assert (known["output_index"], following["output_index"]) == (4, 5)


def test_so_many_items_at_once_are_refused() -> None:
    places = Places()
    for at in range(MOST_OPEN):
        places.find("response.output_item.added", {"item": {"type": "message", "id": f"i{at}"}})
    with pytest.raises(WireError, match="open items"):
        places.find("response.output_item.added", {"item": {"type": "message", "id": "one more"}})
