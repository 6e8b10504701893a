"""Streams from the wire."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.mistral.speaking import DONE, START, blocks_of, chunk, events, folded

ROLE = chunk({"role": "assistant", "content": ""})
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def thought(*texts: str, **members: Any) -> dict[str, Any]:
    thinking = [{"type": "text", "text": text} for text in texts]
    return {"content": [{"type": "thinking", "thinking": thinking, **members}]}


def called(id: str | None, name: str, arguments: Any, index: int | None = 0) -> dict[str, Any]:
    call = {"id": id, "function": {"name": name, "arguments": arguments}, "index": index}
    return {key: value for key, value in call.items() if value is not None}


def blocks(*deltas: dict[str, Any]) -> tuple[ir.Block, ...]:
    return folded(ROLE, *map(chunk, deltas), chunk({}, "stop"), DONE).candidates[0].blocks


def test_text_and_usage() -> None:
    last = chunk({"content": ""}, "stop", usage={**USAGE, "service_tier": "standard"}, p="ab")
    assert events(ROLE, chunk({"content": "Hé"}, p="abcd"), chunk({"content": "!"}), last, DONE) == [
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hé"),
        ir.TextDelta(0, "!"),
        ir.Tally(ir.Usage(1, output=2)),
        ir.More(tier="default"),
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ]


def test_chunks_that_repeat_the_one_before_are_read_by_their_bytes() -> None:
    words = ["a", "b", '"', "é", "\n"]
    frames = [chunk({"content": word}, p="abc"[: index % 4] or "x") for index, word in enumerate(words)]
    assert folded(ROLE, *frames, chunk({}, "stop"), DONE).candidates[0].blocks == (ir.Text("".join(words)),)


def test_thinking_then_text_in_a_list_then_in_strings() -> None:
    found = blocks(
        thought("Six"),
        thought(" sevens", ".", closed=True),
        {"content": [{"type": "text", "text": "4"}]},
        {"content": "2"},
    )
    assert found == (ir.Thinking("Six sevens."), ir.Text("42"))


def test_a_signature_seals_the_thinking() -> None:
    assert blocks(thought("Hm."), thought(signature="s")) == (
        ir.Thinking("Hm.", sealed=ir.Sealed("mistral", "s")),
    )


def test_chunks_that_hold_more_than_words_are_blocks_of_their_own() -> None:
    resource = {"type": "resource", "uri": "x"}
    noted = {"type": "text", "text": "b", "x": 1}
    found = blocks(
        {"content": "a"}, {"content": [resource, noted]}, thought("c", closed=False), {"content": "d"}
    )
    assert found == (
        ir.Text("a"),
        ir.Native("mistral", "resource", resource),
        ir.Text("b", extra={"mistral": {"x": 1}}),
        ir.Thinking("c", extra={"mistral": {"closed": False}}),
        ir.Text("d"),
    )


def test_references_stand_behind_their_words() -> None:
    source = {"content": [reference(0)]}
    cited = (ir.Citation("reference", source={"reference_ids": [0]}),)
    native = ir.Native("mistral", "reference", reference(0))
    assert blocks({"content": "a"}, source, {"content": "b"}) == (
        ir.Text("a", citations=cited),
        ir.Text("b"),
    )
    assert blocks(source, {"content": "b"}) == (native, ir.Text("b"))
    assert blocks(thought("a"), source) == (ir.Thinking("a"), native)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def reference(*ids: int | str) -> dict[str, Any]:
    return {"type": "reference", "reference_ids": list(ids)}


LISTS: list[list[dict[str, Any]]] = [
    [text("a"), reference(1), reference(2), text("b"), reference(3)],
    [reference(1), text("a")],
    [text("a"), text("b"), reference(1), text("c")],
    [text("a"), text(""), reference(1)],
    [text("a"), reference(1), {"type": "thinking", "thinking": [text("x")]}, text("b")],
]


@pytest.mark.parametrize("content", LISTS)
def test_lists_are_read_alike_whole_at_once_and_chunk_by_chunk(content: list[dict[str, Any]]) -> None:
    whole = blocks_of(content)
    assert blocks({"content": content}) == whole
    assert blocks(*({"content": [part]} for part in content)) == whole


def test_several_sources_of_one_text() -> None:
    [block] = blocks({"content": [text("a"), reference(1), reference(2)]})
    assert isinstance(block, ir.Text)
    assert [citation.source for citation in block.citations] == [
        {"reference_ids": [1]},
        {"reference_ids": [2]},
    ]


@pytest.mark.parametrize("position", [0, None])
@pytest.mark.parametrize("stated", [None, "null"])
def test_whole_calls_without_ids(position: int | None, stated: str | None) -> None:
    """Both have defaults in the specification: each call is number 0 and "null"."""
    calls = [called(stated, "a", '{"x":1}', position), called(stated, "b", '{"y":2}', position)]
    both = (ir.ToolCall(None, "a", '{"x":1}'), ir.ToolCall(None, "b", '{"y":2}'))
    assert blocks({"tool_calls": calls}) == blocks(*({"tool_calls": [call]} for call in calls)) == both
    assert blocks({"tool_calls": [*calls, called(None, "", " ", position)]}) == (
        both[0],
        ir.ToolCall(None, "b", '{"y":2} '),
    )


def test_whole_calls_that_share_a_position() -> None:
    calls = [called("k1L2m3N4o", "a", '{"x":1}'), called("P5q6R7s8T", "b", {"y": 2})]
    assert blocks({"content": None, "tool_calls": calls}) == (
        ir.ToolCall("k1L2m3N4o", "a", '{"x":1}'),
        ir.ToolCall("P5q6R7s8T", "b", '{"y":2}'),
    )


def test_whole_calls_without_a_position() -> None:
    calls = [called("a", "f", "{}", None), called("b", "f", "null", None)]
    assert blocks({"tool_calls": calls}) == (ir.ToolCall("a", "f", "{}"), ir.ToolCall("b", "f"))


def test_a_call_in_fragments() -> None:
    found = blocks(
        {"content": "a"},
        {"tool_calls": [called("a", "f", "", 0)], "index": 0, "content": ""},
        {"tool_calls": [called("null", "", '{"x":', 0)]},
        {"tool_calls": [called(None, "", " 1}", 0)]},
        {"tool_calls": [{"index": 1, "id": "b", "x": 1}]},
    )
    assert found == (
        ir.Text("a"),
        ir.ToolCall("a", "f", '{"x": 1}'),
        ir.ToolCall("b", "", extra={"mistral": {"x": 1}}),
    )


def test_calls_tell_why_it_ended() -> None:
    response = folded(ROLE, chunk({"tool_calls": [called("a", "f", "{}")]}, "stop"), DONE)
    assert response.candidates[0].stop == ir.Stop("tool", "stop")


def test_log_probabilities() -> None:
    token = {"token": "x", "logprob": -0.5, "bytes": [120], "token_id": 7}
    choice = {"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [token]}, "finish_reason": None}
    response = folded(ROLE, chunk(choices=[choice]), chunk({}, "stop"), DONE)
    assert response.candidates[0].blocks == (
        ir.Text("x", logprobs=(ir.Logprob("x", -0.5, (120,), None, 7),)),
    )


def test_several_candidates() -> None:
    choices = [
        {"index": index, "delta": {"content": str(index)}, "finish_reason": "stop"} for index in (1, 0)
    ]
    response = folded(chunk(choices=choices), DONE)
    assert [candidate.blocks for candidate in response.candidates] == [(ir.Text("0"),), (ir.Text("1"),)]


def test_members_that_nobody_knows() -> None:
    first = chunk({"role": "assistant", "content": ""}, guard=1)
    choice = {"index": 0, "delta": {"content": "x", "tone": 2}, "finish_reason": "stop", "score": 3}
    found = events(first, chunk(choices=[choice], guard=4), chunk(choices=[], guard=4), DONE)
    assert found[0] == ir.Start("mistral", "a1", "m-1", 1, extra={"mistral": {"guard": 1}})
    assert [event for event in found if isinstance(event, ir.More)] == [ir.More({"mistral": {"guard": 4}})]
    finish = next(event for event in found if isinstance(event, ir.Finish))
    assert finish.extra == {"mistral": {"message.tone": 2, "score": 3}}


# --- How streams end ---------------------------------------------------------------------------


def test_a_stream_without_its_terminator_is_complete_when_its_answer_is() -> None:
    assert events(ROLE, chunk({"content": "x"}, "stop"))[-1] == ir.End()
    assert folded(ROLE, chunk({"content": "x"}, "stop")) == folded(
        ROLE, chunk({"content": "x"}, "stop"), DONE
    )


@pytest.mark.parametrize("frames", [(), (DONE,), (ROLE,), (ROLE, chunk({"content": "x"}))])
def test_a_stream_that_breaks_off(frames: tuple[bytes, ...]) -> None:
    last = events(*frames)[-1]
    assert isinstance(last, ir.Error)
    assert (last.fault.kind, last.fault.code) == ("upstream", "stream_broken")


def test_a_stream_that_ends_without_a_reason() -> None:
    """The terminator is the provider's word that this was all."""
    finish = events(ROLE, chunk({"content": "x"}), DONE)[-2]
    assert finish == ir.Finish(ir.Stop("end", ""))


def test_an_error_in_the_stream() -> None:
    error = b'{"object":"error","message":"Full.","type":"rate_limited","param":null,"code":"1300"}'
    found = events(ROLE, chunk({"content": "x"}), error, chunk({"content": "y"}), DONE)
    assert isinstance(found[-1], ir.Error)
    assert found[-1].fault.kind == "rate_limit"
    marked = events(ROLE, ErrorFrame(error))[-1]
    assert isinstance(marked, ir.Error)
    assert marked.fault.kind == "rate_limit"


@pytest.mark.parametrize("frame", [b"{", b"[]", b'{"choices":[{"delta":{"content":[5]}}]}', b'{"choices":5}'])
def test_what_is_no_chunk_is_told(frame: bytes) -> None:
    decoder = DIALECT.stream.decoder(STANDARD)
    decoder.feed(ROLE)
    with pytest.raises(WireError):
        decoder.feed(frame)
