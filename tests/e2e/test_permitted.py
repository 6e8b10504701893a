"""What a key may use: a row for each kind of grant, in every protocol, and what lists then hide."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway import Gateway
from dragoman.server.app import App
from tests.unit.turns.asking import Answer, Talk

SAID = [{"role": "user", "content": "hi"}]
CHAT = ("/v1/chat/completions", {"messages": SAID})
RESPONSES = ("/v1/responses", {"input": "hi"})
MESSAGES = ("/v1/messages", {"messages": SAID, "max_tokens": 20})
COUNT = ("/v1/messages/count_tokens", {"messages": SAID})
OLLAMA = ("/api/chat", {"messages": SAID, "stream": False})
GEMINI = ("/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]})
EMBED = ("/v1/embeddings", {"input": "hi"})
ALL = (CHAT, RESPONSES, MESSAGES, OLLAMA, GEMINI)

KEYS: dict[str, dict[str, Any]] = {
    "exact": {"models": ["fast"]},
    "pattern": {"models": ["simulate/*"]},
    "group": {"models": ["group:quick"]},
    "face": {"faces": ["anthropic"]},
    "operation": {"operations": ["embed"]},
    "provider": {"providers": ["far"]},
    "region": {"regions": ["eu"]},
    "team": {"team": "lab"},
    "everything": {},
}


class Served(App):
    """The application, and the gateway behind it."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.gateway = gateway


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    account = {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9", "keys": [], "models": ["m"]}
    settings = {
        "providers": {
            "simulate": {"enabled": True},
            "far": {**account, "region": "eu"},
            "near": {**account, "region": "us"},
        },
        "models": {
            "fast": "simulate/echo",
            "either": {"deployments": ["near/m", "far/m"]},
            "abroad": "near/m",
        },
        "groups": {"quick": ["fast", "simulate/echo*"]},
        "tenants": {"acme": {"faces": ["openai_chat", "anthropic"]}},
        "teams": {"lab": {"tenant": "acme", "models": ["fast", "either"]}},
        "retries": {"attempts": 1},
        "auth": {
            "keys": [{"name": name, "key": f"the-key-of-{name}-1", **rest} for name, rest in KEYS.items()]
        },
    }
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(settings))
    gateway = Gateway(file)
    yield Served(gateway)
    await gateway.close()


async def ask(app: App, name: str, request: tuple[str, dict[str, Any]] | str, model: str = "fast") -> Answer:
    headers = {"authorization": f"Bearer the-key-of-{name}-1"}
    if isinstance(request, str):
        return await Talk(app, "GET", request, None, headers).answer()
    path, body = request
    return await Talk(app, "POST", path.format(model=model), {"model": model, **body}, headers).answer()


@pytest.mark.parametrize("request_", ALL, ids=lambda one: one[0])
@pytest.mark.parametrize(
    ("name", "model", "status"),
    [
        ("everything", "fast", 200),
        ("exact", "fast", 200),
        ("exact", "simulate/echo", 403),
        ("pattern", "simulate/echo", 200),
        ("pattern", "fast", 403),
        ("group", "fast", 200),
        ("group", "simulate/echo", 200),
        ("group", "simulate/slow", 403),
        ("provider", "fast", 403),
        ("provider", "abroad", 403),
        ("region", "abroad", 403),
        ("region", "fast", 403),
        ("operation", "fast", 403),
    ],
)
async def test_a_model_that_is_not_granted_is_forbidden(
    app: App, request_: tuple[str, dict[str, Any]], name: str, model: str, status: int
) -> None:
    answer = await ask(app, name, request_, model)
    assert answer.status == status, answer.data


@pytest.mark.parametrize("name", ["provider", "region"])
async def test_only_granted_providers_are_called(app: Served, name: str) -> None:
    answer = await ask(app, name, CHAT, "either")
    assert answer.status == 503  # nobody listens there: what counts is who was asked
    (exchange,) = app.gateway.observers.finished.all()
    assert {attempt.deployment for attempt in exchange.attempts} == {"far/m"}


@pytest.mark.parametrize(
    ("name", "request_", "status"),
    [
        ("face", MESSAGES, 200),
        ("face", COUNT, 200),
        ("face", CHAT, 403),
        ("face", RESPONSES, 403),
        ("face", OLLAMA, 403),
        ("face", GEMINI, 403),
        ("team", CHAT, 200),
        ("team", MESSAGES, 200),
        ("team", OLLAMA, 403),
        ("operation", COUNT, 403),
    ],
)
async def test_a_protocol_or_an_operation_that_is_not_granted(
    app: App, name: str, request_: tuple[str, dict[str, Any]], status: int
) -> None:
    assert (await ask(app, name, request_)).status == status


async def test_an_operation_that_is_granted_alone(app: App) -> None:
    assert (await ask(app, "operation", EMBED, "simulate/echo")).status == 200
    assert (await ask(app, "operation", CHAT, "simulate/echo")).status == 403


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags", "/v1beta/models"])
@pytest.mark.parametrize(
    ("name", "shown", "hidden"),
    [
        ("exact", {"fast"}, {"either", "abroad"}),
        ("group", {"fast"}, {"either", "abroad"}),
        ("provider", {"either"}, {"fast", "abroad"}),
        ("region", {"either"}, {"fast", "abroad"}),
        ("everything", {"fast", "either", "abroad"}, set()),
    ],
)
async def test_lists_show_only_what_may_be_used(
    app: App, path: str, name: str, shown: set[str], hidden: set[str]
) -> None:
    body = (await ask(app, name, path)).body
    rows = body.get("data") or body.get("models")
    names = {
        str(row.get("id") or row["name"]).removeprefix("models/").removesuffix(":latest") for row in rows
    }
    assert shown <= names
    assert not hidden & names


async def test_the_list_in_anthropics_form(app: App) -> None:
    headers = {"x-api-key": "the-key-of-exact-1", "anthropic-version": "2023-06-01"}
    body = (await Talk(app, "GET", "/v1/models", None, headers).answer()).body
    assert [row["id"] for row in body["data"]] == ["fast"]
