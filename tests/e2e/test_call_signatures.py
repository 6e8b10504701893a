"""Signatures that Gemini put on calls, which a chat client brings back (row 5.6).

They reach nobody who serves nothing of Google's, and what stays behind is named.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.testing.provider import Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
SIGNATURE = "Q2lvQnNpZ25hdHVyZQ=="
FUNCTION = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
CALL: Wire = {"id": "call_1", "type": "function", "function": FUNCTION}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": SIGNATURE}}}
MESSAGE = {"role": "assistant", "content": "Sunny."}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
PLACE = "messages[1].tool_calls[0].extra_content.google.thought_signature"
ANSWER = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [CHOICE]}


def asked(call: Wire) -> Wire:
    return {
        "model": "up/gpt-4o",
        "messages": [
            {"role": "user", "content": "The weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
        ],
    }


@pytest.mark.parametrize("catalog", ["openai", "groq"])
async def test_it_stays_behind_with_a_loss(visit: Visit, provide: Provide, catalog: str) -> None:
    provider = await provide(Whole(ANSWER))
    up = {"catalog": catalog, "base_url": provider.url, "keys": ["up-key"]}
    exchanges: list[Exchange] = []
    site = await visit({"providers": {"up": up}}, observers=[exchanges.append])
    url = f"{site.base}/v1/chat/completions"
    async with site.session.post(url, json=asked(SIGNED)) as answer:
        assert (answer.status, answer.headers["x-dragoman-losses"]) == (200, "1")
    assert provider.last.body["messages"][1]["tool_calls"] == [CALL]
    (loss,) = exchanges[-1].losses
    assert (loss.path, loss.severity) == (f"$.{PLACE}", "quality")
    before = len(provider.seen)
    async with site.session.post(url, json=asked(SIGNED), headers={"x-dragoman-strict": "all"}) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["param"] == PLACE
    assert len(provider.seen) == before


async def test_a_call_without_one_is_relayed_as_it_is(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole(ANSWER))
    exchanges: list[Exchange] = []
    up = {"catalog": "openai", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": up}}, observers=[exchanges.append])
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked(CALL)) as answer:
        assert answer.status == 200
    assert exchanges[-1].mode == "relay"


async def test_who_may_lead_to_google_gets_it(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole(ANSWER))
    up = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": up}})
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked(SIGNED)) as answer:
        assert (answer.status, answer.headers["x-dragoman-losses"]) == (200, "0")
    assert provider.last.body["messages"][1]["tool_calls"] == [SIGNED]
