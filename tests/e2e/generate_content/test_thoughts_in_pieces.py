"""Thoughts that Google's own client returns in the pieces in which they were streamed are one thought (5.6).

A chat of the official client keeps each chunk as a content of its own and returns them with the next turn.
"""

from __future__ import annotations

from typing import Any

import pytest
from google import genai
from google.genai import types

from dragoman.testing.provider import FakeProvider, Streamed
from tests.e2e.conftest import Provide, Visit

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
Wire = dict[str, Any]
SEAL = "c2VhbCBvZiB0aGUgcHJvdmlkZXI="
CALL_ID = "call_abcdef12345678"
ARGUMENTS = '{"city":"Paris"}'
KEPT = pytest.mark.parametrize("more", [{}, {"seals": {"ttl": 0}}], ids=["vault", "no vault"])
CALLS = pytest.mark.parametrize("call", [False, True], ids=["text", "call"])


def anthropic(*, call: bool) -> Streamed:
    """A thought in three pieces, its signature, two pieces of text, and a call if there is to be one."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    blocks: list[tuple[Wire, list[Wire]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                *({"type": "thinking_delta", "thinking": piece} for piece in ("I ", "think ", "so")),
                {"type": "signature_delta", "signature": SEAL},
            ],
        ),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in ("Hel", "lo")]),
    ]
    if call:
        tool = {"type": "tool_use", "id": CALL_ID, "name": "get_weather", "input": {}}
        blocks.append((tool, [{"type": "input_json_delta", "partial_json": ARGUMENTS}]))
    frames: list[Wire] = [{"type": "message_start", "message": {**message, "usage": usage}}]
    for index, (block, deltas) in enumerate(blocks):
        frames.append({"type": "content_block_start", "index": index, "content_block": block})
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    frames.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}})
    return Streamed([*frames, {"type": "message_stop"}], named=True)


def deepseek(*, call: bool) -> Streamed:
    """The same from a vendor whose reasoning nobody signs."""
    deltas: list[Wire] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in ("I ", "think ", "so")]
    deltas += [{"content": piece} for piece in ("Hel", "lo")]
    if call:
        function = {"name": "get_weather", "arguments": ARGUMENTS}
        deltas.append({"tool_calls": [{"index": 0, "id": CALL_ID, "type": "function", "function": function}]})
    choices: list[Wire] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"})
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "deepseek-reasoner"}
    return Streamed([*({**head, "choices": [choice]} for choice in choices), "data: [DONE]\n\n"])


SUMMARY = [{"type": "summary_text", "text": "I think"}, {"type": "summary_text", "text": "so it is"}]


def openai(*, call: bool) -> Streamed:
    """A reasoning item with two summary parts, in two pieces each."""
    bare: Wire = {"id": "rs_1", "type": "reasoning", "summary": []}
    done = {**bare, "summary": SUMMARY, "encrypted_content": SEAL}
    at: Wire = {"item_id": "rs_1", "output_index": 0}
    frames: list[Wire] = [{"type": "response.output_item.added", "output_index": 0, "item": bare}]
    for index, (part, pieces) in enumerate(zip(SUMMARY, (("I ", "think"), ("so ", "it is")), strict=True)):
        here = {**at, "summary_index": index}
        empty = {"type": "summary_text", "text": ""}
        frames.append({"type": "response.reasoning_summary_part.added", **here, "part": empty})
        frames += [
            {"type": "response.reasoning_summary_text.delta", **here, "delta": piece} for piece in pieces
        ]
        frames.append({"type": "response.reasoning_summary_text.done", **here, "text": part["text"]})
        frames.append({"type": "response.reasoning_summary_part.done", **here, "part": part})
    frames.append({"type": "response.output_item.done", "output_index": 0, "item": done})
    said: Wire = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    text = {"type": "output_text", "text": "Hello", "annotations": []}
    at = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    frames += [
        {"type": "response.output_item.added", "output_index": 1, "item": {**said, "content": []}},
        {"type": "response.content_part.added", **at, "part": {**text, "text": ""}},
        {"type": "response.output_text.delta", **at, "delta": "Hel"},
        {"type": "response.output_text.delta", **at, "delta": "lo"},
        {"type": "response.output_text.done", **at, "text": "Hello"},
        {"type": "response.output_item.done", "output_index": 1, "item": {**said, "content": [text]}},
    ]
    output = [done, {**said, "content": [text]}]
    if call:
        item = {"id": "fc_1", "type": "function_call", "call_id": CALL_ID, "name": "get_weather"}
        item |= {"arguments": ARGUMENTS, "status": "completed"}
        frames += [
            {"type": "response.output_item.added", "output_index": 2, "item": {**item, "arguments": ""}},
            {
                "type": "response.function_call_arguments.done",
                "item_id": "fc_1",
                "output_index": 2,
                "arguments": ARGUMENTS,
            },
            {"type": "response.output_item.done", "output_index": 2, "item": item},
        ]
        output.append(item)
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "output": []}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    end = {**head, "status": "completed", "output": output, "usage": usage}
    frames = [
        {"type": "response.created", "response": {**head, "status": "in_progress"}},
        *frames,
        {"type": "response.completed", "response": end},
    ]
    return Streamed([{**frame, "sequence_number": at} for at, frame in enumerate(frames)], named=True)


async def second(
    visit: Visit, provider: FakeProvider, settings: Wire, model: str, more: Wire, *, call: bool
) -> Wire:
    """Two streamed turns of a chat; what the provider got with the second one."""
    up = {**settings, "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": up}, "retries": {"attempts": 1}, **more})
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema={"type": "object"})
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    async with genai.Client(api_key="x", http_options={"base_url": site.base}).aio as client:
        chat = client.chats.create(model=f"up/{model}", config=config)
        pieces = [part async for chunk in await chat.send_message_stream("q") for part in chunk.parts or ()]
        assert sum(bool(part.thought) for part in pieces) > 2, "it comes in pieces"
        result = types.Part.from_function_response(name="get_weather", response={"output": "Sunny."})
        [chunk async for chunk in await chat.send_message_stream(result if call else "And?")]
    body: Wire = provider.last.body
    return body


@KEPT
@CALLS
async def test_a_signed_thought(visit: Visit, provide: Provide, more: Wire, call: bool) -> None:
    provider = await provide(anthropic(call=call))
    settings = {"dialect": "anthropic"}
    body = await second(visit, provider, settings, "claude-sonnet-4-5", more, call=call)
    answer = body["messages"][1]["content"]
    assert answer[:2] == [
        {"type": "thinking", "thinking": "I think so", "signature": SEAL},
        {"type": "text", "text": "Hello"},
    ]
    assert [block["type"] for block in answer[2:]] == ["tool_use"] * call


@KEPT
async def test_reasoning_that_nobody_signed(visit: Visit, provide: Provide, more: Wire) -> None:
    provider = await provide(deepseek(call=True))
    settings = {"catalog": "deepseek"}
    body = await second(visit, provider, settings, "deepseek-reasoner", more, call=True)
    answer = body["messages"][1]
    assert answer["reasoning_content"] == "I think so"
    assert answer["content"] == "Hello"


@KEPT
@CALLS
async def test_a_reasoning_item(visit: Visit, provide: Provide, more: Wire, call: bool) -> None:
    provider = await provide(openai(call=call))
    body = await second(visit, provider, {"dialect": "openai_responses"}, "gpt-5", more, call=call)
    items = [item for item in body["input"] if item["type"] == "reasoning"]
    whole = {"type": "reasoning", "id": "rs_1", "summary": SUMMARY, "encrypted_content": SEAL}
    words = [{"type": "summary_text", "text": "I think\n\nso it is"}]
    told = {"type": "reasoning", "summary": words, "encrypted_content": SEAL}
    assert items == [told if more else whole]
    assert body["input"][1] == items[0], "before what it was thought for"
