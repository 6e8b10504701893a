"""What Ollama refuses is refused, too: to think where a model cannot, inputs not to be cut (row 2.14)."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
ANSWER: Wire = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
ASKED: Wire = {"messages": [{"role": "user", "content": "Hello!"}], "stream": False}


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("model", "think", "status"),
    [
        ("gpt-4o", True, 400),
        ("gpt-4o", "high", 400),
        ("gpt-4o", False, 200),
        ("gpt-4o", None, 200),
        ("o3", True, 200),
        ("nobody-knows-it", True, 200),
    ],
)
async def test_thinking(
    visit: Visit, provide: Provide, path: str, model: str, think: bool | str | None, status: int
) -> None:
    provider = await provide(Whole(ANSWER))
    up = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    asked = ASKED if path == "/api/chat" else {"prompt": "Hello!", "stream": False}
    asked = {"model": f"up/{model}", **asked, "think": think}
    async with site.session.post(site.base + path, json=asked) as answer:
        assert answer.status == status
        if status == 400:
            assert (await answer.json())["error"] == f'"up/{model}" does not support thinking'
    assert len(provider.seen) == (status == 200)


@pytest.mark.parametrize(("truncate", "status"), [(False, 400), (True, 200), (None, 200)])
async def test_an_input_that_is_too_long(visit: Visit, truncate: bool | None, status: int) -> None:
    pytest.importorskip("numpy", reason="needs the extra `embeddings`")
    site = await visit({})
    asked = {"model": "local/all-minilm", "input": ["short", "word " * 600], "truncate": truncate}
    async with site.session.post(f"{site.base}/api/embed", json=asked) as answer:
        told = await answer.json()
        if "is not installed" in str(told) or answer.status == 404:
            pytest.skip("the embedded model is not here")
        assert answer.status == status
    if status == 400:
        assert told["error"] == "the input length exceeds the context length"
    else:
        assert len(told["embeddings"]) == 2


async def test_other_protocols_go_without(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole(ANSWER))
    up = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    asked = {"model": "up/gpt-4o", **ASKED, "max_tokens": 2000}
    asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    async with site.session.post(f"{site.base}/v1/messages", json=asked) as answer:
        assert answer.status == 200
