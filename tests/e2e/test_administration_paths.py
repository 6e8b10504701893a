"""Paths by which other gateways are administered or watched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server.administration import KEY_WORDS
from dragoman.testing.serving import serving

PAGES = Path(__file__).parents[2]
KEY = "a-key-of-some-length"
CONFIG: dict[str, Any] = {
    "auth": {
        "keys": [KEY, "info/of-a-key-in-base64", {"key": "small-key-of-some", "models": ["simulate/echo"]}]
    },
    "providers": {
        "simulate": {"enabled": True},
        "openai": {"base_url": "http://127.0.0.1:9", "keys": ["up-key"], "models": ["gpt-4o"]},
    },
}


async def call(
    method: str, path: str, key: str | None = KEY, base_path: str = ""
) -> tuple[int, Any, Exchange]:
    exchanges: list[Exchange] = []
    settings = {**CONFIG, "server": {"base_path": base_path}} if base_path else CONFIG
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        serving(Gateway(settings, observers=[exchanges.append])) as base,
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, base + path) as response,
    ):
        body = await response.json(content_type=None) if response.content_type.endswith("json") else None
        return response.status, body, exchanges[-1]


ADMINISTRATION = [
    *(("GET", f"/key/{word}") for word in sorted(KEY_WORDS - {"info"})),
    ("POST", "/key/generate"),
    ("GET", "/key/list/"),
    ("GET", "/v2/key/info"),
    ("GET", "/user/list"),
    ("POST", "/team/new"),
    ("GET", "/team/list"),
    ("GET", "/spend/logs"),
    ("GET", "/global/spend/report"),
    ("POST", "/budget/new"),
    ("POST", "/model/new"),
    ("POST", "/customer/new"),
    ("GET", "/health/services"),
    ("GET", "/ui"),
    ("GET", "/v1/configs"),
    ("GET", "/v1/virtual-keys"),
    ("GET", "/v1/analytics/graphs/cost"),
    ("GET", "/api/providers"),
    ("GET", "/api/governance/virtual-keys"),
    ("POST", "/v1/request/query"),
    ("GET", "/ollama/api/tags"),
]


@pytest.mark.parametrize(("method", "path"), ADMINISTRATION)
async def test_administration_leads_to_the_page(method: str, path: str) -> None:
    status, body, exchange = await call(method, path)
    assert status == 404
    error = body["error"]
    text = error if isinstance(error, str) else error["message"]  # Ollama's are texts
    assert text.startswith(f"There is no endpoint {method} {path}. ")
    (page,) = re.findall(r"docs/[\w/]+\.md", text)[-1:]
    assert (PAGES / page).is_file()
    assert exchange.path == path
    assert exchange.client is not None


async def test_an_outsider_learns_nothing() -> None:
    for path in ("/key/info", "/spend/logs", "/model/info"):
        assert (await call("GET", path, None))[0] == 401


async def test_other_paths_are_plainly_not_there() -> None:
    _, body, _ = await call("GET", "/nothing/at/all")
    assert body["error"]["message"] == "There is no endpoint GET /nothing/at/all."


async def test_keys_stay_keys_in_every_other_path() -> None:
    for path in (f"/key/{KEY}/v1/models", "/key/info%2Fof-a-key-in-base64/v1/models", f"/key/{KEY}"):
        status, _, exchange = await call("GET", path, None)
        assert status == 200
        assert "key" not in exchange.path
    for path in ("/key/info/v1/models", "/key/generated", "/key/Info"):  # keys that are wrong
        status, _, exchange = await call("GET", path, None)
        assert (status, "/key" in exchange.path) == ((401, False) if "v1" in path else (200, False))


async def test_below_a_base_path() -> None:
    status, body, _ = await call("GET", "/ai/key/list", base_path="/ai")
    assert (status, "/admin/keys" in body["error"]["message"]) == (404, True)
    assert (await call("GET", f"/ai/key/{KEY}/v1/models", None, base_path="/ai"))[0] == 200


async def test_health_by_other_names() -> None:
    for path, told in (
        ("/health/liveliness", "live"),
        ("/health/liveness", "live"),
        ("/ping", "live"),
        ("/health/readiness", "ready"),
    ):
        status, body, _ = await call("GET", path, None)
        assert (status, body["status"]) == (200, told)


async def test_models_in_litellms_words() -> None:
    for path in ("/model/info", "/v1/model/info"):
        _, body, _ = await call("GET", path)
        found = {one["model_name"]: one for one in body["data"]}
        model = found["openai/gpt-4o"]
        assert model["litellm_params"] == {"model": "openai/gpt-4o"}
        info = model["model_info"]
        assert (info["litellm_provider"], info["supports_vision"]) == ("openai", True)
        assert info["max_input_tokens"] == 128_000
        assert "up-key" not in str(body)
        assert "127.0.0.1" not in str(body)
    _, body, _ = await call("GET", "/model/info", "small-key-of-some")
    assert [one["model_name"] for one in body["data"]] == ["simulate/echo"]
