"""Vertex AI as a provider and as a face, with a service account, by the official clients of Google, OpenAI
and Anthropic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from openai import AsyncOpenAI, InternalServerError

from dragoman.exchange import Exchange
from dragoman.testing.provider import Answer, FakeProvider, Script, Seen, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.strict.vertex import LOCATION, OPEN, PROJECT, SAID, TOKEN, account, vertex

pytest.importorskip("google.auth", reason="needs the extra `google`")
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"  # of google-genai
)

GEMINI = "gemini-2.5-flash"
CLAUDE = "claude-sonnet-4-5@20250929"
PLACE = f"/projects/{PROJECT}/locations/{LOCATION}/publishers"
HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
CONFIG = types.GenerateContentConfig(
    system_instruction="Be kind.",
    temperature=0.5,
    max_output_tokens=50,
    thinking_config=types.ThinkingConfig(thinking_budget=128),
    tools=[
        types.Tool(
            function_declarations=[
                types.FunctionDeclaration(
                    name="get_weather",
                    description="The weather of a city.",
                    parameters=types.Schema(
                        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}
                    ),
                )
            ]
        )
    ],
    labels={"team": "a"},
)


class Talk:
    """A gateway before Vertex AI, and clients of three protocols."""

    def __init__(self, site: Site, provider: FakeProvider, exchanges: list[Exchange]) -> None:
        self.site, self.provider, self.exchanges = site, provider, exchanges
        self.openai = AsyncOpenAI(base_url=f"{site.base}/v1", api_key="dummy-key", max_retries=0)
        self.anthropic = AsyncAnthropic(base_url=site.base, api_key="dummy-key", max_retries=0)
        self.google = google(site.base)

    @property
    def sent(self) -> list[Seen]:
        """The requests for models."""
        return [seen for seen in self.provider.seen if seen.path != "/token"]

    @property
    def signed_in(self) -> int:
        return sum(seen.path == "/token" for seen in self.provider.seen)


def google(base: str, **more: Any) -> genai.Client:
    """Google's client in Vertex mode. more: in place of project, location and token."""
    stated: dict[str, Any] = more or {
        "project": PROJECT,
        "location": LOCATION,
        "credentials": Credentials(token=TOKEN),  # type: ignore[no-untyped-call]
    }
    return genai.Client(vertexai=True, http_options=types.HttpOptions(base_url=base), **stated)


@pytest.fixture
async def talk(visit: Visit, provide: Provide, tmp_path: Path) -> AsyncIterator[Any]:
    """Begin a talk. script: what Vertex AI answers. settings: of the provider."""
    begun: list[Talk] = []

    async def begin(script: Script = vertex, **settings: Any) -> Talk:
        provider = await provide(script)
        file = account(provider.url, tmp_path / "sa.json")
        row = {"base_url": provider.url, **settings}
        if "keys" not in row:
            row |= {"project": PROJECT, "region": LOCATION, "credential": {"kind": "google", "file": file}}
        exchanges: list[Exchange] = []
        config = {"providers": {"vertex": row}, "retries": {"attempts": 1}}
        site = await visit(config, observers=[exchanges.append])
        begun.append(Talk(site, provider, exchanges))
        return begun[-1]

    yield begin
    for one in begun:
        await one.openai.close()
        await one.anthropic.close()
        await one.google.aio.aclose()


async def test_gemini_for_a_chat_client_with_one_sign_in_for_twenty(talk: Any) -> None:
    told = await talk()
    ask = told.openai.chat.completions.create
    answers = await asyncio.gather(*(ask(model=f"vertex/{GEMINI}", messages=HELLO) for _ in range(20)))
    assert {answer.choices[0].message.content for answer in answers} == {SAID.text}
    assert told.signed_in == 1
    assert {seen.path for seen in told.sent} == {f"/v1beta1{PLACE}/google/models/{GEMINI}:generateContent"}
    stream = await ask(model=f"vertex/{GEMINI}", messages=HELLO, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == SAID.text
    assert told.sent[-1].target.endswith(":streamGenerateContent?alt=sse")
    assert told.signed_in == 1


async def test_google_s_client_sends_to_the_gateway_what_the_gateway_sends_to_vertex(
    talk: Any, provide: Provide
) -> None:
    """The judge of the wire form: Google's own client in front of Vertex AI itself."""
    told, itself = await talk(), await provide(vertex)
    straight = google(itself.url)
    for client, model in ((straight, GEMINI), (told.google, f"vertex/{GEMINI}")):
        models = client.aio.models
        answer = await models.generate_content(model=model, contents="Hello!", config=CONFIG)
        assert answer.text == SAID.text
        parts = [
            chunk.text or ""
            async for chunk in await models.generate_content_stream(
                model=model, contents="Hello!", config=CONFIG
            )
        ]
        assert "".join(parts) == SAID.text
        counted = await models.count_tokens(model=model, contents="What is the capital of France?")
        assert counted.total_tokens == 7
    await straight.aio.aclose()
    assert [(seen.path, seen.body) for seen in told.sent] == [(seen.path, seen.body) for seen in itself.seen]
    assert [dict(seen.query) for seen in told.sent] == [dict(seen.query) for seen in itself.seen]
    assert [exchange.mode for exchange in told.exchanges[:2]] == ["relay", "relay"]


async def test_google_s_client_with_a_key_of_the_gateway_and_without_a_project(talk: Any) -> None:
    told = await talk(keys=["express-key"])
    client = google(told.site.base, api_key="dummy-key")
    answer = await client.aio.models.generate_content(model=f"vertex/{GEMINI}", contents="Hello!")
    assert answer.text == SAID.text
    assert told.sent[-1].path == f"/v1beta1/publishers/google/models/{GEMINI}:generateContent"
    await client.aio.aclose()


async def test_embeddings(talk: Any) -> None:
    told = await talk()
    embed = told.openai.embeddings.create
    found = await embed(model="vertex/text-embedding-005", input=["ab", "abcd"], dimensions=2)
    assert [one.embedding for one in found.data] == [[2.0, 0.25], [4.0, 0.25]]
    assert found.usage.prompt_tokens == 4
    assert told.sent[-1].body == {
        "instances": [{"content": "ab"}, {"content": "abcd"}],
        "parameters": {"outputDimensionality": 2},
    }
    found = await embed(model="vertex/gemini-embedding-001", input=["ab", "abcd"])
    assert [one.embedding for one in found.data] == [[2.0, 0.25], [4.0, 0.25]]
    assert len(told.sent) == 3, "one instance each"
    found = await embed(model="vertex/gemini-embedding-2", input="ab")
    assert found.data[0].embedding == [0.5, 0.25]
    assert found.usage.prompt_tokens == 3
    for model in ("text-embedding-005", "gemini-embedding-001", "gemini-embedding-2"):
        config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=2)
        own = await told.google.aio.models.embed_content(
            model=f"vertex/{model}", contents="ab", config=config
        )
        (vector,) = own.embeddings
        assert vector.values == ([0.5, 0.25] if model.endswith("-2") else [2.0, 0.25])
    assert told.sent[-3].body["instances"] == [{"content": "ab", "task_type": "RETRIEVAL_QUERY"}]


@pytest.mark.parametrize("client", ["openai", "anthropic"])
async def test_models_of_other_publishers(talk: Any, client: str) -> None:
    told, model = await talk(), "meta/llama-4-scout-17b-16e-instruct-maas"
    if client == "openai":
        create = told.openai.chat.completions.create
        answer = await create(model=f"vertex/{model}", messages=HELLO, max_completion_tokens=9)
        assert answer.choices[0].message.content == SAID.text
    else:
        answer = await told.anthropic.messages.create(model=f"vertex/{model}", messages=HELLO, max_tokens=9)
        assert answer.content[0].text == SAID.text
    counted = await told.anthropic.messages.count_tokens(model=f"vertex/{model}", messages=HELLO)
    assert counted.input_tokens > 0
    assert [seen.path for seen in told.sent] == [OPEN], "the gateway counts itself"
    assert (told.sent[-1].body["model"], told.sent[-1].body["max_tokens"]) == (model, 9)


@pytest.mark.parametrize("client", ["openai", "anthropic"])
async def test_claude(talk: Any, client: str) -> None:
    told = await talk()
    if client == "openai":
        answer = await told.openai.chat.completions.create(model=f"vertex/{CLAUDE}", messages=HELLO)
        assert answer.choices[0].message.content == SAID.text
    else:
        answer = await told.anthropic.messages.create(
            model=f"vertex/{CLAUDE}", messages=HELLO, max_tokens=100
        )
        assert answer.content[0].text == SAID.text
    sent = told.sent[-1]
    assert sent.target == f"/v1{PLACE}/anthropic/models/claude-sonnet-4-5%4020250929:rawPredict"
    assert sent.body["anthropic_version"] == "vertex-2023-10-16"
    async with told.anthropic.messages.stream(
        model=f"vertex/{CLAUDE}", messages=HELLO, max_tokens=100
    ) as stream:
        assert await stream.get_final_text() == SAID.text
    assert told.sent[-1].path.endswith(":streamRawPredict")
    assert told.signed_in == 1


async def test_a_sign_in_that_fails_is_a_502_that_names_the_provider(talk: Any) -> None:
    def answer(seen: Seen) -> Answer:
        if seen.path == "/token":
            return Whole({"error": "invalid_grant", "error_description": "Account was deleted"}, 400)
        return vertex(seen)

    told = await talk(answer)
    with pytest.raises(InternalServerError) as raised:
        await told.openai.chat.completions.create(model=f"vertex/{GEMINI}", messages=HELLO)
    assert raised.value.status_code == 502
    assert raised.value.code == "sign_in_failed"
    assert "cannot sign in to the provider 'vertex'" in raised.value.message
    assert "invalid_grant" in raised.value.message
    (attempt,) = told.exchanges[-1].attempts
    assert attempt.deployment.startswith("vertex/")
    assert attempt.fault.code == "sign_in_failed"
    assert told.sent == []


async def test_a_revoked_token_is_replaced_once(talk: Any) -> None:
    """The provider refuses a token before its end: the call is repeated with a new one."""
    tokens, revoked = iter(["ya29.first", TOKEN]), False

    def answer(seen: Seen) -> Answer:
        if seen.path == "/token":
            return Whole({"access_token": next(tokens), "expires_in": 3599, "token_type": "Bearer"})
        if not revoked and seen.headers["authorization"] == "Bearer ya29.first":
            seen = msgspec.structs.replace(seen, headers={**seen.headers, "authorization": f"Bearer {TOKEN}"})
        return vertex(seen)

    told = await talk(answer)
    for _ in range(2):
        answered = await told.openai.chat.completions.create(model=f"vertex/{GEMINI}", messages=HELLO)
        assert answered.choices[0].message.content == SAID.text
        revoked = True
    assert told.signed_in == 2
    assert len(told.sent) == 3
