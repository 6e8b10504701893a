"""Base URLs as people write them: with a slash at the end, or with the root that their client adds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from google.genai import Client
from google.genai.types import HttpOptions
from openai import AsyncOpenAI
from yarl import URL

from dragoman.exchange import Exchange
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Serve, Visit

HELLO = [{"role": "user", "content": "One two."}]
CHAT: dict[str, Any] = {"messages": HELLO}
SAID: dict[str, Any] = {"messages": HELLO, "max_tokens": 9}
ASKED: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "One two."}]}]}
GENERATE = "models/simulate%2Fecho:generateContent"
MISTAKES = [
    ("//v1/chat/completions", CHAT),
    ("/v1//chat/completions/", CHAT),
    ("/v1/v1/chat/completions", CHAT),
    ("/v1//v1/responses", {"input": "One two."}),
    ("/api/v1/completions", {"prompt": "One two."}),
    ("//v1/messages", SAID),
    ("/v1/v1/messages", SAID),
    ("/anthropic/v1/v1/messages", SAID),
    (f"//v1beta/{GENERATE}", ASKED),
    (f"/v1beta/v1beta/{GENERATE}", ASKED),
    (f"/v1/v1beta/{GENERATE}", ASKED),
    ("//api/chat", CHAT),
    ("/api/api/chat", CHAT),
    ("/v1/api/chat", CHAT),
    ("/openai/v1/chat/completions", CHAT),  # Groq's client adds the root to any base URL
    ("/v1/openai/v1/chat/completions", CHAT),
    ("/inference/v1/completions", {"prompt": "One two."}),  # and so does Fireworks'
    ("/v1beta/openai/chat/completions", CHAT),  # Google's for OpenAI's clients
    ("//compatibility/v1/responses/", {"input": "One two."}),
]


async def asked(site: Site, path: str, body: dict[str, Any]) -> Answered:
    async with site.session.post(URL(site.base + path, encoded=True), json=body) as response:
        return Answered(response.status, response.headers, await response.read())


@pytest.mark.parametrize(("path", "body"), MISTAKES, ids=[path for path, _ in MISTAKES])
async def test_what_is_repeated_is_read_once(visit: Visit, path: str, body: dict[str, Any]) -> None:
    exchanges: list[Exchange] = []
    site = await visit({}, observers=[exchanges.append])
    answered = await asked(site, path, {"model": "simulate/echo", **body})
    assert answered.status == 200, answered.raw
    assert b"two" in answered.raw
    assert exchanges[-1].path == exchanges[-1].path.replace("//", "/").rstrip("/")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1",
        "//",
        "/openai/v1",
        "/openai/v1/nothing",
        "/v1/v1/nothing",
        "//v1/v1/v1/nothing/",
        "/api/v1/api",
    ],
)
async def test_elsewhere_there_is_still_nothing(visit: Visit, path: str) -> None:
    site = await visit({})
    answered = await asked(site, path, {})
    assert answered.status in {404, 405}


async def test_a_key_in_the_wrong_place_opens_nothing(visit: Visit) -> None:
    site = await visit({"auth": {"keys": [{"key": "client-key"}]}})
    body = {"model": "simulate/echo", **CHAT}
    answered = await asked(site, "//key/client-key/v1/chat/completions", body)
    assert answered.status == 401
    assert b"client-key" not in answered.raw
    answered = await asked(site, "/key/client-key//v1/v1/chat/completions", body)
    assert answered.status == 200


async def test_official_clients_with_the_other_ones_base_url(serve: Serve) -> None:
    base = await serve()
    async with AsyncAnthropic(base_url=f"{base}/v1", api_key="x", max_retries=0) as anthropic:
        message = await anthropic.messages.create(
            model="simulate/echo", max_tokens=9, messages=[{"role": "user", "content": "One two."}]
        )
        assert "two" in getattr(message.content[0], "text", "")
    async with AsyncOpenAI(base_url=f"{base}//v1/", api_key="x", max_retries=0) as openai:
        answer = await openai.chat.completions.create(
            model="simulate/echo", messages=[{"role": "user", "content": "One two."}]
        )
        assert "two" in (answer.choices[0].message.content or "")
    google = Client(api_key="x", http_options=HttpOptions(base_url=f"{base}/v1beta/"))
    said = await asyncio.to_thread(
        google.models.generate_content, model="simulate%2Fecho", contents="One two."
    )
    assert "two" in (said.text or "")
