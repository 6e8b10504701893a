"""An empty text is no text: no empty block or delta takes the blank line of the next text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS

ONE_TEXT = ("openai_chat", "mistral", "cohere", "ollama")
"""The protocols whose clients read all texts of an answer as one."""
CALL = ir.ToolCall("abcdefghi", "look", "{}")
BETWEEN: dict[str, ir.Block] = {"cohere": ir.Thinking("Hm.")}
"""What stands between two texts, if it is no call: a stream of Cohere puts no blank line after a call."""


def reply(name: str) -> Reply:
    return Reply(ir.Request(name, "m", ()), Report(name, "response"), id="answer-1", created=1)


def strings(value: Any, *names: str) -> Iterator[str]:
    """The strings at these members of an object, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from strings(item, *names)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key in names and isinstance(member, str):
                yield member
            else:
                yield from strings(member, *names)


def streamed(name: str, *content: ir.Event, ask: tuple[str, ...] = ("content", "text")) -> str:
    """What the client of a stream reads."""
    encoder = DIALECTS[name].stream.encoder(reply(name))
    events = [ir.Start("another", "a", "m"), *content, ir.Finish(ir.Stop("end")), ir.End()]
    stream = b"".join(map(encoder.feed, events))
    lines = [line.removeprefix(b"data: ") for line in stream.splitlines()]
    return "".join(
        text for line in lines if line.startswith(b"{") for text in strings(msgspec.json.decode(line), *ask)
    )


def whole(name: str, *blocks: ir.Block) -> str:
    """What the client of a whole answer reads."""
    candidate = ir.Candidate(tuple(blocks), ir.Stop("end"))
    body = DIALECTS[name].response.encode(ir.Response("another", candidates=(candidate,)), reply(name))
    return "".join(strings(body, "content", "text"))


@pytest.mark.parametrize("name", ONE_TEXT)
@pytest.mark.parametrize("first", ["", "fir"])
def test_an_empty_delta_leaves_the_blank_line_to_the_next_one(name: str, first: str) -> None:
    assert (
        streamed(
            name,
            *(ir.Open(0, ir.Text("")), ir.TextDelta(0, "one"), ir.Close(0)),
            *(ir.Open(1, BETWEEN.get(name, CALL)), ir.Close(1)),
            *(ir.Open(2, ir.Text("")), ir.TextDelta(2, ""), ir.TextDelta(2, first), ir.TextDelta(2, "st")),
            *(ir.TextDelta(2, ""), ir.TextDelta(2, "."), ir.Close(2)),
        )
        == f"one\n\n{first}st."
    )


@pytest.mark.parametrize("name", ONE_TEXT)
def test_an_empty_block_leaves_the_blank_line_to_the_next_one(name: str) -> None:
    texts = (ir.Text(""), ir.Text("two"), ir.Text("three"))
    assert whole(name, ir.Text("one"), CALL, *texts).startswith("one\n\ntwo")
    blocks = (ir.Text("one"), BETWEEN.get(name, CALL), *texts)
    events = [event for i, block in enumerate(blocks) for event in (ir.Open(i, block), ir.Close(i))]
    assert streamed(name, *events).startswith("one\n\ntwo")


@pytest.mark.parametrize("name", ONE_TEXT)
def test_a_text_that_only_the_last_event_has_follows_an_empty_delta(name: str) -> None:
    assert (
        streamed(name, ir.Open(0, ir.Text("")), ir.TextDelta(0, ""), ir.Close(0, ir.Text("All of it.")))
        == "All of it."
    )


@pytest.mark.parametrize("name", ["openai_chat", "cohere"])
def test_arguments_after_an_empty_delta_are_an_object(name: str) -> None:
    """An empty delta is no arguments, so a call without any gets `{}`, which clients can parse."""
    call = ir.ToolCall("c", "look", "")
    told = (ir.Open(0, call), ir.ArgsDelta(0, ""), ir.Close(0))
    assert streamed(name, *told, ask=("arguments",)) == "{}"
    told = (ir.Open(0, call), ir.ArgsDelta(0, ""), ir.Close(0, CALL))
    assert streamed(name, *told, ask=("arguments",)) == "{}"


@pytest.mark.parametrize("name", ONE_TEXT)
def test_an_empty_thought_is_not_followed_by_a_blank_line(name: str) -> None:
    members = ("thinking", "reasoning_content", "reasoning", "text")
    assert (
        streamed(
            name,
            *(ir.Open(0, ir.Thinking()), ir.ThinkDelta(0, "one"), ir.Close(0)),
            *(ir.Open(1, ir.Thinking()), ir.ThinkDelta(1, ""), ir.Close(1)),
            ask=members,
        )
        == "one"
    )
