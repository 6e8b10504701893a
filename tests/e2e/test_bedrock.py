"""Amazon Bedrock as a provider: signatures and bearer keys, Converse whole and streamed, Claude by Invoke."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from anthropic import APIError, AsyncAnthropic, RateLimitError
from openai import AsyncOpenAI, BadRequestError, InternalServerError, OpenAIError

from dragoman.testing.provider import FakeProvider, Script, Whole
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict import bedrock as aws
from tests.e2e.strict.bedrock import (
    ARN,
    BEARER,
    CLAUDE,
    ID,
    LLAMA,
    NOVA,
    REGION,
    SECRET,
    TEMPORARY,
    TOKEN,
    bedrock,
)

HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Talk:
    """Two official clients, and a gateway in front of Bedrock."""

    def __init__(self, base: str, provider: FakeProvider) -> None:
        self.openai = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        self.anthropic = AsyncAnthropic(base_url=base, api_key="dummy-key", max_retries=0)
        self.provider = provider

    async def ask(self, model: str = NOVA, messages: list[Any] = HELLO, **fields: Any) -> Any:
        return await self.openai.chat.completions.create(
            model=f"bedrock/{model}", messages=messages, **fields
        )


@pytest.fixture
async def talk(serve: Serve, provide: Provide) -> AsyncIterator[Any]:
    """Begin a talk. script: what Bedrock answers. settings: of the provider."""
    begun: list[Talk] = []

    async def begin(script: Script = bedrock, **settings: Any) -> Talk:
        provider = await provide(script)
        row = {"base_url": provider.url, "keys": [f"{ID}:{SECRET}"], "region": REGION, **settings}
        config = {"providers": {"bedrock": row}, "retries": {"attempts": 1}}
        begun.append(Talk(await serve(json.dumps(config)), provider))
        return begun[-1]

    yield begin
    for one in begun:
        await one.openai.close()
        await one.anthropic.close()


@pytest.mark.parametrize("key", [f"{ID}:{SECRET}", f"{TEMPORARY}:{SECRET}:{TOKEN}", BEARER])
@pytest.mark.parametrize("model", [NOVA, ARN, "odd model%name"])
async def test_each_key_and_each_kind_of_model_name(talk: Any, key: str, model: str) -> None:
    told = await talk(keys=[key])
    answer = await told.ask(model)
    assert answer.choices[0].message.content == "Hello from Bedrock."
    assert answer.usage.prompt_tokens == 17
    assert answer.usage.prompt_tokens_details.cached_tokens == 5
    assert SECRET not in str(told.provider.last.headers)


async def test_a_wrong_secret_is_blamed_on_the_gateway(talk: Any) -> None:
    told = await talk(keys=[f"{ID}:{SECRET[::-1]}"])
    with pytest.raises(OpenAIError, match="refused the gateway's API key") as caught:
        await told.ask()
    assert SECRET[::-1] not in str(caught.value)


async def test_a_stream(talk: Any) -> None:
    told = await talk()
    stream = await told.ask(stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == "Hello from Bedrock."
    assert chunks[-1].usage.total_tokens == 25
    assert told.provider.last.target.endswith("/converse-stream")


@pytest.mark.parametrize("streamed", [False, True])
async def test_two_turns_with_a_tool_and_thinking(talk: Any, streamed: bool) -> None:
    """Chat clients return the calls alone; the gateway keeps the thinking with its signature."""
    told = await talk()
    tools = [{"type": "function", "function": WEATHER}]
    fields: dict[str, Any] = {"tools": tools, "reasoning_effort": "high"}
    if streamed:
        async with told.openai.chat.completions.stream(
            model=f"bedrock/{CLAUDE}", messages=HELLO, **fields
        ) as events:
            first = await events.get_final_completion()
    else:
        first = await told.ask(CLAUDE, **fields)
    message = first.choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Bonn"}
    assert first.choices[0].finish_reason == "tool_calls"
    sent = told.provider.last.body
    assert sent["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    history = [
        *HELLO,
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Rain"},
    ]
    second = await told.ask(CLAUDE, history, **fields)
    assert second.choices[0].message.content == "Hello from Bedrock."
    turn = told.provider.last.body["messages"][1]["content"]
    assert turn[0]["reasoningContent"]["reasoningText"]["signature"] == aws.SIGNATURE
    assert turn[-1]["toolUse"]["name"] == "get_weather"


async def test_claude_is_invoked_in_its_own_protocol(talk: Any) -> None:
    told = await talk()
    fields: dict[str, Any] = {"model": f"bedrock/{CLAUDE}", "max_tokens": 50, "messages": HELLO}
    answer = await told.anthropic.messages.create(**fields)
    assert answer.content[0].text == "Hello from Claude."
    assert told.provider.last.target.endswith("/invoke")
    async with told.anthropic.messages.stream(**fields) as events:
        final = await events.get_final_message()
    assert final.content[0].text == "Hello from Claude."
    assert final.usage.output_tokens == 4
    assert told.provider.last.target.endswith("/invoke-with-response-stream")
    beta = await told.anthropic.beta.messages.create(**fields, betas=["context-1m-2025-08-07"])
    assert beta.stop_reason == "end_turn"


async def test_the_model_behind_an_inference_profile_of_an_application_counts(talk: Any) -> None:
    told = await talk(base_models={ARN: CLAUDE})
    fields: dict[str, Any] = {"model": f"bedrock/{ARN}", "max_tokens": 50, "messages": HELLO}
    assert (await told.anthropic.messages.create(**fields)).content[0].text == "Hello from Claude."
    assert told.provider.last.target.endswith("application-inference-profile%2Fmi1dadi0g15f/invoke")
    await told.ask(ARN, reasoning_effort="low")
    assert "thinking" in told.provider.last.body["additionalModelRequestFields"]


async def test_a_client_of_anthropic_asks_another_model(talk: Any) -> None:
    told = await talk()
    fields: dict[str, Any] = {"model": f"bedrock/{NOVA}", "max_tokens": 50, "messages": HELLO}
    tools = [{"name": "get_weather", "input_schema": WEATHER["parameters"]}]
    async with told.anthropic.messages.stream(**fields, tools=tools) as events:
        final = await events.get_final_message()
    assert [block.type for block in final.content] == ["text", "tool_use"]
    assert final.content[1].input == {"city": "Bonn"}


async def test_a_model_that_does_not_stream_with_tools(talk: Any) -> None:
    """It is asked for the whole answer; the client gets a stream. It cannot be forced to call, either."""
    told = await talk()
    fields: dict[str, Any] = {"tools": [{"type": "function", "function": WEATHER}], "tool_choice": "required"}
    async with told.openai.chat.completions.stream(
        model=f"bedrock/{LLAMA}", messages=HELLO, stream_options={"include_usage": True}, **fields
    ) as events:
        first = await events.get_final_completion()
    assert told.provider.last.target.endswith("/converse")
    assert "Answer by calling one of the tools" in told.provider.last.body["system"][0]["text"]
    message = first.choices[0].message
    assert (message.content, first.choices[0].finish_reason) == ("I look.", "tool_calls")
    assert first.usage.total_tokens == 25
    call = message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "Rain"}
    history = [*HELLO, message.model_dump(exclude_none=True), result]
    stream = await told.ask(LLAMA, history, stream=True)  # the tools are in the history alone
    said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(said) == "Hello from Bedrock."
    assert told.provider.last.target.endswith("/converse")
    await told.ask(LLAMA, stream=True)
    assert told.provider.last.target.endswith("/converse-stream")


async def test_a_schema_for_a_model_without_structured_outputs(talk: Any) -> None:
    told = await talk()
    schema = {"name": "person", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
    answer = await told.ask(LLAMA, response_format={"type": "json_schema", "json_schema": schema})
    assert answer.choices[0].message.content == "Hello from Bedrock."
    sent = told.provider.last.body
    assert "outputConfig" not in sent
    assert '"properties":{"name"' in json.dumps([sent.get("system"), sent["messages"]]).replace(
        '\\"', '"'
    ).replace(" ", "")


async def test_tokens_are_counted_by_bedrock(talk: Any) -> None:
    told = await talk()
    counted = await told.anthropic.messages.count_tokens(model=f"bedrock/{NOVA}", messages=HELLO)
    assert counted.input_tokens == 17


async def test_a_guardrail_is_passed_on_under_the_protocols_name(talk: Any) -> None:
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    told = await talk()
    await told.ask(extra_body={"bedrock": {"guardrailConfig": guard}})
    assert told.provider.last.body["guardrailConfig"] == guard


@pytest.mark.parametrize("name", ["bedrock", "aws"])
async def test_members_for_bedrock_are_sent_in_its_own_protocol(
    serve: Serve, provide: Provide, name: str
) -> None:
    """Claude is asked by Converse then: InvokeModel has no such members."""
    provider = await provide(bedrock)
    row = {"catalog": "bedrock", "base_url": provider.url, "keys": [BEARER], "region": REGION}
    base = await serve(json.dumps({"providers": {name: row}, "retries": {"attempts": 1}}))
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    async with AsyncAnthropic(base_url=base, api_key="dummy-key", max_retries=0) as client:
        fields: dict[str, Any] = {"model": f"{name}/{CLAUDE}", "max_tokens": 50, "messages": HELLO}
        await client.messages.create(**fields, extra_body={"bedrock": {"guardrailConfig": guard}})
        assert provider.last.target.endswith("/converse")
        assert provider.last.body["guardrailConfig"] == guard
        await client.messages.create(**fields)
        assert provider.last.target.endswith("/invoke")


def broken(pieces: list[bytes]) -> list[bytes]:
    """The messages with one bit of a payload changed."""
    return [*pieces[:2], pieces[2].replace(b"Bedrock", b"Bedrocc"), *pieces[3:]]


HELD = aws.frames([{"text": "Hello Bedrock again"}], "end_turn")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (broken(HELD), "checksum"),
        ([*HELD[:3], HELD[3][:-9]], "ends within a message"),
        (HELD[:3], "ended before"),
        ([*HELD[:3], aws.exception("throttlingException", "Too many tokens")], "Too many tokens"),
        ([*HELD[:3], aws.exception("modelStreamErrorException", "It broke")], "It broke"),
    ],
    ids=["checksum", "cut", "end", "throttled", "model"],
)
async def test_a_stream_that_fails_ends_in_band(talk: Any, pieces: list[bytes], words: str) -> None:
    told = await talk(aws.stream(pieces))
    said: list[str] = []

    async def read() -> None:
        async for chunk in await told.ask(stream=True):
            said.extend(choice.delta.content or "" for choice in chunk.choices)

    with pytest.raises(OpenAIError, match=words):
        await read()
    assert "".join(said).startswith("Hello ")
    with pytest.raises(APIError, match=words):
        async with told.anthropic.messages.stream(
            model=f"bedrock/{NOVA}", max_tokens=9, messages=HELLO
        ) as events:
            await events.until_done()


async def test_an_exception_within_claudes_stream(talk: Any) -> None:
    start = aws.chunk({"type": "message_start", "message": {**aws._MESSAGE, "content": [], "usage": {}}})
    told = await talk(aws.stream([start, aws.exception("throttlingException", "Too many requests")]))
    with pytest.raises(APIError, match="Too many requests"):
        async with told.anthropic.messages.stream(
            model=f"bedrock/{CLAUDE}", max_tokens=9, messages=HELLO
        ) as events:
            await events.until_done()


async def test_claude_s_model_fails_as_bedrock_says(talk: Any) -> None:
    """The attempt is repeated, and the client is told of the limit, not of an invalid request."""
    failed = Whole(
        {"message": "Busy", "originalStatusCode": 429},
        424,
        {"x-amzn-errortype": "ModelErrorException:http://internal.amazon.com/coral/"},
    )
    told = await talk(failed)
    with pytest.raises(RateLimitError, match="Busy"):
        await told.anthropic.messages.create(model=f"bedrock/{CLAUDE}", max_tokens=9, messages=HELLO)


async def test_errors(talk: Any) -> None:
    told = await talk()
    with pytest.raises(OpenAIError, match="model identifier is invalid"):
        await told.ask("no-such-model")
    long = await talk(aws.error(400, "ValidationException", "Input is too long for requested model."))
    with pytest.raises(BadRequestError) as caught:
        await long.ask()
    assert caught.value.code == "context_length_exceeded"
    busy = await talk(aws.error(503, "ServiceUnavailableException", "Bedrock is unable to process"))
    with pytest.raises(InternalServerError):
        await busy.ask()
