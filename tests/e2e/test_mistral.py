"""Row 0.5: Mistral behind a chat client, and where it is not like OpenAI. The provider is strict."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.answers.mistral import mistral
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Converse
from tests.matrix.faces.openai_chat import chat, chat_chunks

STREAMS = pytest.mark.parametrize("stream", [False, True])
MODEL = "mistral/mistral-large-latest"
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def call(id_: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}}


@STREAMS
async def test_a_request_has_mistrals_own_words(converse: Converse, stream: bool) -> None:
    """0.5: tool_choice required is "any", seed random_seed, the bound max_tokens."""
    talk = await converse("mistral", mistral(Said()), model=MODEL)
    told = await talk.ask(
        stream=stream, tools=[LOOK], tool_choice="required", seed=7, max_completion_tokens=50
    )
    if stream:
        assert chat_chunks([chunk async for chunk in told]).first.text == "Hello there!"
    sent = talk.provider.last
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == "Bearer up-key"
    assert sent.body == {
        "model": "mistral-large-latest",
        "messages": [{"role": "user", "content": "Hello!"}],
        "tools": [LOOK],
        "tool_choice": "any",
        "random_seed": 7,
        "max_tokens": 50,
        **({"stream": True} if stream else {}),
    }
    assert talk.losses == {}


async def test_ids_of_others_become_its_own_the_same_every_time(converse: Converse) -> None:
    """0.5, 0.8: nine letters and digits, in calls and results; prompt caches live of the same bytes."""
    talk = await converse("mistral", mistral(Said()), model=MODEL)
    messages = [
        {"role": "user", "content": "Look twice."},
        {"role": "assistant", "content": None, "tool_calls": [call("call_a"), call("toolu_b")]},
        {"role": "tool", "tool_call_id": "toolu_b", "content": "two"},
        {"role": "tool", "tool_call_id": "call_a", "content": "one"},
    ]
    for _ in range(2):
        await talk.ask(messages=messages, tools=[LOOK])
    first, second = (seen.body["messages"] for seen in talk.provider.seen)
    assert first == second
    ids = [one["id"] for one in first[1]["tool_calls"]]
    assert all(re.fullmatch(r"[A-Za-z0-9]{9}", id_) for id_ in ids)
    results = {message["tool_call_id"]: message["content"] for message in first[2:]}
    assert results == {ids[0]: "one", ids[1]: "two"}


async def test_its_own_ids_are_the_clients(converse: Converse) -> None:
    """0.8: what the model calls itself is neither rewritten on the way out nor on the way back."""
    said = Said("", (("aB3dE6gH9", "look", "{}"),))
    talk = await converse("mistral", mistral(said), mistral(Said()), model=MODEL)
    message = (await talk.ask(tools=[LOOK])).choices[0].message
    assert message.tool_calls[0].id == "aB3dE6gH9"
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call("aB3dE6gH9")]},
        {"role": "tool", "tool_call_id": "aB3dE6gH9", "content": "fine"},
    ]
    await talk.ask(messages=messages, tools=[LOOK])
    assert talk.provider.last.body["messages"][2]["tool_call_id"] == "aB3dE6gH9"


@pytest.mark.parametrize(
    "messages",
    [
        [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": None, "tool_calls": [call("call_a")]},
            {"role": "tool", "tool_call_id": "call_a", "content": "fine"},
            {"role": "user", "content": "And now?"},
        ],
        [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": None, "tool_calls": [call("call_a"), call("call_b")]},
            {"role": "tool", "tool_call_id": "call_b", "content": "fine"},
            {"role": "user", "content": "And now?"},
        ],
        [{"role": "user", "name": "Ada", "content": "Hi."}],
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": "Hello."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Well?"},
        ],
        [{"role": "user", "content": "Hi."}, {"role": "system", "content": "Be kind."}],
        [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": None, "tool_calls": [call("call_a")]},
            {"role": "tool", "tool_call_id": "call_a", "content": "fine"},
            {"role": "system", "content": "Be kind."},
        ],
        [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two,"}],
        [
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "?"},
        ],
    ],
    ids=[
        "user-after-tool",
        "unanswered",
        "names",
        "system-inside",
        "system-last",
        "system-after-tool",
        "prefill",
        "empty-answer",
    ],
)
async def test_histories_that_openai_takes_are_taken(converse: Converse, messages: list[Any]) -> None:
    """0.5: 3230, 3240 and 3280 are what a careless translation earns."""
    talk = await converse("mistral", mistral(Said()), model=MODEL)
    assert chat(await talk.ask(messages=messages, tools=[LOOK])).first.text == "Hello there!"


@STREAMS
async def test_thinking_in_lists_is_shown_as_reasoning(converse: Converse, stream: bool) -> None:
    """Content of Mistral's may be a list of chunks; a chat client gets text beside reasoning."""
    said = Said("Four.", thought="Two and two.")
    talk = await converse("mistral", mistral(said), model="mistral/mistral-small-latest")
    told = await talk.ask(reasoning_effort="high", stream=stream)
    first = (chat_chunks([chunk async for chunk in told]) if stream else chat(told)).first
    assert (first.reasoning, first.text) == ("Two and two.", "Four.")
