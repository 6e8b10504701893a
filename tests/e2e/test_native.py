"""Rows 1.18 and 1.20: paths that are no vendor's protocol."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime
from typing import Any

import pytest

from tests.e2e import stubs
from tests.e2e.calls import MODELS, Answered, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.media import png
from tests.e2e.strict import held
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))


async def generate(site: Site, body: Any, **headers: str) -> Answered:
    async with site.session.post(f"{site.base}/generate", json=body, headers=headers) as response:
        return Answered(response.status, response.headers, await response.read())


@EVERY
async def test_a_question_is_answered(visit: Visit, provide: Provide, dialect: str) -> None:
    """1.20: by a provider of any protocol, which is asked in the words that it takes."""
    provider = await provide(held(dialect, stubs.DIALECTS[dialect](Said("Hello you."))))
    site = await visit(up(provider.url, dialect))
    body = {
        "prompt": "Hi",
        "systemPrompt": "Be brief.",
        "model": MODELS[dialect],
        "temperature": 0.5,
        "maxTokens": 9,
    }
    answer = await generate(site, body)
    assert answer.status == 200, answer.raw
    told = answer.body
    assert list(told) == [
        "id",
        "content",
        "model",
        "finishReason",
        "tokenUsage",
        "processingTime",
        "timestamp",
    ]
    assert (told["content"], told["finishReason"]) == ("Hello you.", "stop")
    counts = told["tokenUsage"]
    assert counts["totalTokens"] == counts["promptTokens"] + counts["completionTokens"] > 0
    assert 0 <= told["processingTime"] < 20_000
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert answer.headers["x-dragoman-deployment"] == MODELS[dialect]
    sent = provider.last.raw.decode()
    assert all(text in sent for text in ("Be brief.", "Hi", "0.5", "9"))


async def test_what_a_model_draws_is_shown(visit: Visit, provide: Provide) -> None:
    """0.12: in the one shape that chat has."""
    drawn = png((1, 2, 3))
    provider = await provide(held("gemini", stubs.gemini(Said("A dot.", images=(drawn,)))))
    site = await visit(up(provider.url, "gemini"))
    answer = await generate(site, {"prompt": "Draw a dot.", "model": "up/gemini-2.5-flash-image"})
    assert answer.body["content"] == "A dot."
    [image] = answer.body["images"]
    assert image["type"] == "image_url"
    assert b64decode(image["image_url"]["url"].removeprefix("data:image/png;base64,")) == drawn
    assert answer.headers["x-dragoman-losses"] == "0"


async def test_mistakes_and_failures_are_told_as_the_chat_api_does(visit: Visit, provide: Provide) -> None:
    """1.20: limits, grants and errors are those of every question."""
    provider = await provide(stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down."))
    keys = ["all-key", {"key": "some-key", "models": ["m"]}]
    config = {**up(provider.url), "aliases": {"m": "simulate/echo"}, "auth": {"keys": keys}}
    site = await visit({**config, "server": {"max_body": "2kB"}})
    some, every = ({"x-api-key": key} for key in ("some-key", "all-key"))
    answered = await generate(site, {"prompt": "Hi", "model": "m"}, **some)
    assert (answered.status, answered.body["content"]) == (200, "Hi")
    for body, headers, status, code in (
        ({"prompt": "Hi", "model": "m"}, {}, 401, "invalid_api_key"),
        ({"prompt": "Hi", "model": "simulate/echo"}, some, 403, "model_not_granted"),
        ({"prompt": "Hi", "model": "nope"}, every, 404, "model_not_found"),
        ({"prompt": "Hi", "model": "up/gpt-4o"}, every, 429, "rate_limit_exceeded"),
        ({"prompt": "Hi", "model": "m", "stream": True}, every, 400, "unknown_parameter"),
        ({"prompt": "x" * 3000, "model": "m"}, every, 413, "request_too_large"),
        ({"model": "m"}, every, 400, "missing_required_parameter"),
        (["Hi"], every, 400, None),
    ):
        refused = await generate(site, body, **headers)
        assert (refused.status, refused.error["code"]) == (status, code or refused.error["code"]), body
    async with site.session.get(f"{site.base}/generate", headers=every) as response:
        assert response.status == 405


async def test_a_session_goes_on(visit: Visit) -> None:
    """1.20: what holds for every face holds here."""
    site = await visit({"aliases": {"m": "simulate/echo"}})
    for prompt in ("one", "two"):
        answer = await generate(site, {"prompt": prompt, "model": "m"}, **{"x-session-id": "s"})
        assert answer.status == 200
    assert (await site.get("/admin/sessions/s")).body["turns"] == 2


async def test_an_anonymous_id_tells_nothing(visit: Visit) -> None:
    """1.18: random, new each time, for everybody, and in no header."""
    site = await visit({"auth": {"keys": ["a-key"]}})
    answers = [await site.get("/anonymous-id") for _ in range(3)]
    ids = {answer.body["id"] for answer in answers}
    assert len(ids) == len(answers)
    for answer in answers:
        assert re.fullmatch("[0-9a-f]{24}", answer.body["id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body["id"] not in str(dict(answer.headers))
