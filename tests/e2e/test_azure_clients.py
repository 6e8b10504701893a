"""The official client of Azure OpenAI reaches every model and every operation, unchanged."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from openai import (
    AsyncAzureOpenAI,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from yarl import URL

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict import held
from tests.e2e.strict.azure import FILTERED, KEY, PROMPT, SAFE, azure
from tests.e2e.stubs import Said

HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
WORDS = "Good morning, Ada"
VERSION = "2024-10-21"
MODELS = {
    "openai_chat": "up/gpt-4o",
    "anthropic": "claude/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "azure": "azure/prod",
    "simulate": "simulate/echo",
}


class Talk:
    """A gateway in front of providers of several protocols, and what became of each request."""

    def __init__(self, base: str, providers: dict[str, FakeProvider], exchanges: list[Exchange]) -> None:
        self.base = base
        self.providers = providers
        self.exchanges = exchanges
        self._clients: list[AsyncOpenAI] = []

    def client(self, deployment: str | None = None, **more: Any) -> AsyncAzureOpenAI:
        """Azure's client. deployment: for all of its requests; None = each names its model."""
        credential = more or {"api_key": "key-of-a-team-0123"}
        made = AsyncAzureOpenAI(
            azure_endpoint=self.base,
            azure_deployment=deployment,
            api_version=VERSION,
            max_retries=0,
            **credential,
        )
        self._clients.append(made)
        return made

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def talk(serve: Serve, provide: Provide) -> AsyncIterator[Talk]:
    providers = {
        "up": await provide(held("openai_chat", stubs.openai_chat(Said(WORDS)))),
        "claude": await provide(held("anthropic", stubs.anthropic(Said(WORDS)))),
        "gemini": await provide(held("gemini", stubs.gemini(Said(WORDS)))),
        "azure": await provide(azure),
    }
    rows: dict[str, Any] = {name: {"base_url": one.url, "keys": [KEY]} for name, one in providers.items()}
    rows["claude"]["dialect"] = "anthropic"
    keys = [
        {"name": "team", "key": "key-of-a-team-0123"},
        {"name": "narrow", "key": "key-of-another-01", "models": ["simulate/echo"], "faces": ["openai_chat"]},
    ]
    config = {
        "providers": {**rows, "simulate": {"enabled": True}, "local": {"enabled": False}},
        "models": {"team: gpt 5": {"use": "simulate/echo"}},
        "retries": {"attempts": 1},
        "auth": {"keys": keys},
    }
    exchanges: list[Exchange] = []
    base = await serve(json.dumps(config), observers=[exchanges.append])
    told = Talk(base, providers, exchanges)
    yield told
    await told.close()


@pytest.mark.parametrize("protocol", ["openai_chat", "anthropic", "gemini"])
async def test_chat_whole_and_streamed_with_any_model(talk: Talk, protocol: str) -> None:
    client, model = talk.client(), MODELS[protocol]
    answer = await client.chat.completions.create(model=model, messages=HELLO)
    assert answer.choices[0].message.content == WORDS
    stream = await client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == WORDS
    assert chunks[-1].usage is not None
    mode = "relay" if protocol == "openai_chat" else "translate"
    assert [one.mode for one in talk.exchanges] == [mode, mode]
    assert {one.client for one in talk.exchanges} == {"team"}
    assert talk.exchanges[-1].path == "/openai/deployments/{model}/chat/completions"


async def test_azure_behind_azures_client_is_relayed(talk: Talk) -> None:
    answer = await talk.client("azure/prod").chat.completions.create(model="gpt-4o", messages=HELLO)
    said: Any = answer
    assert (answer.choices[0].message.content, said.prompt_filter_results) == ("Good morning", PROMPT)
    assert said.choices[0].content_filter_results == SAFE
    assert talk.exchanges[-1].mode == "relay"
    assert talk.providers["azure"].last.body["model"] == "prod"
    with pytest.raises(BadRequestError) as refused:
        await talk.client("azure/prod").chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "forbidden"}]
        )
    body: Any = refused.value.body
    assert (body["code"], body["param"], body["status"]) == ("content_filter", "prompt", 400)
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}
    assert body["innererror"] == inner


@pytest.mark.parametrize("deployment", [None, "simulate/echo"])
async def test_every_operation(talk: Talk, deployment: str | None) -> None:
    """Without a deployment the client puts the model of each request into the path."""
    client, model = talk.client(deployment), "simulate/echo"
    assert (await client.completions.create(model=model, prompt="One")).choices[0].text == "One"
    assert len((await client.embeddings.create(model=model, input=["a", "b"])).data) == 2
    assert (await client.images.generate(model=model, prompt="a cat")).data
    sound = await (await client.audio.speech.create(model=model, input="Hello", voice="alloy")).aread()
    assert sound
    other = model if deployment is None else "other"
    file = ("a.wav", BytesIO(sound), "audio/wav")
    assert (await client.audio.transcriptions.create(model=other, file=file)).text
    with pytest.deprecated_call():
        assert (await client.audio.translations.create(model=other, file=file)).text
    picture = ("a.png", BytesIO(PNG), "image/png")
    assert (await client.images.edit(model=other, image=picture, prompt="a dog")).data
    assert {one.answered for one in talk.exchanges} == {model}


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003"
    "01010018dd8db00000000049454e44ae426082"
)


@pytest.mark.parametrize("deployment", [None, "simulate/echo"])
async def test_what_lies_beside_the_deployments(talk: Talk, deployment: str | None) -> None:
    client = talk.client(deployment)
    answer = await client.responses.create(model="simulate/echo", input="One two")
    assert answer.output_text == "One two"
    assert (await client.responses.retrieve(answer.id)).output_text == "One two"
    events = await client.responses.create(model="simulate/echo", input="One two", stream=True)
    assert [event async for event in events][-1].type == "response.completed"
    names = [one.id async for one in client.models.list()]
    assert "simulate/echo" in names
    async with AsyncOpenAI(base_url=f"{talk.base}/openai/v1/", api_key="key-of-a-team-0123") as v1:
        assert (await v1.responses.create(model="simulate/echo", input="One")).output_text == "One"


async def test_a_token_is_a_key(talk: Talk) -> None:
    """What is a token of Entra at Azure is a key of the gateway here."""
    client = talk.client(azure_ad_token="key-of-a-team-0123")
    answer = await client.chat.completions.create(model="simulate/echo", messages=HELLO)
    assert answer.choices[0].message.content == "Hello!"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/simulate/echo/chat/completions", "simulate/echo"),
        (f"/openai/deployments/{quote('simulate/echo', safe='')}/chat/completions", "simulate/echo"),
        (f"/openai/deployments/{quote('team: gpt 5', safe='')}/chat/completions", "team: gpt 5"),
        ("/openai/deployments/team:%20gpt%205/chat/completions", "team: gpt 5"),
        ("//openai/deployments/simulate/echo/chat/completions", "simulate/echo"),
        ("/openai/openai/deployments/simulate/echo/chat/completions", "simulate/echo"),
        ("/v1/openai/deployments/simulate/echo/chat/completions/", "simulate/echo"),
        ("/key/key-of-a-team-0123/openai/deployments/simulate/echo/chat/completions", "simulate/echo"),
    ],
)
async def test_names_and_base_urls_as_people_write_them(talk: Talk, path: str, model: str) -> None:
    url = URL(f"{talk.base}{path}?api-version={VERSION}", encoded=True)
    headers = {"api-key": "key-of-a-team-0123"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"messages": HELLO}) as answer,
    ):
        assert answer.status == 200
    assert (talk.exchanges[-1].asked, talk.exchanges[-1].answered) == (model, "simulate/echo")


async def test_the_model_of_the_body_is_not_asked_and_the_report_says_so(talk: Talk) -> None:
    client = talk.client("simulate/echo")
    create = client.chat.completions.with_raw_response.create
    raw = await create(model="up/gpt-4o", messages=HELLO, extra_headers={"x-dragoman-report": "1"})
    assert raw.parse().choices[0].message.content == "Hello!"
    assert talk.providers["up"].seen == []
    changes = json.loads(raw.headers["x-dragoman-report"])["changes"]
    reason = "the deployment in the path is asked, not the model of the body"
    assert changes == [{"path": "$.model", "to": "", "reason": reason}]
    raw = await create(model="simulate/echo", messages=HELLO, extra_headers={"x-dragoman-report": "1"})
    assert json.loads(raw.headers["x-dragoman-report"])["changes"] == []


async def test_errors_have_azures_codes(talk: Talk) -> None:
    with pytest.raises(NotFoundError) as missing:
        await talk.client().chat.completions.create(model="nobody", messages=HELLO)
    assert missing.value.code == "DeploymentNotFound"
    narrow = talk.client(api_key="key-of-another-01")
    with pytest.raises(PermissionDeniedError):
        await narrow.embeddings.create(model="up/gpt-4o", input="a")
    with pytest.raises(AuthenticationError) as stranger:
        await talk.client(api_key="key-of-nobody-012").chat.completions.create(model="a", messages=HELLO)
    assert stranger.value.code == "401"
    with pytest.raises(BadRequestError) as wrong:
        await talk.client().chat.completions.create(model="simulate/echo", messages=[], temperature=9)
    assert wrong.value.param is not None
    url = f"{talk.base}/openai/deployments/simulate/echo/audio/transcriptions"
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("language", "en")
    async with (
        aiohttp.ClientSession(headers={"api-key": "key-of-a-team-0123"}) as session,
        session.post(url, data=form) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["param"]) == (400, "file")


async def test_a_grant_of_a_protocol_holds_on_azures_paths(talk: Talk) -> None:
    """They are paths of OpenAI's protocols, so a key for `openai_chat` alone asks no completions there."""
    narrow = talk.client(api_key="key-of-another-01")
    answer = await narrow.chat.completions.create(model="simulate/echo", messages=HELLO)
    assert answer.choices[0].message.content == "Hello!"
    with pytest.raises(Exception, match="may not use the protocol openai_completions"):
        await narrow.completions.create(model="simulate/echo", prompt="One")
