"""Which messages of a history are one turn of the assistant, and how protocols of messages write it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.messages import grouped
from dragoman.dialects.repair.rules import Why
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from tests.unit.dialects.repair.histories import (
    CALL,
    OTHER,
    PICTURE,
    RULES,
    SOUND,
    assistant,
    repair,
    result,
    system,
    user,
)

ADDED = (None, "message {at}", "added")
TAGGED = {"tagged": Why("to", "tagged")}
CASES: dict[str, tuple[tuple[ir.Message, ...], dict[str, Any], list[str], list[Any]]] = {
    "a result is a message": (
        (
            user("Hi"),
            assistant(CALL),
            user(result("a", "x"), "Well?"),
        ),
        {},
        ["user: Hi", "assistant: call a", "tool: result a (x)", "user: Well?"],
        [],
    ),
    "a missing result follows the others": (
        (
            assistant(CALL, OTHER),
            user(result("a", "x")),
            assistant("So"),
        ),
        {},
        ["assistant: call a, call b", "tool: result a (x)", "tool: result b (none)", "assistant: So"],
        [ADDED],
    ),
    "a result may be late": (
        (
            assistant(CALL),
            user("No."),
            user(result("a", "x")),
        ),
        {"patient": True},
        ["assistant: call a", "user: No.", "tool: result a (x)"],
        [],
    ),
    "media leave a result": (
        (
            assistant(CALL),
            user(result("a", PICTURE, SOUND)),
        ),
        {"takes_out": lambda block: block.kind == "image"},
        [
            "assistant: call a",
            "tool: result a ((The image follows in the next message.) audio)",
            "user: image",
        ],
        [("messages[1].blocks[0].content[0]", "part 0", "moved")],
    ),
    "media leave the assistant after its results": (
        (
            assistant("A", PICTURE, "B"),
            assistant(CALL),
            user(result("a", "x")),
        ),
        {"moves": lambda *_: True},
        ["assistant: A, B, call a", "tool: result a (x)", "user: image"],
        [("messages[0].blocks[1]", "part 0", "moved")],
    ),
    "the assistant bridges": (
        (
            assistant(CALL),
            user(result("a", "x")),
            user("Hi"),
        ),
        {"bridge": Why("{at}", "bridge")},
        ["assistant: call a", "tool: result a (x)", "assistant: OK", "user: Hi"],
        [(None, "{at}", "bridge")],
    ),
    "system text after the assistant is tagged": (
        (
            user("x"),
            assistant("y"),
            system("S"),
            user("z"),
        ),
        TAGGED,
        ["user: x", "assistant: y", "user: <tagged> S", "user: z"],
        [("messages[2]", "to", "tagged")],
    ),
    "system text at the end is tagged": (
        (
            user("x"),
            system("S"),
        ),
        TAGGED,
        ["user: x", "user: <tagged> S"],
        [("messages[1]", "to", "tagged")],
    ),
    "the last system text asks": (
        (
            system("A"),
            system("B"),
        ),
        {"asked": Why("role", "asked")},
        ["system: A", "user: B"],
        [("messages[1]", "role", "asked")],
    ),
    "the user begins": ((), {}, ["user: Please begin."], [(None, "first", "begins")]),
    "a history may be empty": ((), {"opened": None}, [], []),
    "messages of its own protocol are not joined": (
        (
            assistant("A"),
            assistant(CALL),
        ),
        {"dialect": "target", "patient": True},
        ["assistant: A", "assistant: call a"],
        [],
    ),
}


@pytest.mark.parametrize(("history", "rules", "turns", "notes"), CASES.values(), ids=CASES)
def test_what_becomes_of_a_history(
    history: tuple[ir.Message, ...], rules: dict[str, Any], turns: list[str], notes: list[Any]
) -> None:
    assert repair(*history, **rules) == (turns, notes)


def test_what_stood_before_and_behind_moved_media_is_apart() -> None:
    request = ir.Request("client", "m", (assistant("A", PICTURE, "B"),))
    turn, _ = repaired(request, msgspec.structs.replace(RULES, moves=lambda *_: True))
    assert [piece.apart for piece in turn.pieces] == [False, True]
    assert [piece.place(0) for piece in turn.pieces] == ["messages[0].blocks[0]", "messages[0].blocks[2]"]


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
    found = list(grouped(messages))
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
    said = [chunk["text"] for chunk in turn["content"][1:]] if name == "mistral" else [turn["content"]]
    assert said == ["I look."]
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
    assert [len(turn) for _, turn in grouped(messages, chunked=True)] == sizes


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
