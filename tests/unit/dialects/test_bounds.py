"""Streams that would make their decoders slow or large."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bounds import Kept, inner_values, refuse_index, refuse_more
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
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
    decoder = DIALECTS[dialect].stream.decoder(STANDARD)
    for frame in before:
        decoder.feed(json.dumps(frame).encode())
    told = [json.dumps(frame).encode() for frame in frames]
    with pytest.raises(WireError) as caught:
        list(map(decoder.feed, told))
    assert caught.value.code == "answer_too_many_blocks"


LARGE: list[Any] = [{}] * 900
KEPT: dict[str, tuple[str, list[dict[str, Any]], Iterable[dict[str, Any]]]] = {
    "members": ("openai_chat", [chat(0)], ({**chat(0), f"k{n}": LARGE} for n in range(400))),
    "members of many choices": (
        "openai_chat",
        [],
        ({"choices": [{"index": n, "delta": {"content": "a", "k": LARGE}}]} for n in range(400)),
    ),
    "calls without a name": (
        "openai_chat",
        [],
        (
            {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": n, "k": LARGE, "function": {}}]}}]}
            for n in range(400)
        ),
    ),
    "notes before a text": (
        "openai_chat",
        [],
        (
            {"choices": [{"index": 0, "delta": {"annotations": [{"type": "x", "k": LARGE}]}}]}
            for _ in range(400)
        ),
    ),
    "members of Mistral": ("mistral", [], ({**chat(0), f"k{n}": LARGE} for n in range(400))),
    "members of completions": (
        "openai_completions",
        [],
        ({"choices": [{"index": n, "text": "a", "k": LARGE}]} for n in range(400)),
    ),
    "candidates": ("gemini", [], ({"candidates": [{"index": n, "k": LARGE}]} for n in range(400))),
    "grounding": (
        "gemini",
        [],
        ({"candidates": [{"groundingMetadata": {f"k{n}": LARGE}}]} for n in range(400)),
    ),
    "citations": (
        "gemini",
        [],
        (
            {"candidates": [{"citationMetadata": {"citationSources": [{"uri": f"{n}", "k": LARGE}]}}]}
            for n in range(400)
        ),
    ),
    "items": (
        "openai_responses",
        [CREATED],
        ({**item(n), "item": {"type": "message", "k": LARGE}} for n in range(400)),
    ),
    "usage": (
        "anthropic",
        [STARTED],
        ({"type": "message_delta", "delta": {}, "usage": {f"k{n}": LARGE}} for n in range(400)),
    ),
    "a block that grows": (
        "anthropic",
        [STARTED, {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction"}}],
        (
            {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", f"k{n}": LARGE}}
            for n in range(400)
        ),
    ),
    "lines": ("ollama", [], ({"message": {}, f"k{n}": LARGE} for n in range(400))),
    "messages": ("ollama", [], ({"message": {f"k{n}": LARGE}} for n in range(400))),
}


@pytest.mark.parametrize("flood", list(KEPT))
def test_what_is_kept_of_a_stream_holds_no_more_than_a_whole_answer(flood: str) -> None:
    dialect, before, frames = KEPT[flood]
    decoder = DIALECTS[dialect].stream.decoder(STANDARD)
    for frame in before:
        decoder.feed(json.dumps(frame).encode())
    told = [json.dumps(frame).encode() for frame in frames]
    with pytest.raises(WireError) as caught:
        list(map(decoder.feed, told))
    assert caught.value.code == "answer_too_many_values"


@pytest.mark.parametrize("dialect", ["openai_chat", "mistral", "openai_completions"])
def test_members_that_are_told_again_and_again_are_kept_once(dialect: str) -> None:
    """Perplexity repeats its search results in every chunk; some servers count in each."""
    decoder = DIALECTS[dialect].stream.decoder(STANDARD)
    for n in range(400):
        choice = {"index": 0, "delta": {"content": "a"}, "text": "a", "k": [{"n": n}, *LARGE]}
        decoder.feed(json.dumps({"choices": [choice], "results": LARGE, "timings": {"n": n}}).encode())


def test_a_relay_keeps_little_of_usage_and_candidates() -> None:
    reply = Reply(ir.Request(dialect="x", model="m"), Report("x", "response"), "1", 0)
    usage = ({"type": "message_delta", "delta": {}, "usage": {f"k{n}": 1}} for n in range(MANY))
    anthropic = DIALECTS["anthropic"].relay.stream(reply)
    with pytest.raises(WireError, match="members of `usage`"):
        list(map(anthropic.feed, [json.dumps(frame).encode() for frame in usage]))
    candidates = ({"candidates": [{"index": n}]} for n in range(MANY))
    gemini = DIALECTS["gemini"].relay.stream(reply)
    with pytest.raises(WireError, match="candidates"):
        list(map(gemini.feed, [json.dumps(frame).encode() for frame in candidates]))


def test_values_inside() -> None:
    assert inner_values("text") == 0
    assert inner_values({"a": [1, {"b": ()}], "c": {}}) == 2 + 2 + 1
    assert inner_values(ir.Native("x", "y", {"a": [1, 2]})) == 1 + 2
    kept = Kept(4)
    kept.add([1, 2, 3])
    kept.replace([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(WireError, match="more than 4 JSON values"):
        kept.add([1])


def test_a_large_summary_index_makes_no_long_list() -> None:
    decoder = DIALECTS["openai_responses"].stream.decoder(STANDARD)
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
    decoder = DIALECTS["gemini"].stream.decoder(STANDARD)

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
