"""Which messages of a history are one turn of the assistant, and how protocols of messages write it."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.turns import turns

USER = ir.Message("user", (ir.Text("Hi"),))
TEXT = ir.Message("assistant", (ir.Text("I look."),))
THOUGHT = ir.Message("assistant", (ir.Thinking("So."),))
ONE = ir.Message("assistant", (ir.ToolCall("call_1", "look", "{}"),))
TWO = ir.Message("assistant", (ir.ToolCall("call_2", "read", "{}"),))
RESULTS = tuple(ir.Message("user", (ir.ToolResult(f"call_{n}", (ir.Text(str(n)),)),)) for n in (1, 2))


@pytest.mark.parametrize(
    ("messages", "sizes"),
    [
        ((), []),
        ((USER, USER), [1, 1]),
        ((TEXT, TEXT), [1, 1]),
        ((TEXT, ONE, TWO, USER, ONE), [3, 1, 1]),
        ((THOUGHT, ONE, TEXT, TEXT), [3, 1]),
        ((USER, THOUGHT, TEXT), [1, 2]),
    ],
)
def test_what_one_turn_is(messages: tuple[ir.Message, ...], sizes: list[int]) -> None:
    found = list(turns(messages))
    assert [len(turn) for _, turn in found] == sizes
    assert [message for _, turn in found for message in turn] == list(messages)
    assert [index for index, _ in found] == [sum(sizes[:place]) for place in range(len(sizes))]


@pytest.mark.parametrize("name", ["openai_chat", "mistral"])
def test_the_calls_of_a_turn_stand_in_one_message(name: str) -> None:
    report = Report(name)
    request = ir.Request("items", "m", (USER, THOUGHT, ONE, TEXT, TWO, *RESULTS, TEXT, USER))
    messages = DIALECTS[name].request.encode(request, Target(report)).body["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "tool"),
        *("assistant", "user"),
    ]
    turn = messages[1]
    assert turn["content"] == "I look."
    ids = [call["id"] for call in turn["tool_calls"]]
    assert [message["tool_call_id"] for message in messages[2:4]] == ids
    assert [message["content"] for message in messages[2:4]] == ["1", "2"]
    assert all(loss.path == "messages[1].blocks[0]" for loss in report.losses)


CHUNKS = tuple(ir.Message("assistant", (ir.Text(text),)) for text in ("The Lo", "ire ", "flows."))


@pytest.mark.parametrize(
    ("messages", "sizes"),
    [((USER, *CHUNKS, USER, TEXT), [1, 3, 1, 1]), ((*CHUNKS, ONE, RESULTS[0], TEXT), [4, 1, 1])],
)
def test_chunks_are_one_turn(messages: tuple[ir.Message, ...], sizes: list[int]) -> None:
    assert [len(turn) for _, turn in turns(messages, chunked=True)] == sizes


@pytest.mark.parametrize("name", ["openai_chat", "mistral", "ollama"])
def test_chunks_of_one_answer_are_one_message(name: str) -> None:
    """Chats of google-genai keep an answer that they streamed as its chunks, each in a content of its own."""
    request = ir.Request("gemini", "m", (USER, *CHUNKS, USER, *CHUNKS[:2], ONE, RESULTS[0], *CHUNKS, USER))
    report = Report(name)
    messages = DIALECTS[name].request.encode(request, Target(report)).body["messages"]
    assert [(message["role"], message.get("content")) for message in messages] == [
        ("user", "Hi"),
        ("assistant", "The Loire flows."),
        ("user", "Hi"),
        ("assistant", "The Loire "),
        ("tool", "1"),
        ("assistant", "The Loire flows."),
        ("user", "Hi"),
    ]
    assert len(messages[3]["tool_calls"]) == 1
    assert report.losses == []


def test_chunks_of_one_answer_are_one_item() -> None:
    request = ir.Request("gemini", "m", (USER, *CHUNKS, USER, *CHUNKS[:2], ONE, RESULTS[0], *CHUNKS, USER))
    report = Report("openai_responses")
    items = DIALECTS["openai_responses"].request.encode(request, Target(report)).body["input"]
    said = [item["content"] for item in items if item.get("role") == "assistant"]
    assert said == ["The Loire flows.", "The Loire ", "The Loire flows."]
    assert [item["type"] for item in items if item["type"] != "message"] == [
        *("function_call", "function_call_output")
    ]
    assert report.losses == []


def test_words_of_other_protocols_were_said_one_after_the_other() -> None:
    request = ir.Request("items", "m", (USER, *CHUNKS, USER))
    items = DIALECTS["openai_responses"].request.encode(request, Target(Report("r"))).body["input"]
    assert len(items) == 5


def test_words_before_and_behind_a_call_are_set_apart() -> None:
    request = ir.Request("items", "m", (USER, TEXT, ONE, TEXT, RESULTS[0]))
    for name in ("openai_chat", "mistral"):
        messages = DIALECTS[name].request.encode(request, Target(Report(name))).body["messages"]
        assert messages[1]["content"].split("\n\n") == ["I look.", "I look."]


def test_a_vendor_that_wants_thoughts_with_calls_gets_them_in_one_message() -> None:
    quirks = Quirks(reasoning_field="reasoning_content", reasoning_replay="tool_turns")
    request = ir.Request("items", "m", (USER, THOUGHT, ONE, RESULTS[0]))
    report = Report("openai_chat")
    body = DIALECTS["openai_chat"].request.encode(request, Target(report, quirks=quirks)).body
    assert body["messages"][1]["reasoning_content"] == "So."
    assert report.losses == []
