"""Thoughts that the vault keeps and a relayed turn does not bring are named as lost (row 5.6)."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.testing.provider import Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="}
CLAUDE: Wire = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [THOUGHT, {"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
GPT = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [CHOICE]}
FIRST: list[Wire] = [{"role": "user", "content": "Hello!"}]
SECOND: list[Wire] = [*FIRST, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And?"}]


async def answered(site: Site, model: str, messages: list[Wire], **headers: str) -> tuple[int, Any]:
    asked = {"model": model, "messages": messages, "reasoning_effort": "low"}
    url = f"{site.base}/v1/chat/completions"
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with site.session.post(url, json=asked, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("thinks", [True, False], ids=["thoughts", "none"])
async def test_another_provider_is_relayed_to(visit: Visit, provide: Provide, thinks: bool) -> None:
    content = CLAUDE["content"] if thinks else CLAUDE["content"][1:]
    claude, openai = await provide(Whole({**CLAUDE, "content": content})), await provide(Whole(GPT))
    providers = {
        "claude": {"dialect": "anthropic", "base_url": claude.url, "keys": ["k"]},
        "openai": {"base_url": openai.url, "keys": ["k"]},
    }
    exchanges: list[Exchange] = []
    site = await visit({"providers": providers, "default_model": "openai/o3"}, observers=[exchanges.append])
    assert (await answered(site, "claude/claude-sonnet-4-5", FIRST))[0] == 200
    assert (await answered(site, "openai/o3", SECOND))[0] == 200
    assert exchanges[-1].mode == "relay"
    lost = [(loss.path, loss.severity, loss.reason) for loss in exchanges[-1].losses]
    reason = "its reasoning and signatures are valid only for claude/claude-sonnet-4-5"
    assert lost == ([("$.messages[1]", "quality", reason)] if thinks else [])
    seen = len(openai.seen)
    status, body = await answered(site, "openai/o3", SECOND, x_dragoman_strict="all")
    assert status == (400 if thinks else 200)
    if thinks:
        assert body["error"]["param"] == "messages[1]"
        assert len(openai.seen) == seen, "refused before anything was sent"
