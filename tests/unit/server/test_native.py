"""Paths of our own: one prompt, an anonymous id, LiteLLM's list of models, the running requests."""

import asyncio
from pathlib import Path

from tests.unit.turns.asking import Asker, Paced

PRICED = """
providers: {local: {enabled: false}, one: {base_url: "http://127.0.0.1:9", keys: [], models: [m, n]}}
stores: {sql: memory}
models:
  dear: {deployments: [{use: one/m, price: {input: 2.5, output: 10, cache_read: 1.25, cache_write: 3}}]}
  unknown: one/n
aliases: {short: dear}
"""


async def test_one_prompt_is_answered_with_a_text(house: Asker) -> None:
    answer = await house.ask("POST", "/generate", {"prompt": "hello", "model": "own/m"})
    assert (answer.status, answer.body["content"], answer.body["finishReason"]) == (200, "one", "stop")


async def test_anonymous_ids_are_new_each_time_and_not_stored(house: Asker) -> None:
    first, second = [await house.ask("GET", "/anonymous-id") for _ in range(2)]
    assert first.body["id"] != second.body["id"]
    assert len(first.body["id"]) == 24
    assert first.headers["cache-control"] == "no-store"


async def test_models_in_litellms_form(house: Asker) -> None:
    models = {one["model_name"]: one for one in (await house.ask("GET", "/model/info")).body["data"]}
    info = models["mine"]["model_info"]
    assert models["mine"]["litellm_params"] == {"model": "simulate/echo"}
    assert (info["litellm_provider"], info["max_input_tokens"], info["max_output_tokens"]) == (
        "simulate",
        1000,
        100,
    )
    assert info["supports_function_calling"] is True


async def test_models_have_their_prices_for_one_token(tmp_path: Path) -> None:
    asker = Asker(Paced("end"), tmp_path, PRICED)
    listed = (await asker.ask("GET", "/v1/model/info")).body["data"]
    await asker.close()
    costs = {
        one["model_name"]: [value for name, value in one["model_info"].items() if "cost" in name]
        for one in listed
    }
    assert costs["dear"] == costs["short"] == [2.5e-6, 1e-5, 1.25e-6, 3e-6]
    assert costs["unknown"] == costs["one/m"] == [None] * 4


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
