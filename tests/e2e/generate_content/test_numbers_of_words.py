"""Words of Google's API that come as their numbers, as its older clients for Python and Go write them all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Call, Said

# What google-generativeai 0.8.6 sends over REST, for a tool that must be called.
ASKED: dict[str, Any] = {
    "contents": [{"parts": [{"text": "How is Oslo?"}], "role": "user"}],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "description": "The weather.",
                    "parameters": {
                        "type": 6,
                        "properties": {"city": {"type": 1}},
                        "required": ["city"],
                    },
                }
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": 2, "allowedFunctionNames": ["get_weather"]}},
    "safetySettings": [{"category": 7, "threshold": 4}],
    "generationConfig": {"responseModalities": [1]},
}
ANSWERS = {**DIALECTS, "openai_responses": openai_responses}


async def asked(site: Site, body: dict[str, Any], method: str = "generateContent") -> Answered:
    path = f"/v1beta/models/up%2Fm:{method}?%24alt=json%3Benum-encoding%3Dint"
    async with site.session.post(site.base + path, json=body) as response:
        return Answered(response.status, response.headers, await response.read())


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "openai_responses"])
async def test_another_provider_is_told_the_words(visit: Visit, provide: Provide, dialect: str) -> None:
    call: Call = ("toolu_1" if dialect == "anthropic" else "call_1", "get_weather", '{"city":"Oslo"}')
    provider = await provide(held(dialect, ANSWERS[dialect](Said("", (call,)))))
    site = await visit(up(provider.url, dialect, models=["m"]))
    answered = await asked(site, ASKED)
    assert answered.status == 200, answered.raw
    part = answered.body["candidates"][0]["content"]["parts"][0]
    assert part["functionCall"]["args"] == {"city": "Oslo"}
    sent = provider.seen[-1].body
    chosen = json.dumps(sent["tool_choice"])
    assert "get_weather" in chosen
    assert '"object"' in json.dumps(sent["tools"])


async def test_google_gets_them_as_they_are(visit: Visit, provide: Provide) -> None:
    made = DIALECTS["gemini"](Said("Cold."))

    def answer(seen: Seen) -> Answer:
        given = made(seen) if callable(made) else made
        assert isinstance(given, Whole)
        return given

    provider = await provide(answer)
    site = await visit(up(provider.url, "gemini", models=["m"]))
    answered = await asked(site, ASKED)
    assert answered.status == 200, answered.raw
    assert provider.seen[-1].body == ASKED


async def test_a_task_may_be_a_number(visit: Visit, provide: Provide) -> None:
    made = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    provider = await provide(Whole({**made, "usage": {"prompt_tokens": 1, "total_tokens": 1}}))
    site = await visit(up(provider.url, models=["m"]))
    body = {"content": {"parts": [{"text": "a"}]}, "taskType": 3}
    answered = await asked(site, body, "embedContent")
    assert answered.status == 200, answered.raw
    assert answered.body["embedding"]["values"] == [0.5]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {**ASKED, "toolConfig": {"functionCallingConfig": {"mode": 99}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({**ASKED, "safetySettings": [{"category": 7.5, "threshold": 4}]}, "safetySettings[0].category"),
        ({**ASKED, "safetySettings": [{"category": 7, "threshold": True}]}, "safetySettings[0].threshold"),
    ],
)
async def test_what_is_no_word_is_refused(visit: Visit, provide: Provide, body: Any, field: str) -> None:
    provider = await provide(Whole({}))
    site = await visit(up(provider.url, models=["m"]))
    answered = await asked(site, body)
    assert answered.status == 400
    assert field in json.dumps(answered.body)
    assert not provider.seen
