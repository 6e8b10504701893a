"""What a provider does not state of its usage is estimated in the usage record, and marked, over a real
server. Clients need not have asked for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.state.usage import UsageRecord
from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.test_accounts import House, Stub, house

SAID = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt"}
WORDS = "Some words that nobody counted. " * 4
IMPOSSIBLE = {"prompt_tokens": 10**15, "completion_tokens": 3, "total_tokens": 10**15 + 3}
UNREADABLE = {"prompt_tokens": "many", "completion_tokens": True, "total_tokens": 3.5}
NEGATIVE = {"prompt_tokens": -5, "completion_tokens": 3, "total_tokens": -2}


class Silent(Stub):
    """A provider whose answers have only this usage. error: ends its streams."""

    def __init__(self, usage: Any = None, error: Any = None) -> None:
        super().__init__()
        self.usage = usage
        self.error = error

    def __call__(self, seen: Seen) -> Answer:
        usage = {} if self.usage is None else {"usage": self.usage}
        if seen.path.endswith("embeddings"):
            return Whole(
                {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
            )
        if not seen.body.get("stream"):
            message = {"role": "assistant", "content": WORDS}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return Whole({**SAID, "choices": [choice], **usage})
        chunk = {**SAID, "object": "chat.completion.chunk"}
        said = {"index": 0, "delta": {"role": "assistant", "content": WORDS}}
        if self.error is not None:
            return Streamed(
                [{**chunk, "choices": [said]}, {**chunk, "choices": [], "error": self.error, **usage}]
            )
        end = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        last = [{**chunk, "choices": [], **usage}] if usage else []
        return Streamed([{**chunk, "choices": [said]}, end, *last, "data: [DONE]\n\n"])


async def record(home: House, **fields: Any) -> UsageRecord:
    async with home.ask(**fields) as response:
        await response.read()
    (found,) = await home.records()
    return found


@pytest.mark.parametrize("usage", [None, UNREADABLE, IMPOSSIBLE])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_states_nothing_is_estimated(tmp_path: Path, usage: Any, stream: bool) -> None:
    """Also if its client did not ask for usage: limits on tokens count it."""
    async with house(Silent(usage), Stub(), tmp_path) as home:
        found = await record(home, stream=stream)
        assert found.estimated
        assert found.units["input"] in range(5, 20)
        assert found.units["output"] in range(24, 34)
        assert found.cost == found.units["input"] * 1_000 + found.units["output"] * 10_000


async def test_a_translated_stream_that_states_nothing_is_estimated(tmp_path: Path) -> None:
    """Also if its client did not ask for usage, and gets none."""
    async with house(Silent(), Stub(), tmp_path, dialect="mistral") as home:
        async with home.ask(stream=True) as response:
            assert "usage" not in await response.text()
        (found,) = await home.records()
        assert found.estimated
        assert found.units["input"] in range(5, 20)
        assert found.units["output"] in range(24, 34)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_part_that_is_not_stated_is_estimated(tmp_path: Path, stream: bool) -> None:
    async with house(Silent(NEGATIVE), Stub(), tmp_path) as home:
        found = await record(home, stream=stream)
        assert found.estimated
        assert found.units["input"] in range(5, 20)
        assert found.units["output"] == 3


@pytest.mark.parametrize("face", ["/v1/chat/completions", "/v1/responses"])
async def test_the_counts_beside_an_error_are_those_of_the_answer(tmp_path: Path, face: str) -> None:
    """OpenRouter states them so, as recorded streams show."""
    stated = {"prompt_tokens": 43, "completion_tokens": 10, "total_tokens": 53}
    async with house(
        Silent(stated, {"code": 400, "message": "Token limit reached"}), Stub(), tmp_path
    ) as home:
        said = (
            {"input": "Hi"}
            if face.endswith("responses")
            else {"messages": [{"role": "user", "content": "Hi"}]}
        )
        headers = {"authorization": "Bearer 0123456789-key-of-alice"}
        body = {"model": "m", "stream": True, **said}
        async with home.session.post(home.base + face, json=body, headers=headers) as response:
            assert "Token limit reached" in await response.text()
        (found,) = await home.records()
        assert (found.units, found.estimated, found.failed) == ({"input": 43, "output": 10}, False, True)
        assert found.cost == 143_000


async def test_the_texts_of_embeddings_are_estimated(tmp_path: Path) -> None:
    async with house(Silent(), Stub(), tmp_path) as home:
        headers = {"authorization": "Bearer 0123456789-key-of-alice"}
        body = {"model": "m", "input": "Some words. " * 10}
        async with home.session.post(home.base + "/v1/embeddings", json=body, headers=headers) as response:
            assert response.status == 200
            assert response.headers["x-dragoman-usage"] == "estimated"
        (found,) = await home.records()
        assert found.estimated
        assert found.units["input"] in range(25, 60)
        assert found.cost == found.units["input"] * 1_000
