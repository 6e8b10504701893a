"""Questions of Ollama's clients, whole and as lines."""

import json

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
