"""Reasoning whose words a provider withholds returns to it as it came, through protocols of items (5.6)."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.conftest import Provide, Visit, up

Wire = dict[str, Any]
THOUGHTS: list[Wire] = [
    {"type": "redacted_thinking", "data": "withheld/1=="},
    {"type": "thinking", "thinking": "I think so.", "signature": "signed/1=="},
    {"type": "redacted_thinking", "data": "withheld/2=="},
]
CALL: Wire = {"type": "tool_use", "id": "toolu_abcDEF1234567", "name": "get_weather", "input": {"n": 1}}
TOOLS: list[Any] = [{"type": "function", "name": "get_weather", "parameters": {}, "strict": False}]


def claude(seen: Seen) -> Answer:
    """Thoughts, some of them withheld, and a call."""
    blocks = [*THOUGHTS, CALL]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    usage = {"input_tokens": 1, "output_tokens": 1}
    if not seen.body.get("stream"):
        return Whole({**head, "content": blocks, **stop, "usage": usage})
    frames: list[Wire] = [{"type": "message_start", "message": {**head, "content": [], "usage": usage}}]
    for index, block in enumerate(blocks):
        start, deltas = block, []
        if block["type"] == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        frames.append({"type": "content_block_start", "index": index, "content_block": start})
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    frames.append({"type": "message_delta", "delta": stop, "usage": usage})
    return Streamed([*frames, {"type": "message_stop"}], named=True)


@pytest.mark.parametrize("more", [{}, {"seals": {"ttl": 0}}], ids=["vault", "no vault"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("stored", [False, True], ids=["items", "continued"])
async def test_through_responses(
    visit: Visit, provide: Provide, more: Wire, stream: bool, stored: bool
) -> None:
    provider = await provide(claude)
    site = await visit({**up(provider.url, "anthropic"), **more})
    asked: Any = {"model": "up/claude-sonnet-4-5", "tools": TOOLS, "reasoning": {"effort": "medium"}}
    said: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="k", max_retries=0) as client:
        answer: Any
        if stream:
            async with client.responses.stream(input=said, **asked) as answering:
                answer = await answering.get_final_response()
        else:
            answer = await client.responses.create(input=said, **asked)
        items: list[Any] = [item.model_dump(exclude_none=True) for item in answer.output]
        result: Any = {
            "type": "function_call_output",
            "call_id": items[-1]["call_id"],
            "output": "sunny",
        }
        if stored:
            await client.responses.create(input=[result], previous_response_id=answer.id, **asked)
        else:
            for item in items:
                item.pop("parsed_arguments", None)
            await client.responses.create(input=[*said, *items, result], store=False, **asked)
    history = provider.last.body["messages"]
    blocks = [block for message in history if message["role"] == "assistant" for block in message["content"]]
    assert blocks == [*THOUGHTS, CALL]
