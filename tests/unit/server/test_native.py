"""Paths of our own: one prompt, an anonymous id, the running requests."""

import asyncio

from tests.unit.turns.asking import Asker


async def test_one_prompt_is_answered_with_a_text(house: Asker) -> None:
    answer = await house.ask("POST", "/generate", {"prompt": "hello", "model": "own/m"})
    assert (answer.status, answer.body["content"], answer.body["finishReason"]) == (200, "one", "stop")


async def test_anonymous_ids_are_new_each_time_and_not_stored(house: Asker) -> None:
    first, second = [await house.ask("GET", "/anonymous-id") for _ in range(2)]
    assert first.body["id"] != second.body["id"]
    assert len(first.body["id"]) == 24
    assert first.headers["cache-control"] == "no-store"


async def test_running_requests_are_listed_without_the_one_that_asks(house: Asker) -> None:
    house.upstream.words = asyncio.Queue()
    talk = house.talk("POST", "/v1/responses", {"model": "own/m", "input": "a secret"})
    await house.upstream.begun.wait()
    answer = await house.ask("GET", "/admin/requests")
    (running,) = answer.body["data"]
    assert running["path"] == "/v1/responses"
    assert b"a secret" not in answer.data
    talk.leave()
    await talk.task
    assert (await house.ask("GET", "/admin/requests")).body["data"] == []
