"""The paths of chat: each protocol's own, with and without a version, and OpenAI's old ones with a model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.turns.asking import Asker

MESSAGES = [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": MESSAGES}),
        ("/chat/completions", {"messages": MESSAGES}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9}),
        ("/v1/responses", {"input": "a"}),
        ("/v1/completions", {"prompt": "a"}),
    ],
)
async def test_a_protocol_is_answered_at_its_paths(house: Asker, path: str, body: dict[str, Any]) -> None:
    answer = await house.ask("POST", path, {"model": "own/m", **body})
    assert answer.status == 200
    assert b"one" in answer.data


async def test_the_model_may_stand_in_an_old_path(house: Asker) -> None:
    answer = await house.ask("POST", "/v1/engines/own/m/chat/completions", {"messages": MESSAGES})
    assert answer.body["choices"][0]["message"]["content"] == "one"
