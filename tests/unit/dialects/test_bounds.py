"""Streams that would make their decoders slow or large."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bounds import refuse_index, refuse_more
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

MANY = 1200


def chat(at: int) -> dict[str, Any]:
    return {"choices": [{"index": at, "delta": {"content": "a"}}]}


def call(at: int) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": at, "function": {"arguments": "a"}}]}}]
    }


def item(at: int) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": at, "item": {"type": "message"}}


CREATED = {"type": "response.created", "response": {"id": "r"}}
THINKS = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {"type": "reasoning", "id": "a", "summary": []},
}
STARTED = {"type": "message_start", "message": {"id": "m", "content": [], "model": "m"}}


def block(at: int) -> dict[str, Any]:
    return {"type": "content_block_start", "index": at, "content_block": {"type": "text", "text": ""}}


FLOODS: dict[str, tuple[str, list[dict[str, Any]], Iterable[dict[str, Any]]]] = {
    "choices": ("openai_chat", [], map(chat, range(MANY))),
    "calls": ("openai_chat", [], map(call, range(MANY))),
    "members": ("openai_chat", [chat(0)], ({**chat(0), f"k{n}": 1} for n in range(MANY))),
    "members of a choice": (
        "openai_chat",
        [chat(0)],
        ({"choices": [{"index": 0, "delta": {f"k{n}": 1}}]} for n in range(MANY)),
    ),
    "choices of completions": (
        "openai_completions",
        [],
        ({"choices": [{"index": n, "text": "a"}]} for n in range(MANY)),
    ),
    "choices of Mistral": ("mistral", [], map(chat, range(MANY))),
    "candidates": (
        "gemini",
        [],
        ({"candidates": [{"index": n, "content": {"parts": [{"text": "a"}]}}]} for n in range(MANY)),
    ),
    "items": ("openai_responses", [CREATED], map(item, range(MANY))),
    "blocks": ("anthropic", [STARTED], map(block, range(MANY))),
    "usage": (
        "anthropic",
        [STARTED],
        ({"type": "message_delta", "delta": {}, "usage": {f"k{n}": 1}} for n in range(MANY)),
    ),
    "members of lines": ("ollama", [], ({"message": {}, f"k{n}": 1} for n in range(MANY))),
    "members of messages": (
        "ollama",
        [],
        ({"message": {"role": "assistant", f"k{n}": 1}} for n in range(MANY)),
    ),
}


@pytest.mark.parametrize("flood", list(FLOODS))
def test_a_flood_ends(flood: str) -> None:
    dialect, before, frames = FLOODS[flood]
    decoder = DIALECTS[dialect].stream_decoder(STANDARD)
    for frame in before:
        decoder.feed(json.dumps(frame).encode())
    told = [json.dumps(frame).encode() for frame in frames]
    with pytest.raises(WireError) as caught:
        list(map(decoder.feed, told))
    assert caught.value.code == "answer_too_many_blocks"


def test_a_large_summary_index_makes_no_long_list() -> None:
    decoder = DIALECTS["openai_responses"].stream_decoder(STANDARD)
    delta = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "x"}
    told = [CREATED, THINKS, {**delta, "summary_index": 10**9}, {**delta, "summary_index": 10**9}]
    events = [event for frame in told for event in decoder.feed(json.dumps(frame).encode())]
    thought = ir.fold(events).candidates[0].blocks[0]
    assert isinstance(thought, ir.Thinking)
    assert thought.summary == ("xx",)
    for index in (-1, "0", 1.5, True, None):
        with pytest.raises(WireError):
            decoder.feed(json.dumps({**delta, "summary_index": index}).encode())


def test_citations_of_many_chunks_are_told_once_each() -> None:
    decoder = DIALECTS["gemini"].stream_decoder(STANDARD)

    def chunk(*numbers: int, **more: Any) -> bytes:
        sources = [{"uri": f"https://x.test/{n}", "startIndex": 0} for n in numbers]
        cited = {"citationMetadata": {"citationSources": sources}}
        part = {"content": {"parts": [{"text": "a"}]}, **cited, **more}
        return json.dumps({"candidates": [part]}).encode()

    events = (
        decoder.feed(chunk(1, 2)) + decoder.feed(chunk(2, 3)) + decoder.feed(chunk(3, finishReason="STOP"))
    )
    events += decoder.close()
    told = [event.citation.url for event in events if isinstance(event, ir.Cite)]
    assert told == [f"https://x.test/{n}" for n in (1, 2, 3)]


def test_bounds() -> None:
    refuse_more(9, 10, "things")
    with pytest.raises(WireError, match="more than 10 things"):
        refuse_more(10, 10, "things")
    refuse_index(0, "thing")
