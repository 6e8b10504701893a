"""Texts that say nothing, as Gemini ends an answer with one that holds its signature."""

from __future__ import annotations

import msgspec

from dragoman import ir
from dragoman.dialects.openai_responses.response import encode_response
from dragoman.dialects.openai_responses.terms import NAME
from tests.unit.dialects.openai_responses.answering import (
    START,
    foreign,
    payloads,
    reply,
    streamed,
    written,
)
from tests.unit.dialects.openai_responses.asking import asked, assistant, user, write

SEAL = ir.Sealed("gemini", "S")
END = (ir.Finish(ir.Stop("end")), ir.Tally(ir.Usage(input=3, output=2)), ir.End())


def texts(response: dict[str, object]) -> list[list[str]]:
    """The texts of each message."""
    output = response["output"]
    assert isinstance(output, list)
    return [[part["text"] for part in item["content"]] for item in output]


def told(*said: ir.Event) -> list[list[str]]:
    """The texts of a streamed answer, as its events and its end agree on."""
    values = payloads(streamed(START, *said, *END))
    parts = [value for value in values if value["type"] == "response.content_part.done"]
    whole = texts(values[-1]["response"])
    assert [value["part"]["text"] for value in parts] == [text for message in whole for text in message]
    return whole


def opened(index: int, text: str) -> tuple[ir.Event, ...]:
    deltas = (ir.TextDelta(index, text),) if text else ()
    return (ir.Open(index, ir.Text("")), *deltas)


def test_one_after_words_is_left_out() -> None:
    assert texts(written(foreign(ir.Text("Hi."), ir.Text("", sealed=SEAL)))) == [["Hi."]]
    assert told(*opened(0, "Hi."), ir.Close(0), *opened(1, ""), ir.SealDelta(1, SEAL), ir.Close(1)) == [
        ["Hi."]
    ]


def test_one_that_gets_words_is_told() -> None:
    assert told(*opened(0, "Hi."), ir.Close(0), *opened(1, "Ho."), ir.Close(1)) == [["Hi.", "Ho."]]
    both = (*opened(0, "Hi."), *opened(1, ""), ir.TextDelta(0, " You."), ir.TextDelta(1, "Ho."))
    assert told(*both, ir.Close(0), ir.Close(1)) == [["Hi. You.", "Ho."]]


def test_one_with_a_source_is_told() -> None:
    source = ir.Citation(url="https://example.org", title="t")
    cited = (*opened(0, "Hi."), ir.Close(0), *opened(1, ""), ir.Cite(1, source), ir.Close(1))
    assert told(*cited) == [["Hi.", ""]]
    assert texts(written(foreign(ir.Text("Hi."), ir.Text("", citations=(source,))))) == [["Hi.", ""]]


def test_the_only_one_is_told() -> None:
    assert texts(written(foreign(ir.Text("")))) == [[""]]
    assert told(*opened(0, ""), ir.Close(0)) == [[""]]


def test_ours_is_as_it_came() -> None:
    ours = msgspec.structs.replace(foreign(ir.Text("Hi."), ir.Text("")), dialect=NAME)
    assert texts(encode_response(ours, reply())) == [["Hi.", ""]]


def test_one_beside_calls_is_not_sent_back() -> None:
    """Clients write it before the calls (`content: ""`) or after them, between them and their results."""
    called, result = ir.ToolCall("c1", "f", "{}"), ir.ToolResult("c1", (ir.Text("Yes."),))
    for said in ((ir.Text(""), called), (called, ir.Text(""))):
        body, lost = write(asked(user(ir.Text("Well?")), assistant(*said), user(result)))
        assert [item["type"] for item in body["input"]] == [
            "message",
            "function_call",
            "function_call_output",
        ]
        assert lost == {}


def test_one_of_the_users_stays() -> None:
    body, _ = write(asked(user(ir.Text(""))))
    assert body["input"][0]["content"] == [{"type": "input_text", "text": ""}]


def test_reasoning_without_words_is_no_item() -> None:
    """Many servers state `reasoning_content: ""` beside every answer."""
    thought = ir.Thinking("", form="reasoning_content")
    assert texts(written(foreign(thought, ir.Text("Hi.")))) == [["Hi."]]
