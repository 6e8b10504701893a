"""What LiteLLM's clients send to their proxy, beside the request: tags, metadata and settings."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from dragoman.dialects.gateway_members import LITELLM, LONGEST_TAG, MOST_TAGS
from dragoman.dialects.table import DIALECTS
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.provider import FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

MESSAGES = [{"role": "user", "content": "Hello!"}]
TEXT_COMPLETION = Whole(
    {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt",
        "choices": [{"text": "Hi.", "index": 0, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
)
EMBEDDING = Whole(
    {
        "object": "list",
        "model": "gpt",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
)
RESPONSE = Whole(
    {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi.", "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }
)

FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}),
    "completions": ("/v1/completions", {"prompt": "Hello!"}),
    "embeddings": ("/v1/embeddings", {"input": "Hello!"}),
    "responses": ("/v1/responses", {"input": "Hello!", "store": False}),
    "messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 50}),
    "gemini": (
        "/v1beta/models/up/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    ),
    "ollama": ("/api/chat", {"messages": MESSAGES, "stream": False}),
}


def answer(seen: Seen) -> Any:
    """Whatever this provider is asked."""
    for end, whole in (
        ("/messages", stubs.anthropic(Said())),
        ("/embeddings", EMBEDDING),
        ("/responses", RESPONSE),
        ("/chat/completions", stubs.openai_chat(Said())),
        ("/completions", TEXT_COMPLETION),
    ):
        if seen.path.endswith(end):
            return whole(seen) if callable(whole) else whole
    raise AssertionError(seen.path)


class Asked:
    """One request: the answer, what the provider got, and the record."""

    def __init__(self, status: int, body: Any, provider: FakeProvider, exchange: Exchange) -> None:
        self.status = status
        self.body = body
        self.sent: Any = provider.seen[-1].body if provider.seen else None
        self.exchange = exchange

    @property
    def lost(self) -> dict[str, str]:
        return {loss.path: loss.severity for loss in self.exchange.losses if loss.dialect == "gateway"}

    @property
    def kept(self) -> list[str | None]:
        return [change.path for change in self.exchange.changes if "no provider" in change.reason]


async def ask(
    provide: Provide,
    face: str = "chat",
    more: Mapping[str, Any] | None = None,
    *,
    dialect: str = "openai_chat",
    **headers: str,
) -> Asked:
    provider = await provide(answer)
    up = {"base_url": provider.url, "keys": ["up-key"], "dialect": dialect, "apis": ["openai_responses"]}
    if dialect == "anthropic":
        del up["apis"]
    exchanges: list[Exchange] = []
    settings = {"providers": {"up": up}, "retries": {"attempts": 1}, "responses": {"retain": False}}
    gateway = Gateway(settings, observers=[exchanges.append])
    path, body = FACES[face]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        serving(gateway) as base,
        aiohttp.ClientSession(headers=named) as session,
        session.post(base + path, json={"model": "up/m", **body, **(more or {})}) as response,
    ):
        told = await response.json()
    return Asked(response.status, told, provider, exchanges[-1])


SETTINGS = {
    "fallbacks": [{"gpt-4o": ["claude"]}],
    "num_retries": 3,
    "timeout": 10,
    "context_window_fallbacks": [{"a": ["b"]}],
    "cache": {"no-cache": True},
    "guardrails": ["pii"],
    "mock_response": "I am made up.",
    "api_key": "key-of-somebody",
    "user_api_key_dict": {"team_id": "t"},
}


@pytest.mark.parametrize("face", FACES)
async def test_settings_of_litellm_are_named_and_reach_no_provider(provide: Provide, face: str) -> None:
    asked = await ask(provide, face, {**SETTINGS, "metadata": {"tags": ["jobs"], "trace": {"id": 7}}})
    assert asked.status == 200, asked.body
    assert asked.lost.keys() == {f"$.{name}" for name in SETTINGS}
    assert asked.lost["$.guardrails"] == asked.lost["$.mock_response"] == "meaning"
    assert asked.lost["$.fallbacks"] == "hint"
    assert SETTINGS.keys().isdisjoint(asked.sent)
    assert "jobs" not in json.dumps(asked.sent)
    assert asked.exchange.tags == ("jobs",)
    assert asked.exchange.metadata == {"tags": ["jobs"], "trace": {"id": 7}}
    assert any((path or "").startswith("$.metadata") for path in asked.kept)


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
async def test_settings_are_named_in_both_modes(provide: Provide, dialect: str) -> None:
    asked = await ask(provide, "chat", {"num_retries": 2, "logit_bias": {"5": 1}}, dialect=dialect)
    assert asked.exchange.mode == ("relay" if dialect == "openai_chat" else "translate")
    lost = {loss.path for loss in asked.exchange.losses}
    assert lost == ({"$.num_retries"} if dialect == "openai_chat" else {"$.num_retries", "$.logit_bias"})


async def test_metadata_of_strings_is_openais(provide: Provide) -> None:
    asked = await ask(provide, "chat", {"metadata": {"app": "a", "tags": "x"}})
    assert asked.sent["metadata"] == {"app": "a", "tags": "x"}
    assert (asked.exchange.tags, asked.exchange.changes) == ((), ())


async def test_strings_go_on_where_metadata_are_taken(provide: Provide) -> None:
    mixed = {"app": "a", "tags": ["x"]}
    for face, more in (("responses", {}), ("chat", {"store": True})):
        asked = await ask(provide, face, {"metadata": mixed, **more})
        assert asked.sent["metadata"] == {"app": "a"}
        assert (asked.exchange.tags, asked.kept) == (("x",), ["$.metadata.tags"])
    asked = await ask(provide, "chat", {"metadata": mixed})
    assert "metadata" not in asked.sent
    assert asked.kept == ["$.metadata"]


async def test_anthropics_metadata_keep_the_user(provide: Provide) -> None:
    metadata = {"user_id": "u", "tags": ["x"], "app": "a"}
    asked = await ask(provide, "messages", {"metadata": metadata}, dialect="anthropic")
    assert asked.exchange.mode == "relay"
    assert asked.sent["metadata"] == {"user_id": "u"}
    assert asked.exchange.tags == ("x",)


async def test_members_that_a_provider_has_under_the_same_name_go_on(provide: Provide) -> None:
    own = {"fallbacks": [{"model": "claude-opus-4-8"}]}
    asked = await ask(provide, "messages", own, dialect="anthropic")
    assert asked.sent["fallbacks"] == own["fallbacks"]
    guards = [{"block_on_error": True, "moderation_llm_v2": {"action": "block"}}]
    asked = await ask(provide, "chat", {"guardrails": guards})
    assert asked.sent["guardrails"] == guards
    assert asked.lost == {}


async def test_headers_tag_a_request_too(provide: Provide) -> None:
    headers = {"x_dragoman_tags": "a, b", "x_litellm_tags": "b,c"}
    asked = await ask(provide, "chat", {"tags": ["d"], "litellm_metadata": {"tags": ["a", "e"]}}, **headers)
    assert asked.exchange.tags == ("a", "b", "c", "d", "e")


async def test_tags_are_bounded(provide: Provide) -> None:
    many = [f"tag-{number}" for number in range(MOST_TAGS + 5)]
    asked = await ask(provide, "chat", {"metadata": {"tags": many}})
    assert asked.exchange.tags == tuple(many[:MOST_TAGS])
    assert asked.lost == {"$.metadata.tags": "hint"}
    asked = await ask(provide, "chat", {"metadata": {"tags": ["x" * (LONGEST_TAG + 1), "y"]}})
    assert asked.exchange.tags == ("y",)
    assert asked.lost == {"$.metadata.tags": "hint"}


async def test_strictness_refuses_what_would_change_the_meaning(provide: Provide) -> None:
    asked = await ask(provide, "chat", {"guardrails": ["pii"], "num_retries": 2}, x_dragoman_strict="1")
    assert (asked.status, asked.body["error"]["param"]) == (400, "guardrails")
    assert asked.body["error"]["message"] == (
        "the request cannot be sent without loss: "
        "$.guardrails: the gateway has no guardrails: nothing is checked"
    )
    assert asked.sent is None
    asked = await ask(provide, "chat", {"num_retries": 2}, x_dragoman_strict="1")
    assert asked.status == 200
    asked = await ask(provide, "chat", {"num_retries": 2}, x_dragoman_strict="all")
    assert asked.status == 400


async def test_the_log_has_the_tags(provide: Provide) -> None:
    exchange = (await ask(provide, "chat", {"metadata": {"tags": ["jobs", "team: maps"]}})).exchange
    lines = []
    for people in (False, True):
        stream = io.BytesIO()
        log = AccessLog(Lines(stream, people=people))
        log(exchange)
        lines.append(stream.getvalue().decode())
    assert json.loads(lines[0])["tags"] == ["jobs", "team: maps"]
    assert " tags jobs, team: maps " in lines[1]


async def test_the_official_client_tags_its_requests(provide: Provide) -> None:
    provider = await provide(answer)
    exchanges: list[Exchange] = []
    up = {"base_url": provider.url, "keys": ["up-key"]}
    gateway = Gateway({"providers": {"up": up}}, observers=[exchanges.append])
    async with serving(gateway) as base, AsyncOpenAI(base_url=base + "/v1", api_key="none") as client:
        told = await client.chat.completions.create(
            model="up/m",
            messages=[{"role": "user", "content": "Hello!"}],
            extra_body={
                "metadata": {"generation_name": "g", "spend_logs_metadata": {"a": 1}, "tags": ["x"]},
                "num_retries": 2,
            },
        )
    assert told.choices[0].message.content
    assert exchanges[-1].tags == ("x",)
    assert provider.seen[-1].body.keys() == {"model", "messages"}


def test_no_protocol_has_one_of_these_members() -> None:
    for dialect in DIALECTS.values():
        for maps in (
            dialect.request.members,
            *(codec.client.members for codec in dialect.operations.values()),
        ):
            assert not LITELLM.keys() & maps, dialect.name


async def test_a_socket_and_a_background_answer_are_tagged(provide: Provide) -> None:
    provider = await provide(answer)
    exchanges: list[Exchange] = []
    up = {"base_url": provider.url, "keys": ["up-key"]}
    gateway = Gateway({"providers": {"up": up}}, observers=[exchanges.append])
    tagged = {"model": "up/m", "input": "Hello!", "metadata": {"tags": ["x"], "app": "a"}, "num_retries": 2}
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        headers = {"x-dragoman-tags": "socket"}
        async with session.ws_connect(base + "/v1/responses", headers=headers) as socket:
            await socket.send_json({"type": "response.create", **tagged})
            while (event := await socket.receive_json(timeout=60))["type"] != "response.completed":
                assert event["type"] != "error", event
            assert event["response"]["metadata"] == {"app": "a"}
        async with session.post(base + "/v1/responses", json={**tagged, "background": True}) as response:
            id_ = (await response.json())["id"]
        status = "queued"
        while status in ("queued", "in_progress"):
            async with session.get(f"{base}/v1/responses/{id_}") as response:
                status = (await response.json())["status"]
        assert status == "completed"
    assert ("socket", "x") in {exchange.tags for exchange in exchanges}
    assert ("x",) in {exchange.tags for exchange in exchanges}
    assert all("num_retries" not in seen.body for seen in provider.seen)
    assert len(provider.seen) == 2


async def test_what_was_taken_out_is_told_whichever_deployment_answers(provide: Provide) -> None:
    busy = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    second = await provide(stubs.anthropic(Said()))
    exchanges: list[Exchange] = []
    settings: dict[str, Any] = {
        "providers": {
            "one": {"base_url": busy.url, "keys": ["k1"]},
            "two": {"base_url": second.url, "keys": ["k2"], "dialect": "anthropic"},
        },
        "models": {"robust": {"deployments": ["one/gpt", "two/claude"]}},
        "retries": {"attempts": 1},
    }
    body = {"model": "robust", "messages": MESSAGES, "num_retries": 2, "metadata": {"tags": ["t"]}}
    async with (
        serving(Gateway(settings, observers=[exchanges.append])) as base,
        aiohttp.ClientSession() as session,
        session.post(f"{base}/v1/chat/completions", json={**body, "stream": True}) as response,
    ):
        assert response.headers["x-dragoman-losses"] == "1"
        assert b"[DONE]" in await response.read()
    (exchange,) = exchanges
    assert [attempt.mode for attempt in exchange.attempts] == ["relay", "translate"]
    assert [loss.path for loss in exchange.losses] == ["$.num_retries"]
    assert "$.metadata" in [change.path for change in exchange.changes]
    assert b"num_retries" not in busy.last.raw + second.last.raw
