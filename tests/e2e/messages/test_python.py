"""Anthropic's official Python client, unchanged but for its base URL, over every upstream dialect.

The providers are strict; what comes back is held to the client's own types (rows 1.20, 3.2, 3.3).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, beta_tool
from anthropic.types import Message

from tests.e2e.messages.conftest import EVERY, Converse
from tests.e2e.stubs import Said

WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALLS = (("call_1", "get_weather", '{"city":"Paris"}'), ("call_2", "get_weather", '{"city":"Rome"}'))
SIMULATED = {"aliases": {"simulated": "simulate/echo"}}
OTHERS = pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "gemini", "mistral"])


@EVERY
async def test_text(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said("Hello there!"))
    answer = await talking.ask(system="Be kind.", stop_sequences=["END"])
    Message.model_validate(answer.model_dump(), strict=False)
    assert [block.text for block in answer.content] == ["Hello there!"]
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 7)
    assert answer.id
    assert answer._request_id == talking.exchanges[-1].request_id


@EVERY
async def test_stream(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said("A longer answer, in pieces."))
    async with talking.client.messages.stream(**talking.asked()) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert final.content[0].text == "A longer answer, in pieces."
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 7)
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"


@EVERY
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_parallel_calls_and_their_results(talk: Converse, dialect: str, stream: bool) -> None:
    talking = await talk(dialect, Said("", calls=CALLS), Said("Sunny in both."))
    asked = talking.asked(tools=[WEATHER], tool_choice={"type": "auto"})
    if stream:
        async with talking.client.messages.stream(**asked) as opened:
            answer = await opened.get_final_message()
    else:
        answer = await talking.client.messages.create(**asked)
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
        for call in calls
    ]
    history = [
        *asked["messages"],
        {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
        {"role": "user", "content": results},
    ]
    last = await talking.ask(messages=history, tools=[WEATHER])
    assert last.content[0].text == "Sunny in both."
    assert len(talking.provider.seen) == 2


@OTHERS
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_thoughts_return_to_their_origin(talk: Converse, dialect: str, stream: bool) -> None:
    seal = "c2VhbGVkIHRob3VnaHRz"
    talking = await talk(dialect, Said("Four.", thought="Two and two.", seal=seal), Said("Six."))
    asked = talking.asked(thinking={"type": "enabled", "budget_tokens": 2048})
    if stream:
        async with talking.client.messages.stream(**asked) as opened:
            answer = await opened.get_final_message()
    else:
        answer = await talking.client.messages.create(**asked)
    assert answer.content[-1].text == "Four."
    history = [
        *asked["messages"],
        {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
        {"role": "user", "content": "And two more?"},
    ]
    last = await talking.ask(messages=history, thinking=asked["thinking"])
    assert last.content[-1].text == "Six."
    sent = json.dumps(talking.provider.seen[1].body)
    assert "dgm1." not in sent
    if dialect in {"openai_responses", "gemini"}:
        assert sent.count(seal) == 1


async def test_thoughts_of_others_are_not_relayed(talk: Converse) -> None:
    talking = await talk("anthropic", Said("Six."))
    for signature in ("dgm1.gemini.c2VhbA==", ""):
        history = [
            {"role": "user", "content": "Two and two?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": signature},
                    {"type": "text", "text": "Four."},
                ],
            },
            {"role": "user", "content": "And two more?"},
        ]
        await talking.ask(messages=history)
        assert talking.provider.seen[-1].body["messages"][1]["content"] == [{"type": "text", "text": "Four."}]
        assert talking.lost == {"$.messages[1].content[0]": "quality"}


async def test_the_clients_version_and_betas_reach_a_relayed_provider(talk: Converse) -> None:
    talking = await talk("anthropic", Said("Hi."))
    headers = {"anthropic-version": "2026-10-21", "anthropic-beta": "context-1m-2025-08-07"}
    await talking.ask(extra_headers=headers)
    seen = talking.provider.seen[-1].headers
    assert {name: seen[name] for name in headers} == headers
    assert talking.exchanges[-1].mode == "relay"


@EVERY
async def test_the_beta_client(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said("Hi."))
    answer = await talking.client.beta.messages.create(
        **talking.asked(), betas=["interleaved-thinking-2025-05-14"]
    )
    assert answer.content[0].text == "Hi."


@OTHERS
async def test_the_tool_runner_goes_on_without_a_thread(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said("", calls=CALLS), Said("Sunny in both."))
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: its name
        """
        asked.append(city)
        return "sunny"

    def run() -> Any:
        with Anthropic(base_url=talking.base, auth_token="client-key", api_key=None, max_retries=0) as client:
            runner = client.beta.messages.tool_runner(
                **talking.asked(), tools=[beta_tool(weather, name="get_weather")]
            )
            return runner.until_done()

    last = await asyncio.to_thread(run)
    assert asked == ["Paris", "Rome"]
    assert last.content[0].text == "Sunny in both."


@EVERY
async def test_an_answer_that_is_cut_short(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said("Long", stop="length"))
    assert (await talking.ask(max_tokens=5)).stop_reason == "max_tokens"


@EVERY
async def test_counting(talk: Converse, dialect: str) -> None:
    talking = await talk(dialect, Said())
    asked = {key: value for key, value in talking.asked(tools=[WEATHER]).items() if key != "max_tokens"}
    counted = await talking.client.messages.count_tokens(**asked)
    assert 5 < counted.input_tokens < 1000
    assert (await talking.client.beta.messages.count_tokens(**asked)).input_tokens == counted.input_tokens
    assert talking.provider.seen == []


async def test_the_simulator(talk: Converse) -> None:
    talking = await talk("openai_chat", Said(), **SIMULATED)
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = await talking.ask(model="simulate/echo", thinking=thinking)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[1].text == "Hello!"
    with pytest.raises(anthropic.InternalServerError) as caught:
        await talking.ask(model="simulate/fail:529")
    assert caught.value.status_code == 529


async def test_errors_have_the_clients_own_classes(talk: Converse) -> None:
    talking = await talk("openai_chat", Said(), auth={"keys": ["client-key"]})
    with pytest.raises(anthropic.NotFoundError) as missing:
        await talking.ask(model="nobody/nothing")
    error: Any = missing.value.body
    assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")
    assert error["request_id"] == missing.value.request_id == talking.exchanges[-1].request_id
    with pytest.raises(anthropic.BadRequestError) as wrong:
        await talking.ask(extra_body={"temperature": "warm"})
    assert "temperature" in str(wrong.value)
    stranger = talking.client.with_options(api_key="another")
    with pytest.raises(anthropic.AuthenticationError) as unknown:
        await stranger.models.list()
    error = unknown.value.body
    assert error["error"]["type"] == "authentication_error"


async def test_models_are_listed_in_pages(talk: Converse) -> None:
    models = {f"m{number}": {"deployments": ["up/gpt-5.1"]} for number in range(5)}
    talking = await talk("openai_chat", Said(), models=models)
    names = [model.id async for model in talking.client.models.list(limit=2)]
    assert set(models) <= set(names)
    assert len(names) == len(set(names))
    assert len(talking.exchanges) == (len(names) + 1) // 2
    first = await talking.client.models.list(before_id=names[3], limit=2)
    assert [model.id for model in first.data] == names[1:3]
    assert first.has_more
    one = await talking.client.models.retrieve("up/gpt-5.1")
    assert (one.id, one.type, one.display_name) == ("up/gpt-5.1", "model", "up/gpt-5.1")
    with pytest.raises(anthropic.NotFoundError):
        await talking.client.models.retrieve("nobody/nothing")
    for query in ({"limit": 0}, {"after_id": "nobody"}):
        with pytest.raises(anthropic.BadRequestError):
            await talking.client.models.list(**query)
