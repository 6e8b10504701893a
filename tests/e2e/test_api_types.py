"""Row 4.17: a provider of another kind than the API that a client asks answers, or it is told plainly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import stubs
from tests.e2e.calls import HELLO, MODELS, Answered
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

M = MODELS["anthropic"]
GOOGLE: dict[str, Any] = {"contents": [{"parts": [{"text": "Hello!"}]}]}
CONVERTED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": M, "messages": HELLO},
    "/v1/responses": {"model": M, "input": "Hello!"},
    "/v1/completions": {"model": M, "prompt": "Hello!"},
    "/v1/messages": {"model": M, "max_tokens": 9, "messages": HELLO},
    f"/v1beta/models/{M}:generateContent": GOOGLE,
    "/api/chat": {"model": M, "messages": HELLO, "stream": False},
    "/api/generate": {"model": M, "prompt": "Hello!", "stream": False},
    "/generate": {"model": M, "prompt": "Hello!"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"model": M, "input": "a"},
    "/v1/audio/speech": {"model": M, "input": "a", "voice": "alloy"},
    "/v1/moderations": {"model": M, "input": "a"},
    "/v1/rerank": {"model": M, "query": "a", "documents": ["b"]},
    f"/v1beta/models/{M}:embedContent": {"content": {"parts": [{"text": "a"}]}},
    "/api/embed": {"model": M, "input": "a"},
}


@pytest.mark.parametrize("kind", ["converted", "refused"])
async def test_every_kind_at_a_provider_that_only_chats(visit: Visit, provide: Provide, kind: str) -> None:
    provider = await provide(stubs.anthropic(Said("Hello you.")))
    site = await visit(up(provider.url, "anthropic"))
    for path, body in (CONVERTED if kind == "converted" else REFUSED).items():
        before = len(provider.seen)
        async with site.session.post(site.base + path, json=body) as response:
            told = Answered(response.status, response.headers, await response.read())
        if kind == "converted":
            assert told.status == 200, (path, told.raw)
            assert b"Hello you." in told.raw, path
            assert len(provider.seen) == before + 1
        else:
            assert told.status == 400, (path, told.raw)
            assert b"provider does not offer " in told.raw, path
            assert len(provider.seen) == before
