"""Reasoning that a model writes into its text reaches the client apart, and goes back to its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
CALL: Wire = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
ASKED: list[Any] = [{"role": "user", "content": "Why?"}]
THOUGHT = "Größe? 1 < 2\nso </thin"
ANSWER = "Because 🙂 <b>.\n"
TEXTS = {
    "tags": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
    "open": f"{THOUGHT}\n</think>\n{ANSWER}",
}


def says(text: str, *calls: Wire) -> Any:
    """A model that writes this text, one character after the other where it streams."""
    end = "tool_calls" if calls else "stop"

    def answer(seen: Seen) -> Answer:
        head = {"id": "c-1", "created": 1, "model": seen.body["model"]}
        usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
        if not seen.body.get("stream"):
            message: Wire = {
                "role": "assistant",
                "content": text,
                **({"tool_calls": [*calls]} if calls else {}),
            }
            choice = {"index": 0, "message": message, "finish_reason": end}
            return Whole({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        deltas: list[Wire] = [{"role": "assistant", "content": ""}, *({"content": one} for one in text)]
        deltas += [{"tool_calls": [{"index": place, **call}]} for place, call in enumerate(calls)]
        chunk = {**head, "object": "chat.completion.chunk"}
        frames: list[Any] = [
            {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        frames.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": end}], "usage": usage})
        return Streamed([*frames, "data: [DONE]\n\n"])

    return answer


async def site_of(visit: Visit, url: str, **model: Any) -> Site:
    """A gateway with the model `deep` at a server of the operator's, and with MiniMax."""
    return await visit(
        {
            "providers": {
                "own": {"dialect": "openai_chat", "base_url": url},
                "minimax": {"base_url": url, "keys": ["k"], "apis": []},
            },
            "models": {"deep": {"use": "own/qwq", **model}},
        }
    )


@pytest.mark.parametrize("mode", ["tags", "open"])
async def test_clients_of_chat(visit: Visit, provide: Provide, mode: str) -> None:
    provider = await provide(says(TEXTS[mode]))
    site = await site_of(visit, provider.url, reasoning_text=mode)
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0) as client:
        whole = await client.chat.completions.create(model="deep", messages=ASKED)
        message = whole.choices[0].message
        assert message.model_extra is not None
        assert (message.model_extra["reasoning_content"], message.content) == (THOUGHT, ANSWER)
        thoughts, texts = [], []
        async for chunk in await client.chat.completions.create(model="deep", messages=ASKED, stream=True):
            for choice in chunk.choices:
                thoughts.append((choice.delta.model_extra or {}).get("reasoning_content") or "")
                texts.append(choice.delta.content or "")
        assert ("".join(thoughts), "".join(texts)) == (THOUGHT, ANSWER)
        assert len([text for text in texts if text]) > len(ANSWER) // 2, "text comes as it is written"
        assert len([text for text in thoughts if text]) > len(THOUGHT) // 2


async def test_clients_of_messages_and_responses(visit: Visit, provide: Provide) -> None:
    provider = await provide(says(TEXTS["tags"]))
    site = await site_of(visit, provider.url, reasoning_text="tags")
    async with AsyncAnthropic(base_url=site.base, api_key="x", max_retries=0) as client:
        async with client.messages.stream(model="deep", max_tokens=99, messages=ASKED) as stream:
            told = await stream.get_final_message()
        assert [block.type for block in told.content] == ["thinking", "text"]
        assert [getattr(block, block.type) for block in told.content] == [THOUGHT, ANSWER]
    answer = await site.session.post(f"{site.base}/v1/responses", json={"model": "deep", "input": "Why?"})
    output = (await answer.json())["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[1]["content"][0]["text"] == ANSWER


async def test_text_of_other_models_is_left_alone(visit: Visit, provide: Provide) -> None:
    provider = await provide(says(TEXTS["tags"]))
    site = await site_of(visit, provider.url)
    answer = await site.ask("deep")
    assert answer.text == TEXTS["tags"]
    assert "reasoning_content" not in answer.body["choices"][0]["message"]


async def test_plain_text_of_a_model_that_might_think_stays_as_it_is(visit: Visit, provide: Provide) -> None:
    provider = await provide(says("Say <think>."))
    site = await site_of(visit, provider.url, reasoning_text="tags")
    assert (await site.ask("deep")).text == "Say <think>."
    assert (await site.ask("deep", stream=True)).text == "Say <think>."


async def test_reasoning_comes_back_where_the_vendor_demands_it(visit: Visit, provide: Provide) -> None:
    """MiniMax wants its reasoning back in the content, also from clients that know another place for it."""
    provider = await provide(says(f"<think>\n{THOUGHT}\n</think>\n\n", CALL), says("Blue."))
    site = await site_of(visit, provider.url)
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0) as client:
        first = await client.chat.completions.create(model="minimax/MiniMax-M2", messages=ASKED, tools=TOOLS)
        said = first.choices[0].message
        assert said.model_extra is not None
        assert said.model_extra["reasoning_content"] == THOUGHT
        back: Any = json.loads(said.model_dump_json(exclude_none=True))
        result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "blue"}
        await client.chat.completions.create(
            model="minimax/MiniMax-M2", messages=[*ASKED, back, result], tools=TOOLS
        )
    sent = provider.last.body["messages"][1]
    assert sent["content"] == f"<think>\n{THOUGHT}\n</think>\n\n"
    assert sent["tool_calls"] == [CALL]
    assert "reasoning_content" not in sent
