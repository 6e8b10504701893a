"""Reasoning that stands in the content of a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.thought_parts import FORMS, FRAMES, decode_thought, encode_thought
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS

Wire = dict[str, Any]
TEXT: Wire = {"type": "text", "text": "Yes."}
PARTS: list[tuple[Wire, ir.Thinking]] = [
    (
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        ir.Thinking("Hm.", form="thinking_part"),
    ),
    (
        {"type": "thinking", "thinking": "Hm.", "closed": True},
        ir.Thinking("Hm.", form="thinking_text", extra={"openai_chat": {"closed": True}}),
    ),
    (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm.", "signature": "s=="}]},
        ir.Thinking("Hm.", form="reasoning_part", sealed=ir.Sealed("openai_chat", "s==")),
    ),
    (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        ir.Thinking("Hm.", form="reasoning_part"),
    ),
]


@pytest.mark.parametrize(("part", "thought"), PARTS)
def test_a_part_is_thinking_and_comes_back_as_it_was(part: Wire, thought: ir.Thinking) -> None:
    read = decode_thought(part)
    assert read is not None
    assert (read.text, read.form) == (thought.text, thought.form)
    assert (read.sealed is None) is (thought.sealed is None)
    assert encode_thought(read, Draft(Report("t"), own=True, answer=True), "") == part


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking"},
        {"type": "thinking", "thinking": [{"type": "reference", "reference_ids": [1]}]},
        {"type": "reasoning", "summary": []},
        {"type": "reasoning", "summary": ["a"]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": 1}]},
        {"type": "reasoning", "summary": [{"type": "redacted", "data": "x"}]},
        {"type": "other"},
    ],
)
def test_other_parts_stay_as_they_are(part: Wire) -> None:
    assert decode_thought(part) is None
    answer = DIALECT.response.decode(whole([part, TEXT]), STANDARD)
    assert isinstance(answer.candidates[0].blocks[0], ir.Native)


def whole(content: list[Wire]) -> Wire:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


@pytest.mark.parametrize("part", [part for part, _ in PARTS])
def test_an_answer_thinks_and_speaks(part: Wire) -> None:
    answer = DIALECT.response.decode(whole([part, TEXT]), STANDARD)
    thought, text = answer.candidates[0].blocks
    assert isinstance(thought, ir.Thinking)
    assert (thought.text, text) == ("Hm.", ir.Text("Yes."))
    again = DIALECT.response.encode(answer, Reply(ir.Request("openai_chat", "m"), Report("t"), "c", 1))
    assert again["choices"][0]["message"]["content"] == [part, TEXT]


def test_a_message_of_the_history() -> None:
    said = {"role": "assistant", "content": [PARTS[0][0], TEXT]}
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "?"}],
    }
    request = DIALECT.request.decode(WireRequest("chat", body))
    assert request.messages[1].blocks[0] == PARTS[0][1]
    assert DIALECT.request.encode(request, Target(Report("t"), model="m")).body["messages"][1] == said


def frames(*deltas: Wire) -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices: list[Wire] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return [json.dumps({**head, "choices": [choice]}).encode() for choice in choices] + [b"[DONE]"]


def test_a_stream_that_thinks_in_its_content() -> None:
    def spoken(**members: str) -> Wire:
        return {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", **members}]}]}

    decoder = DIALECT.stream.decoder(STANDARD)
    deltas = [spoken(text="H"), spoken(text="m."), spoken(text="", signature="s=="), {"content": "Yes."}]
    events = [event for frame in frames(*deltas) for event in decoder.feed(frame)]
    thought, text = ir.fold(events).candidates[0].blocks
    assert isinstance(thought, ir.Thinking)
    assert (thought.text, thought.sealed, text) == ("Hm.", ir.Sealed("openai_chat", "s=="), ir.Text("Yes."))
    encoder = DIALECT.stream.encoder(Reply(ir.Request("openai_chat", "m"), Report("t"), "c", 1))
    sent = b"".join(map(encoder.feed, events))
    again = DIALECT.stream.decoder(STANDARD)
    lines = [line.removeprefix("data: ") for line in sent.decode().split("\n") if line]
    folded = ir.fold([event for line in lines for event in again.feed(line.encode())])
    assert folded.candidates[0].blocks == (thought, text)


def streamed(deltas: list[Wire]) -> tuple[list[ir.Event], list[Wire]]:
    """The events of a stream with these deltas, and the parts that its own client gets of them."""
    decoder = DIALECT.stream.decoder(STANDARD)
    events = [event for frame in frames(*deltas) for event in decoder.feed(frame)]
    encoder = DIALECT.stream.encoder(Reply(ir.Request("openai_chat", "m"), Report("t"), "c", 1))
    lines = b"".join(map(encoder.feed, events)).decode().split("\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    return events, [part for content in contents if isinstance(content, list) for part in content]


def test_further_members_of_a_streamed_part_are_kept() -> None:
    def thinking(text: str, **members: Any) -> Wire:
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], **members}]}

    deltas = [thinking("a"), thinking("b"), thinking("c", closed=True), thinking("d", closed=True)]
    events, parts = streamed([*deltas, {"content": "Yes."}])
    first, last, _ = ir.fold(events).candidates[0].blocks
    kept = {"openai_chat": {"closed": True}}
    assert first == ir.Thinking("ab", form="thinking_part")
    assert last == ir.Thinking("cd", form="thinking_part", extra=kept)
    assert "".join(part["thinking"][0]["text"] for part in parts) == "abcd"
    assert [part["closed"] for part in parts if "closed" in part] == [True]
    report = Report("anthropic", "response")
    encoder = DIALECTS["anthropic"].stream.encoder(Reply(ir.Request("anthropic", "m"), report, "c", 1))
    for event in events:
        encoder.feed(event)
    assert "candidates[0].blocks[1].closed" in [loss.path for loss in report.losses]


def test_each_signature_stays_with_its_own_text() -> None:
    def spoken(**members: str) -> Wire:
        return {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", **members}]}]}

    signed = [spoken(text="a"), spoken(text="", signature="s1"), spoken(text="b", signature="s2")]
    events, parts = streamed([*signed, {"content": "Yes."}])
    blocks = ir.fold(events).candidates[0].blocks
    assert blocks[:-1] == tuple(
        ir.Thinking(text, form="reasoning_part", sealed=ir.Sealed("openai_chat", seal))
        for text, seal in (("a", "s1"), ("b", "s2"))
    )
    assert [part["summary"][0].get("signature") for part in parts] == [None, "s1", None, "s2"]


def test_frames_are_made_for_each_form() -> None:
    assert FRAMES.keys() == FORMS
    for head, tail in FRAMES.values():
        (part,) = json.loads(head + b'"Hm."' + tail)["content"]
        assert decode_thought(part) == ir.Thinking(
            "Hm.", form=next(f for f in FORMS if FRAMES[f] == (head, tail))
        )
