"""Google's own Python client, unchanged but for its base URL, over every upstream (2.12, 2.20, 2.21)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from google.genai import errors, types
from pydantic import BaseModel

from tests.e2e import stubs
from tests.e2e.generate_content.conftest import Gate, Opened
from tests.e2e.responses.speaking import DIALECTS, SEAL
from tests.e2e.sent import Sent

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
HELLO = "Hello there!"
ASKED = "Weather in Paris, please: get_weather"


class City(BaseModel):
    """What is asked for in one form."""

    name: str
    people: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny, {len(city)}"


DECLARED = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather in a city.",
            parameters_json_schema={
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        )
    ]
)


async def test_an_answer(gate: Gate) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", temperature=0.5, max_output_tokens=64
    )
    answer = await gate.client.aio.models.generate_content(
        model=gate.models.text, contents=HELLO, config=config
    )
    assert answer.text == HELLO
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.response_id
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.prompt_token_count
    assert usage.candidates_token_count
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    if gate.dialect is not None:
        sent = Sent(gate.dialect, gate.provider.last)
        assert sent.system == ["Be brief."]
        assert sent.model == gate.models.text.removeprefix("up/")


async def test_the_client_that_blocks(gate: Gate) -> None:
    models = gate.client.models

    def ask() -> tuple[str | None, str]:
        whole = models.generate_content(model=gate.models.text, contents=HELLO)
        streamed = models.generate_content_stream(model=gate.models.text, contents=HELLO)
        return whole.text, "".join(chunk.text or "" for chunk in streamed)

    assert await asyncio.to_thread(ask) == (HELLO, HELLO)


async def test_a_stream(gate: Gate) -> None:
    stream = await gate.client.aio.models.generate_content_stream(model=gate.models.text, contents=HELLO)
    chunks = [chunk async for chunk in stream]
    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks) == HELLO
    last = chunks[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count


async def test_a_chat(gate: Gate) -> None:
    chat = gate.client.aio.chats.create(model=gate.models.text)
    assert (await chat.send_message("One.")).text == "One."
    pieces = [chunk.text or "" async for chunk in await chat.send_message_stream("Two.")]
    assert "".join(pieces) == "Two."
    assert (await chat.send_message("Three.")).text == "Three."
    if gate.dialect is not None:
        sent = Sent(gate.dialect, gate.provider.last)
        # This client keeps the pieces of a stream as they came, the empty last one too.
        said = ["".join(texts) for _, texts in sent.turns if any(texts)]
        assert said == ["One.", "One.", "Two.", "Two.", "Three."]


async def test_functions_that_the_client_calls_by_itself(gate: Gate) -> None:
    config = types.GenerateContentConfig(tools=[get_weather])
    answer = await gate.client.aio.models.generate_content(
        model=gate.models.calling, contents=ASKED, config=config
    )
    assert "sunny" in (answer.text or "")
    history = answer.automatic_function_calling_history
    assert history is not None
    assert [content.role for content in history] == ["user", "model", "user"]
    if gate.dialect is not None:
        assert Sent(gate.dialect, gate.provider.last).results == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_tools(gate: Gate, stream: bool) -> None:
    models = gate.client.aio.models
    config = types.GenerateContentConfig(
        tools=[DECLARED],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.AUTO)
        ),
    )
    fields: dict[str, Any] = {"model": gate.models.calling, "config": config}
    parts: list[types.Part] = []
    if stream:
        async for chunk in await models.generate_content_stream(contents=ASKED, **fields):
            parts += chunk.parts or []
    else:
        parts = (await models.generate_content(contents=ASKED, **fields)).parts or []
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.name for call in calls] == ["get_weather"]
    assert isinstance((calls[0].args or {})["city"], str)
    result = types.Part.from_function_response(name="get_weather", response={"output": "sunny"})
    history: Any = [
        types.UserContent(ASKED),
        types.ModelContent(list(parts)),
        types.UserContent([result]),
    ]
    second = await models.generate_content(contents=history, **fields)
    assert "sunny" in (second.text or "")


async def test_a_form(gate: Gate) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    answer = await gate.client.aio.models.generate_content(
        model=gate.models.text, contents="A city.", config=config
    )
    assert isinstance(answer.parsed, City)
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=City.model_json_schema()
    )
    answer = await gate.client.aio.models.generate_content(
        model=gate.models.text, contents="A city.", config=config
    )
    assert isinstance(json.loads(answer.text or "")["people"], int)


async def test_counting(gate: Gate) -> None:
    count = gate.client.aio.models.count_tokens
    short = (await count(model=gate.models.text, contents="Hello!")).total_tokens
    long = (await count(model=gate.models.text, contents="Hello! " * 100)).total_tokens
    assert short is not None
    assert long is not None
    assert 0 < short < long - 90


async def test_the_list(gate: Gate) -> None:
    models = gate.client.aio.models
    listed = [model async for model in await models.list(config={"page_size": 2})]
    names = [model.name for model in listed]
    assert len(names) == len(set(names)) > 0
    assert all(name and name.startswith("models/") for name in names)
    assert listed[0].supported_actions
    one = await models.get(model=names[0] or "")
    assert one == listed[0]
    with pytest.raises(errors.ClientError) as missing:
        await models.get(model="nothing/here")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


THOUGHTFUL = types.GenerateContentConfig(
    thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai_responses"])
async def test_thoughts_go_back_to_who_thought_them(opened: Opened, dialect: str, stream: bool) -> None:
    """Without a vault: all that remembers them is what the client keeps."""
    gate = await opened(dialect, seals={"ttl": 0})
    chat = gate.client.aio.chats.create(model=gate.models.text, config=THOUGHTFUL)
    if stream:
        parts = [
            p async for chunk in await chat.send_message_stream("think: of it") for p in chunk.parts or ()
        ]
    else:
        parts = (await chat.send_message("think: of it")).parts or []
    assert "".join(part.text or "" for part in parts if part.thought) == "Let me think."
    assert "".join(part.text or "" for part in parts if not part.thought) == "think: of it"
    assert any(part.thought_signature for part in parts)
    assert (await chat.send_message("And?")).text == "And?"
    assert SEAL in gate.provider.last.raw.decode()


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("version", ["v1", "v1alpha", "v1beta"])
async def test_every_version_of_the_api(opened: Opened, dialect: str, version: str) -> None:
    gate = await opened(dialect)
    options = types.HttpOptions(api_version=version)
    config = types.GenerateContentConfig(http_options=options)
    answer = await gate.client.aio.models.generate_content(
        model=f"models/{gate.models.text}", contents=HELLO, config=config
    )
    assert answer.text == HELLO
    listed = await gate.client.aio.models.list(config=types.ListModelsConfig(http_options=options))
    assert listed[0].name


@pytest.mark.parametrize("dialect", list(DIALECTS))
async def test_a_refusal(opened: Opened, dialect: str) -> None:
    wire = "openai_chat" if dialect == "openai_responses" else dialect
    gate = await opened(dialect, stubs.refusal(wire, 429, "rate_limit_exceeded", "Slow down."))
    models = gate.client.aio.models
    with pytest.raises(errors.ClientError) as caught:
        await models.generate_content(model=gate.models.text, contents=HELLO)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    stream = await models.generate_content_stream(model=gate.models.text, contents=HELLO)
    with pytest.raises(errors.ClientError) as caught:
        [chunk async for chunk in stream]
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


async def test_a_stream_that_breaks_off(opened: Opened) -> None:
    gate = await opened("simulate")
    stream = await gate.client.aio.models.generate_content_stream(
        model="simulate/lorem:50+die:5", contents=HELLO
    )
    with pytest.raises(errors.APIError) as caught:
        [chunk async for chunk in stream]
    assert caught.value.status
