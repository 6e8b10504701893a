"""Azure OpenAI as a provider: dated deployments and /openai/v1, keys and tokens, and its content filter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message
from openai import AsyncOpenAI, BadRequestError, InternalServerError

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider, Script, Streamed
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict import azure as resource
from tests.e2e.strict.azure import FILTERED, KEY, PROMPT, SAFE, TOKEN, azure

HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
FORBIDDEN: list[Any] = [{"role": "user", "content": f"Something {resource.FORBIDDEN}"}]


class Talk:
    """OpenAI's client, a gateway in front of one resource of Azure, and what became of each request."""

    def __init__(self, base: str, provider: FakeProvider, exchanges: list[Exchange]) -> None:
        self.base = base
        self.client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0)
        self.provider = provider
        self.exchanges = exchanges

    async def ask(self, messages: list[Any] = HELLO, **fields: Any) -> Any:
        return await self.client.chat.completions.create(model="azure/prod", messages=messages, **fields)

    @property
    def asked(self) -> tuple[str, dict[str, str]]:
        """The path and the query of the last request to the resource."""
        return self.provider.last.path, dict(self.provider.last.query)


@pytest.fixture
async def talk(serve: Serve, provide: Provide) -> AsyncIterator[Any]:
    """Begin a talk. script: what the resource answers. settings: of the provider."""
    begun: list[Talk] = []

    async def begin(script: Script = azure, **settings: Any) -> Talk:
        provider = await provide(script)
        row = {"base_url": provider.url, "keys": [KEY], **settings}
        exchanges: list[Exchange] = []
        config = {"providers": {"azure": row}, "retries": {"attempts": 1}}
        base = await serve(json.dumps(config), observers=[exchanges.append])
        begun.append(Talk(base, provider, exchanges))
        return begun[-1]

    yield begin
    for one in begun:
        await one.client.close()


async def final_message(told: Talk) -> Message:
    """What Anthropic's client makes of a stream."""
    client = AsyncAnthropic(base_url=told.base, api_key="dummy-key", max_retries=0)
    stream = client.messages.stream(model="azure/prod", max_tokens=9, messages=HELLO)
    async with client, stream as events:
        return await events.get_final_message()


DATED = {"api_version": "2024-10-21"}


@pytest.mark.parametrize(
    ("settings", "root", "query"),
    [
        ({}, "/openai/v1", {}),
        ({"api_version": "preview"}, "/openai/v1", {"api-version": "preview"}),
        (DATED, "/openai/deployments/prod", {"api-version": "2024-10-21"}),
    ],
)
async def test_every_operation_goes_to_its_own_path(
    talk: Any, settings: dict[str, str], root: str, query: dict[str, str]
) -> None:
    told: Talk = await talk(**settings)
    client, model = told.client, "azure/prod"
    assert (await told.ask()).choices[0].message.content == "Good morning"
    assert told.asked == (f"{root}/chat/completions", query)
    assert told.provider.last.body["model"] == "prod"
    assert (await client.completions.create(model=model, prompt="Run")).choices[0].text == " down."
    assert told.asked == (f"{root}/completions", query)
    assert (await client.embeddings.create(model=model, input="a")).data[0].embedding == [0.5, -0.5]
    assert told.asked == (f"{root}/embeddings", query)
    picture = await client.images.generate(model=model, prompt="a cat")
    assert picture.data is not None
    assert picture.data[0].b64_json == "iVBORw0KGgo="
    assert told.asked == (f"{root}/images/generations", query)
    spoken = await client.audio.speech.create(model=model, input="Hello", voice="alloy")
    assert await spoken.aread() == b"\xff\xf3\x14\xc4"
    assert told.asked == (f"{root}/audio/speech", query)
    sound = ("a.wav", BytesIO(b"RIFF"), "audio/wav")
    assert (await client.audio.transcriptions.create(model=model, file=sound)).text == "Good morning"
    assert told.asked == (f"{root}/audio/transcriptions", query)


async def test_responses_are_asked_where_a_version_has_them(talk: Any) -> None:
    told: Talk = await talk()
    answer = await told.client.responses.create(model="azure/prod", input="Hello!", store=False)
    assert (answer.output_text, told.asked) == ("Good morning", ("/openai/v1/responses", {}))
    old: Talk = await talk(**DATED)
    answer = await old.client.responses.create(model="azure/prod", input="Hello!", store=False)
    assert answer.output_text == "Good morning"
    assert old.asked[0] == "/openai/deployments/prod/chat/completions"


async def test_an_old_version_gets_no_member_that_it_refuses(talk: Any) -> None:
    told: Talk = await talk(api_version="2024-02-01")
    answer = await told.ask(max_completion_tokens=9)
    assert answer.choices[0].message.content == "Good morning"
    assert told.provider.last.body["max_tokens"] == 9
    stream = await told.ask(stream=True, stream_options={"include_usage": True})
    texts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    assert "".join(text or "" for text in texts) == "Good morning"
    assert "stream_options" not in told.provider.last.body


async def test_a_token_is_sent_as_a_bearer_token(talk: Any) -> None:
    """A key in `api-key`, an access token of Entra in `authorization`, in every protocol of the resource."""
    told: Talk = await talk(keys=[TOKEN], **DATED)
    assert (await told.ask()).choices[0].message.content == "Good morning"
    assert "api-key" not in told.provider.last.headers
    other: Talk = await talk(keys=["unknown-key-0123"])
    with pytest.raises(InternalServerError):
        await other.ask()
    fault = other.exchanges[-1].fault
    assert fault is not None
    assert (fault.code, fault.blame) == ("upstream_credential_refused", "gateway")


async def test_filter_results_reach_the_client(talk: Any) -> None:
    told: Talk = await talk(**DATED)
    answer = await told.ask()
    assert answer.prompt_filter_results == PROMPT
    assert answer.choices[0].content_filter_results == SAFE
    assert told.exchanges[-1].mode == "relay"
    stream = await told.ask(stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].prompt_filter_results == PROMPT
    assert chunks[0].choices == []
    assert [one.choices[0].content_filter_results for one in chunks[1:]] == [{}, SAFE, SAFE, {}]
    assert told.exchanges[-1].usage is not None
    assert (told.exchanges[-1].usage.input, told.exchanges[-1].usage.output) == (12, 2)


async def test_a_filtered_prompt_is_told_in_each_protocol(talk: Any) -> None:
    told: Talk = await talk(**DATED)
    with pytest.raises(BadRequestError) as refused:
        await told.ask(FORBIDDEN)
    body: Any = refused.value.body
    assert (refused.value.code, refused.value.param) == ("content_filter", "prompt")
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}
    assert body["innererror"] == inner
    fault = told.exchanges[-1].fault
    assert fault is not None
    assert (fault.kind, fault.blame) == ("content_policy", "client")
    async with AsyncAnthropic(base_url=told.base, api_key="dummy-key", max_retries=0) as client:
        with pytest.raises(Exception, match="content management policy") as other:
            await client.messages.create(model="azure/prod", max_tokens=9, messages=FORBIDDEN)
        assert getattr(other.value, "status_code", None) == 400


async def test_a_filtered_answer_ends_with_the_reason_of_each_protocol(talk: Any) -> None:
    told: Talk = await talk(Streamed(resource.frames("content_filter", usage=True)), **DATED)
    stream = await told.ask(stream=True)
    chunks = [chunk async for chunk in stream]
    (last,) = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert last.choices[0].finish_reason == "content_filter"
    assert last.choices[0].content_filter_results == FILTERED
    message = await final_message(told)
    assert message.stop_reason == "refusal"
    create = told.client.responses.create
    said = [
        event async for event in await create(model="azure/prod", input="Hello!", stream=True, store=False)
    ]
    ended: Any = said[-1]
    assert ended.type == "response.incomplete"
    assert ended.response.incomplete_details.reason == "content_filter"


async def test_late_annotations_of_the_filter_are_no_answer(talk: Any) -> None:
    told: Talk = await talk(Streamed(resource.asynchronous()))
    chunks = [chunk async for chunk in await told.ask(stream=True)]
    offsets = [one.choices[0].content_filter_offsets for one in chunks[1:] if one.id == ""]
    assert [one["check_offset"] for one in offsets] == [4, 12]
    assert told.exchanges[-1].usage is not None
    message = await final_message(told)
    assert [block.model_dump()["text"] for block in message.content] == ["Good morning"]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)


async def test_errors_of_the_resource_blame_the_right_one(talk: Any) -> None:
    told: Talk = await talk(**DATED)
    with pytest.raises(Exception, match="deployment"):
        await told.client.chat.completions.create(model="azure/other", messages=HELLO)
    fault = told.exchanges[-1].fault
    assert fault is not None
    assert (fault.kind, fault.blame) == ("model_not_found", "client")
    answer = await told.client.completions.create(model="azure/prod", prompt="chat")
    assert answer.choices[0].text == "Good morning"
    assert told.exchanges[-1].usage is not None


async def test_the_list_of_models_is_below_no_deployment(talk: Any) -> None:
    told: Talk = await talk(passthrough=["files"], **DATED)
    async with aiohttp.ClientSession() as session, session.get(f"{told.base}/v1/files?limit=2") as answer:
        await answer.read()
    assert told.asked == ("/openai/files", {"api-version": "2024-10-21", "limit": "2"})
