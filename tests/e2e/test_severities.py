"""Strictness means the same for every upstream: what held part of the question is refused, not dropped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

GPT, CLAUDE = MODELS["openai_chat"], MODELS["anthropic"]
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "cachedContent": (
        f"/v1beta/models/{GPT}:generateContent",
        {"contents": [{"parts": [{"text": "hi"}]}], "cachedContent": "cachedContents/1"},
    ),
    "safetySettings": (
        f"/v1beta/models/{GPT}:generateContent",
        {
            "contents": [{"parts": [{"text": "hi"}]}],
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}],
        },
    ),
    "container": ("/v1/messages", {"container": "container_1"}),
    "context_management": (
        "/v1/messages",
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    ),
    "mcp_servers": (
        "/v1/messages",
        {"mcp_servers": [{"type": "url", "url": "https://mcp.example.com", "name": "docs"}]},
    ),
    "context": ("/api/generate", {"prompt": "hi", "context": [1, 2], "stream": False}),
}
MESSAGE: dict[str, Any] = {"model": GPT, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    if "contents" in body:
        return body
    return {"model": GPT, **body} if "prompt" in body else {**MESSAGE, **body}


@pytest.mark.parametrize("member", ASKED)
async def test_strict_refuses_what_held_part_of_the_question(
    visit: Visit, provide: Provide, member: str
) -> None:
    """5.2: the answer would be one to another question."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url))
    path, body = ASKED[member]
    sent = _whole(body)
    async with site.session.post(site.base + path, json=sent, headers={"x-dragoman-strict": "1"}) as answer:
        told = await answer.text()
    assert answer.status == 400, told
    assert f"$.{member}" in told
    assert provider.seen == []


@pytest.mark.parametrize("member", ASKED)
async def test_without_strictness_it_is_a_loss_of_meaning(
    visit: Visit, provide: Provide, member: str
) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    exchanges: list[Any] = []
    site = await visit(up(provider.url), observers=[exchanges.append])
    path, body = ASKED[member]
    sent = _whole(body)
    async with site.session.post(site.base + path, json=sent) as answer:
        assert answer.status == 200, await answer.text()
    asked = [loss for loss in exchanges[0].losses if loss.direction == "request"]
    lost = {loss.path.split("[")[0]: loss.severity for loss in asked}
    assert lost == {f"$.{member}": "meaning"}


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "mistral", "openai_responses"])
async def test_weights_of_tokens_are_missed_alike_everywhere(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """5.2: `logit_bias` was "quality" for one upstream and "meaning" for the others."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask("up/some-model", headers={"x-dragoman-strict": "1"}, logit_bias={"5": -100})
    assert (answer.status, answer.error["code"]) == (400, "untranslatable")
    assert provider.seen == []
