"""0.6: words about how a model is to be asked that nobody here knows are for their own provider to judge;
another one would be asked something else.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e.conftest import Provide, Visit, up

Wire = dict[str, Any]
CONTENTS: Wire = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
MESSAGES: Wire = {"model": "up/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
GENERATE = "/v1beta/models/up%2Fm:generateContent"
THINKING = "generationConfig.thinkingConfig.thinkingLevel"


def _config(**config: Any) -> Wire:
    return {**CONTENTS, "generationConfig": config}


UNKNOWN: list[tuple[str, str, Wire, str]] = [
    ("gemini", GENERATE, _config(thinkingConfig={"thinkingLevel": "ULTRA"}), THINKING),
    ("gemini", GENERATE, _config(thinking_config={"thinking_level": "ultra"}), "thinking_level"),
    ("gemini", GENERATE, _config(responseMimeType="text/xml"), "generationConfig.responseMimeType"),
    (
        "gemini",
        GENERATE,
        {**CONTENTS, "toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}},
        "toolConfig.functionCallingConfig.mode",
    ),
    ("anthropic", "/v1/messages", {**MESSAGES, "thinking": {"type": "deep"}}, "thinking.type"),
    ("anthropic", "/v1/messages", {**MESSAGES, "output_config": {"effort": "ultra"}}, "output_config.effort"),
]


@pytest.mark.parametrize(("face", "path", "body", "place"), UNKNOWN)
async def test_an_unknown_word_is_not_translated(
    visit: Visit, provide: Provide, face: str, path: str, body: Wire, place: str
) -> None:
    provider = await provide(Whole({}))
    site = await visit(up(provider.url))
    async with site.session.post(site.base + path, json=body) as answer:
        text = await answer.text()
        assert answer.status == 400, text
    assert place in text
    assert provider.seen == []


@pytest.mark.parametrize(("face", "path", "body", "place"), UNKNOWN)
async def test_its_own_provider_judges_it(
    visit: Visit, provide: Provide, face: str, path: str, body: Wire, place: str
) -> None:
    provider = await provide(Whole({}, 400))
    site = await visit(up(provider.url, face))
    async with site.session.post(site.base + path, json=body) as answer:
        assert answer.status == 400
    assert len(provider.seen) == 1


@pytest.mark.parametrize("dialect", ["gemini", "anthropic", "openai_chat"])
async def test_a_fraction_of_a_token_cannot_be_chosen_from(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """Google's number is whole, and so is everybody's; a float of one (40.0) is what its clients write."""
    provider = await provide(Whole({}))
    site = await visit(up(provider.url, dialect))
    async with site.session.post(site.base + GENERATE, json=_config(topK=1.5)) as answer:
        text = await answer.text()
        assert answer.status == 400, text
    assert "generationConfig.topK" in text
    assert provider.seen == []


async def test_a_context_is_a_list(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({}))
    site = await visit(up(provider.url))
    body = {"model": "up/m", "prompt": "Hi", "context": "x"}
    async with site.session.post(site.base + "/api/generate", json=body) as answer:
        assert answer.status == 400
        assert "context" in (await answer.json())["error"]
    assert provider.seen == []


@pytest.mark.parametrize("dialect", ["anthropic", "mistral", "gemini"])
@pytest.mark.parametrize("address", ["not a url", "ftp://example.com/a.png", "//example.com/a.png"])
async def test_what_is_no_address_is_not_sent_as_one(
    visit: Visit, provide: Provide, dialect: str, address: str
) -> None:
    provider = await provide(Whole({}))
    site = await visit(up(provider.url, dialect))
    picture = {"type": "image_url", "image_url": {"url": address}}
    body = {"model": "up/m", "messages": [{"role": "user", "content": [picture]}]}
    async with site.session.post(site.base + "/v1/chat/completions", json=body) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["param"]) == (400, "messages[0].content[0]")
    assert error["code"] == "invalid_image_url"
    assert provider.seen == []
