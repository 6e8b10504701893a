"""Counting tokens: the provider's own number through official clients, and ours where it tells none."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from google import genai
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.engine import count as counting
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.routing.health import Health
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

MODELS: Final = {
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "openai": "openai/gpt-5.1",
}
PATHS: Final = {
    "anthropic": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/gemini-2.5-flash:countTokens",
    "openai": "/v1/responses/input_tokens",
}
EVERY: Final = pytest.mark.parametrize("vendor", list(MODELS))
FACES: Final = pytest.mark.parametrize("face", ["anthropic", "gemini", "openai"])
NUMBER: Final = 4321
"""What the providers say, which no count of ours would come to."""
LARGE: Final = {
    "anthropic": {"input_tokens": NUMBER, "context_management": {"original_input_tokens": 5000}},
    "gemini": {"totalTokens": NUMBER, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": NUMBER}]},
    "openai": {"object": "response.input_tokens", "input_tokens": NUMBER},
}
PICTURE: Final = b"\x89PNG\r\n\x1a\n" + bytes(32)
FAILURES: Final = {
    "a wrong key": Whole({"error": {"message": "invalid key", "type": "authentication_error"}}, status=401),
    "a bad request": Whole({"error": {"message": "no", "type": "invalid_request_error"}}, status=400),
    "no endpoint": Whole("Not Found", status=404),
    "too many": Whole({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "30"}),
    "an outage": Whole("<html>", status=503),
    "nonsense": Whole({"tokens": 7}),
    "no answer": Whole({}, delay=30),
}


def answers(seen: Seen) -> Answer:
    """What every provider says; one of them has a picture, too."""
    if seen.method == "GET":
        return Whole(PICTURE, headers={"content-type": "image/png"})
    vendor = next(vendor for vendor, path in PATHS.items() if path.rpartition("/")[2] in seen.path)
    return Whole(LARGE[vendor])


class Stage:
    """A running gateway, its provider, and what became of each request."""

    def __init__(self, base: str, provider: FakeProvider, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.provider = provider
        self.session = session
        self.exchanges: list[Exchange] = []
        self.health = Health()
        self.anthropic = AsyncAnthropic(base_url=base, api_key="any", max_retries=0)
        self.openai = AsyncOpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0)
        self.gemini = genai.Client(api_key="any", http_options={"base_url": base}).aio

    async def count(self, face: str, model: str, text: str = "Hello!", **more: Any) -> int:
        """The tokens that an official client is told."""
        if face == "anthropic":
            messages: Any = [{"role": "user", "content": text}]
            told = await self.anthropic.messages.count_tokens(model=model, messages=messages, **more)
            return told.input_tokens
        if face == "openai":
            return (
                await self.openai.responses.input_tokens.count(model=model, input=text, **more)
            ).input_tokens
        return (await self.gemini.models.count_tokens(model=model, contents=text, **more)).total_tokens or 0

    async def post(self, path: str, body: Any, **headers: str) -> tuple[Any, Any]:
        """The headers and the body of an answer over plain HTTP."""
        async with self.session.post(self.base + path, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            return response.headers, await response.json()


def configuration(url: str) -> dict[str, Any]:
    row = {"base_url": url, "keys": ["up-key"]}
    return {
        "providers": {
            **dict.fromkeys(MODELS, row),
            "also": {**row, "dialect": "anthropic"},
            **dict.fromkeys(("vllm", "llamacpp", "mistral", "lmstudio"), row),
            "trusted": {**row, "dialect": "anthropic", "quirks": {"counts": True}},
        },
        "models": {
            "pool": {"deployments": [MODELS["gemini"], MODELS["anthropic"]]},
            "mixed": {"deployments": ["also/claude-sonnet-4-5", MODELS["anthropic"]]},
            "second": {"deployments": [MODELS["anthropic"], "also/claude-sonnet-4-5"]},
            "extended": {"use": MODELS["anthropic"], "body": {"metadata": {"user_id": "u"}, "speed": "fast"}},
            "blind": {"use": MODELS["anthropic"], "supports": {"tools": False}},
        },
        "aliases": {"brief": {"route": MODELS["anthropic"], "system_prompt": "Be brief."}},
        "default_model": MODELS["openai"],
        "retries": {"attempts": 3, "backoff": 0.01},
        "egress": {"allow": ["127.0.0.1"]},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The stage of this file."""
    async with AsyncExitStack() as opened:
        provider = await opened.enter_async_context(FakeProvider(answers))
        file = tmp_path_factory.mktemp("counting") / "dragoman.yaml"
        file.write_text(json.dumps(configuration(provider.url)), encoding="utf-8")
        exchanges: list[Exchange] = []
        gateway = Gateway(load(file, {}), observers=[exchanges.append])
        base = await opened.enter_async_context(serving(gateway))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        stage = Stage(base, provider, session)
        stage.exchanges = exchanges
        stage.health = gateway.providers_health
        opened.push_async_callback(stage.gemini.aclose)
        await opened.enter_async_context(stage.anthropic)
        await opened.enter_async_context(stage.openai)
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The stage as a test finds it."""
    shared.exchanges.clear()
    shared.health.revive()
    shared.provider.seen.clear()
    shared.provider.answers.clear()
    shared.provider.answers.append(answers)
    return shared


# --- Who counts --------------------------------------------------------------------------------------


@EVERY
@FACES
async def test_every_client_is_told_the_number_of_every_provider(
    stage: Stage, face: str, vendor: str
) -> None:
    assert await stage.count(face, MODELS[vendor]) == NUMBER
    asked = stage.provider.last
    assert (len(stage.provider.seen), asked.path) == (1, PATHS[vendor])
    assert any("up-key" in value for value in asked.headers.values())
    assert "Hello!" in asked.raw.decode()
    exchange = stage.exchanges[-1]
    assert exchange.operation == "count"
    assert (exchange.answered, exchange.end) == (MODELS[vendor], "done")
    assert exchange.mode == ("relay" if face == vendor else "translate")
    assert exchange.usage is None  # nothing was used


async def test_anthropics_own_answers_pass_as_they_are(stage: Stage) -> None:
    tools: Any = [
        {"name": "clock", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    ]
    body = {"model": MODELS["anthropic"], "messages": [{"role": "user", "content": "Hello!"}], "tools": tools}
    betas = {"anthropic-version": "2023-06-01", "anthropic-beta": "token-counting-2024-11-01,new-2030-01-01"}
    headers, told = await stage.post("/v1/messages/count_tokens?beta=true", body, **betas)
    assert told == LARGE["anthropic"]
    assert stage.provider.last.body == {**body, "model": "claude-sonnet-4-5"}
    assert stage.provider.last.headers["anthropic-beta"] == betas["anthropic-beta"]
    assert headers["x-dragoman-deployment"] == MODELS["anthropic"]
    assert "x-dragoman-estimated" not in headers


async def test_geminis_own_answers_pass_as_they_are(stage: Stage) -> None:
    whole = {
        "contents": [{"role": "user", "parts": [{"text": "Hello!"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    path = f"/v1beta/models/{MODELS['gemini']}:countTokens"
    for body in ({"generateContentRequest": {**whole, "model": "models/x"}}, whole):
        headers, told = await stage.post(path, body)
        assert told == LARGE["gemini"]
        sent = {"generateContentRequest": {**whole, "model": "models/gemini-2.5-flash"}}
        assert stage.provider.last.body == sent
        assert "x-dragoman-estimated" not in headers


async def test_everything_of_a_prompt_is_counted_in_another_protocol(stage: Stage) -> None:
    tools = [{"name": "1clock", "description": "Tells the time.", "input_schema": {"type": "object"}}]
    model = MODELS["gemini"]
    assert await stage.count("anthropic", model, system="Be brief.", tools=tools) == NUMBER
    sent = stage.provider.last.body["generateContentRequest"]
    assert sent["model"] == "models/gemini-2.5-flash"
    assert sent["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    declared = sent["tools"][0]["functionDeclarations"][0]
    assert declared["description"] == "Tells the time."
    assert declared["name"] != "1clock"  # which Gemini would refuse


async def test_a_picture_is_read_for_a_provider_that_does_not_read_it(stage: Stage) -> None:
    source = {"type": "url", "url": f"{stage.provider.url}/picture.png"}
    content: Any = [{"type": "image", "source": source}]
    body = {"model": MODELS["gemini"], "messages": [{"role": "user", "content": content}]}
    _, told = await stage.post("/v1/messages/count_tokens", body)
    assert told == {"input_tokens": NUMBER}
    assert [seen.method for seen in stage.provider.seen] == ["GET", "POST"]
    part = stage.provider.last.body["contents"][0]["parts"][0]
    assert b64decode(part["inlineData"]["data"]) == PICTURE
    source["url"] = "http://127.0.0.1:9/gone.png"
    _, told = await stage.post("/v1/messages/count_tokens", body)
    assert told["input_tokens"] != NUMBER
    assert len(stage.provider.seen) == 2


@EVERY
async def test_a_budget_of_thoughts_needs_no_bound(stage: Stage, vendor: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}
    assert await stage.count("anthropic", MODELS[vendor], thinking=thinking) == NUMBER
    sent = json.dumps(stage.provider.last.body)
    assert "max" not in sent
    assert "2000" in sent or vendor == "openai"


async def test_what_an_alias_and_the_configuration_add_is_counted(stage: Stage) -> None:
    assert await stage.count("anthropic", "brief") == NUMBER
    assert "Be brief." in json.dumps(stage.provider.last.body["system"])
    for face in ("anthropic", "openai"):
        assert await stage.count(face, "extended") == NUMBER
        assert stage.provider.last.body["speed"] == "fast"
        assert not {"metadata", "max_tokens", "stream"} & stage.provider.last.body.keys()


async def test_a_conversation_is_counted_and_not_continued(stage: Stage) -> None:
    said: Any = {"type": "message", "role": "user", "content": "Remember the whale."}
    conversation = await stage.openai.conversations.create(items=[said])
    for vendor in ("openai", "anthropic"):
        assert await stage.count("openai", MODELS[vendor], conversation=conversation.id) == NUMBER
        sent = stage.provider.last
        assert "Remember the whale." in sent.raw.decode()
        assert not {"conversation", "store"} & sent.body.keys()
    items = await stage.openai.conversations.items.list(conversation.id)
    assert len(items.data) == 1


async def test_the_default_model_counts(stage: Stage) -> None:
    _, told = await stage.post("/v1/responses/input_tokens", {"input": "Hello!"})
    assert told == LARGE["openai"]
    assert stage.provider.last.body == {"input": "Hello!", "model": "gpt-5.1"}


# --- Who does not ------------------------------------------------------------------------------------


async def own_count(stage: Stage, model: str, **headers: str) -> Any:
    """The headers of a count that is ours."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 5}
    told, answer = await stage.post("/v1/messages/count_tokens", body, **headers)
    assert 0 < answer["input_tokens"] < 100
    assert list(answer) == ["input_tokens"]
    return told


@pytest.mark.parametrize("failure", list(FAILURES))
async def test_a_provider_that_fails_is_made_up_for(
    stage: Stage, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PATIENCE", 0.3 if failure == "no answer" else 30)
    stage.provider.answers[0] = FAILURES[failure]
    headers = await own_count(stage, MODELS["anthropic"])
    assert (headers["x-dragoman-estimated"], headers["x-dragoman-attempts"]) == ("1", "1")
    assert "x-dragoman-deployment" not in headers
    assert len(stage.provider.seen) == 1  # nobody waits and asks again
    exchange = stage.exchanges[-1]
    assert (exchange.answered, exchange.end, exchange.fault) == (None, "done", None)
    assert exchange.attempts[0].fault is not None
    assert exchange.attempts[0].ended is not None


@EVERY
async def test_official_clients_are_told_ours(stage: Stage, vendor: str) -> None:
    stage.provider.answers[0] = FAILURES["an outage"]
    assert 0 < await stage.count(vendor, MODELS[vendor]) < 100


async def test_the_next_deployment_is_asked(stage: Stage) -> None:
    stage.provider.answers[0] = lambda seen: (
        FAILURES["a wrong key"] if "countTokens" in seen.path else answers(seen)
    )
    assert await stage.count("openai", "pool") == NUMBER
    assert stage.exchanges[-1].answered == MODELS["anthropic"]
    assert len(stage.provider.seen) == 2


async def test_another_model_is_not_asked_in_the_place_of_one_that_cannot_count(stage: Stage) -> None:
    await own_count(stage, "mixed")
    assert stage.provider.seen == []
    stage.provider.answers[0] = FAILURES["an outage"]
    await own_count(stage, "second")
    assert len(stage.provider.seen) == 1


@pytest.mark.parametrize("model", ["also/claude-sonnet-4-5", "lmstudio/some-model"])
async def test_servers_that_are_only_compatible_are_not_asked(stage: Stage, model: str) -> None:
    headers = await own_count(stage, model)
    assert headers["x-dragoman-estimated"] == "1"
    assert "x-dragoman-attempts" not in headers
    assert stage.provider.seen == []


@pytest.mark.parametrize(
    ("vendor", "path"), [("vllm", "anthropic"), ("llamacpp", "anthropic"), ("mistral", "openai")]
)
async def test_compatible_servers_with_the_endpoint_are_asked(stage: Stage, vendor: str, path: str) -> None:
    assert await stage.count("anthropic", f"{vendor}/some-model") == NUMBER
    assert stage.provider.last.path == PATHS[path]


async def test_a_server_that_is_said_to_count_is_asked(stage: Stage) -> None:
    assert await stage.count("gemini", "trusted/some-model") == NUMBER
    assert stage.provider.last.path == PATHS["anthropic"]


async def test_a_strict_request_is_not_counted_with_losses(stage: Stage) -> None:
    body = {
        "model": MODELS["openai"],
        "messages": [{"role": "user", "content": "Hello!"}],
        "top_k": 5,
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}],
    }
    path = "/v1/messages/count_tokens"
    _, told = await stage.post(path, body)
    assert told["input_tokens"] == NUMBER
    headers, told = await stage.post(path, body, **{"x-dragoman-strict": "all"})
    assert told["input_tokens"] != NUMBER
    assert headers["x-dragoman-estimated"] == "1"
    assert len(stage.provider.seen) == 1


async def test_a_thread_is_counted_by_anthropic_alone(stage: Stage) -> None:
    body = {"messages": [{"role": "user", "content": "Hello!"}], "thread": {"id": "thread_1"}}
    path = "/v1/messages/count_tokens"
    _, told = await stage.post(path, {**body, "model": MODELS["anthropic"]})
    assert (told, stage.provider.last.body["thread"]) == (LARGE["anthropic"], body["thread"])
    _, told = await stage.post(path, {**body, "model": MODELS["openai"]})
    assert 0 < told["input_tokens"] < 100
    assert len(stage.provider.seen) == 1


async def test_what_no_deployment_can_be_asked_is_not_counted(stage: Stage) -> None:
    tools = [{"name": "clock", "input_schema": {"type": "object"}}]
    body = {"model": "blind", "messages": [{"role": "user", "content": "Hello!"}], "tools": tools}
    path = stage.base + "/v1/messages/count_tokens"
    async with stage.session.post(path, json=body) as response:
        assert (response.status, (await response.json())["type"]) == (400, "error")
    assert stage.provider.seen == []


async def test_nobody_is_asked_where_that_is_switched_off(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("off") / "dragoman.yaml"
    settings = {**configuration(stage.provider.url), "count_upstream": False}
    file.write_text(json.dumps(settings), encoding="utf-8")
    async with serving(Gateway(load(file, {}))) as base:
        alone = Stage(base, stage.provider, stage.session)
        await own_count(alone, MODELS["anthropic"])
    assert stage.provider.seen == []
