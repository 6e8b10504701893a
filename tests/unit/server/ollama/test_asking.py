"""Questions of Ollama's clients, whole and as lines."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import msgspec

from dragoman.server.ollama.asking import Asking
from tests.unit.turns.asking import Asker

CHAT = {"model": "own/m", "messages": [{"role": "user", "content": "a"}]}


async def test_a_chat_is_answered_whole_or_line_by_line(house: Asker) -> None:
    whole = (await house.ask("POST", "/api/chat", {**CHAT, "stream": False})).body
    assert (whole["message"]["content"], whole["done"], whole["model"]) == ("one", True, "own/m")
    lines = [json.loads(line) for line in (await house.ask("POST", "/api/chat", CHAT)).data.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "two"
    assert [line["done"] for line in lines[:-1]] == [False] * (len(lines) - 1)


async def test_an_empty_prompt_only_loads(house: Asker) -> None:
    answer = (await house.ask("POST", "/api/generate", {"model": "own/m", "prompt": ""})).body
    assert (answer["response"], answer["done_reason"]) == ("", "load")
    assert not house.upstream.asked


async def test_a_missing_model_is_named(house: Asker) -> None:
    answer = await house.ask("POST", "/api/chat", {**CHAT, "model": ""})
    assert answer.status == 400
    assert "model is required" in answer.body["error"]


class _Inbound(msgspec.Struct):
    operation: str = "chat"
    path: str = ""
    turn: Any = None


async def test_an_embedding_waits_for_the_engine_alone() -> None:
    """A coroutine around it would keep the request, and with it the body, until the answer is there."""
    handled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    engine = SimpleNamespace(handle=lambda *_: handled)
    config = SimpleNamespace(server=SimpleNamespace(max_depth=9))
    gateway: Any = SimpleNamespace(engine=engine, config=config)
    inbound: Any = lambda *_: _Inbound()  # noqa: E731
    request: Any = SimpleNamespace(body=b'{"input": "a"}', caller=None)
    anything: Any = SimpleNamespace()
    assert Asking(gateway, inbound).embed("/api/embed", request, anything, anything) is handled


async def test_an_embedding_of_nothing_is_answered_at_once(house: Asker) -> None:
    answer = await house.ask("POST", "/api/embed", {"model": "own/m"})
    assert answer.body == {"model": "own/m", "embeddings": []}
    answer = await house.ask("POST", "/api/embeddings", {"model": "own/m", "prompt": ""})
    assert answer.body == {"embedding": []}
    assert (await house.ask("POST", "/api/embed", {"model": 3})).status == 400
