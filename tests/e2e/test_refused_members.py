"""What a model does not take is dropped or renamed, and named, in relays too (row 2.9).

A request of which nothing needs to change stays as it is.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
CHAT: Wire = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": [CHOICE]}
CLAUDE: Wire = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-8",
    "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
RESPONSE: Wire = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
        }
    ],
}
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}
FACES: dict[str, tuple[str, str, Wire, Wire]] = {
    "openai_chat": ("/v1/chat/completions", "up/gpt-5", CHAT, HELLO),
    "openai_responses": ("/v1/responses", "up/gpt-5", RESPONSE, {"input": "Hello!", "store": False}),
    "anthropic": ("/v1/messages", "up/claude-opus-4-8", CLAUDE, {**HELLO, "max_tokens": 99}),
}
"""For each protocol its path, a model that takes no sampling, an answer and a question."""


async def ask(site: Site, path: str, body: Wire) -> str:
    """Ask; the number of losses that the client is told."""
    data = json.dumps(body, indent=1)  # as nobody here would write it
    headers = {"content-type": "application/json"}
    async with site.session.post(site.base + path, data=data, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["x-dragoman-losses"]


async def opened(visit: Visit, provide: Provide, dialect: str) -> tuple[Site, FakeProvider, list[Exchange]]:
    provider = await provide(Whole(FACES[dialect][2]))
    up = {"dialect": dialect, "base_url": provider.url, "keys": ["k"]}
    exchanges: list[Exchange] = []
    site = await visit({"providers": {"up": up}}, observers=[exchanges.append])
    return site, provider, exchanges


@pytest.mark.parametrize("face", FACES)
async def test_sampling_is_dropped_with_a_loss(visit: Visit, provide: Provide, face: str) -> None:
    """In its own protocol, where all else could be relayed."""
    path, model, _, asked = FACES[face]
    site, provider, exchanges = await opened(visit, provide, face)
    assert await ask(site, path, {"model": model, **asked, "temperature": 0.2, "top_p": 0.9}) == "2"
    assert provider.last.body.keys().isdisjoint({"temperature", "top_p"})
    assert {loss.path for loss in exchanges[-1].losses} == {"$.temperature", "$.top_p"}


@pytest.mark.parametrize("face", FACES)
async def test_what_every_model_does_anyway_is_relayed(visit: Visit, provide: Provide, face: str) -> None:
    path, model, _, asked = FACES[face]
    site, provider, exchanges = await opened(visit, provide, face)
    body = {"model": model, **asked, "temperature": 1, "unheard_of": [1, 2]}
    assert await ask(site, path, body) == "0"
    assert exchanges[-1].mode == "relay"
    sent = provider.last.body
    assert {member: sent[member] for member in body} == {**body, "model": model.removeprefix("up/")}


async def test_a_model_that_takes_sampling_gets_it(visit: Visit, provide: Provide) -> None:
    site, provider, exchanges = await opened(visit, provide, "openai_chat")
    body = {"model": "up/gpt-4o", **HELLO, "temperature": 0.2, "max_tokens": 9}
    assert await ask(site, "/v1/chat/completions", body) == "0"
    assert exchanges[-1].mode == "relay"
    assert provider.last.body == {**body, "model": "gpt-4o"}


@pytest.mark.parametrize("model", ["gpt-5", "o3", "gpt-5.2"])
async def test_the_older_word_for_the_bound_is_renamed(visit: Visit, provide: Provide, model: str) -> None:
    site, provider, exchanges = await opened(visit, provide, "openai_chat")
    assert await ask(site, "/v1/chat/completions", {"model": f"up/{model}", **HELLO, "max_tokens": 9}) == "0"
    assert provider.last.body["max_completion_tokens"] == 9
    assert "max_tokens" not in provider.last.body
    assert [change.path for change in exchanges[-1].changes if change.path] == ["$.max_tokens"]
    before = {"model": f"up/{model}", **HELLO, "max_completion_tokens": 9}
    await ask(site, "/v1/chat/completions", before)
    assert exchanges[-1].mode == "relay"
