"""The list of models, in the form of the client that asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.turns.asking import Asker, Paced

KINDS = """
providers:
  anthropic: {keys: k-1, models: [claude-x]}
  openai: {keys: k-2, models: [gpt-x]}
  deepgram: {keys: k-3, models: [nova-x]}
  local: {enabled: false}
models:
  mixed: {deployments: [anthropic/claude-x, openai/gpt-x]}
auth:
  required: true
  keys:
    - {key: a-key-of-sixteen-1, name: all}
    - {key: a-key-of-sixteen-2, name: chats, operations: [chat]}
    - {key: a-key-of-sixteen-3, name: embeds, operations: [embed]}
    - {key: a-key-of-sixteen-4, name: hears, operations: [transcription, embed]}
    - {key: a-key-of-sixteen-5, name: counts, operations: [count], providers: [anthropic, deepgram]}
    - {key: a-key-of-sixteen-6, name: passes, operations: [embed, pass_through]}
    - {key: a-key-of-sixteen-7, name: far, operations: [embed], providers: [anthropic]}
    - {key: a-key-of-sixteen-8, name: some, operations: [embed], models: [mixed, "anthropic/*"]}
"""
"""A provider that only chats, one that does most, and one that only hears and speaks."""
LISTS: Mapping[str, tuple[dict[str, str], str, str]] = {
    "/v1/models": ({}, "data", "id"),
    "/models": ({"anthropic_version": "2023-06-01"}, "data", "id"),
    "/v1beta/models": ({}, "models", "name"),
    "/api/tags": ({}, "models", "name"),
    "/v1/model/info": ({}, "data", "model_name"),
    "/model_group/info": ({}, "data", "model_group"),
}
EVERY = {"anthropic/claude-x", "openai/gpt-x", "deepgram/nova-x", "mixed"}


def listed(body: Any, member: str, name: str) -> set[str]:
    names = {one[name].removeprefix("models/").removesuffix(":latest") for one in body[member]}
    return {one for one in names if not one.startswith("simulate/")}


@pytest.mark.parametrize("path", LISTS)
async def test_a_model_is_listed_for_a_key_that_may_ask_it_for_something(path: str, tmp_path: Path) -> None:
    headers, member, name = LISTS[path]
    asker = Asker(Paced(), tmp_path, KINDS)
    found = []
    for number in range(1, 9):
        answer = await asker.ask("GET", path, authorization=f"Bearer a-key-of-sixteen-{number}", **headers)
        found.append(listed(answer.body, member, name))
    assert found == [
        EVERY,
        EVERY - {"deepgram/nova-x"},
        {"openai/gpt-x", "mixed"},
        EVERY - {"anthropic/claude-x"},
        {"anthropic/claude-x", "mixed"},
        EVERY,
        set(),
        {"mixed"},
    ]
    await asker.gateway.close()


TURNING = """
providers:
  anthropic: {keys: k-1, models: [claude-x]}
  openai: {keys: k-2, models: [gpt-x], base_url: "http://127.0.0.1:9/v1"}
  local: {enabled: false}
models:
  turns: {use: anthropic/claude-x, fallbacks: [openai/gpt-x]}
  turns-late: {use: anthropic/claude-x, fallbacks: {context: [openai/gpt-x]}}
auth:
  required: true
  keys:
    - {key: a-key-of-sixteen-1, name: embeds, operations: [embed]}
    - {key: a-key-of-sixteen-2, name: far, operations: [embed], providers: [anthropic]}
    - {key: a-key-of-sixteen-3, name: lists, operations: [models]}
    - {key: a-key-of-sixteen-4, name: both, operations: [models, embed]}
    - {key: a-key-of-sixteen-5, name: nothing, operations: [embed], tenant: chats}
tenants: {chats: {operations: [chat]}}
"""


async def test_a_model_that_turns_to_another_one_is_listed_for_what_that_one_can(tmp_path: Path) -> None:
    asker = Asker(Paced(), tmp_path, TURNING)
    found, every = [], {"anthropic/claude-x", "openai/gpt-x", "turns", "turns-late"}
    for number in range(1, 6):
        answer = await asker.ask("GET", "/v1/models", authorization=f"Bearer a-key-of-sixteen-{number}")
        found.append(listed(answer.body, "data", "id"))
    assert found == [{"openai/gpt-x", "turns"}, set(), every, {"openai/gpt-x", "turns"}, set()]
    wish = {"model": "turns", "input": "hi"}
    told = await asker.ask("POST", "/v1/embeddings", wish, authorization="Bearer a-key-of-sixteen-1")
    assert (told.status, told.error["code"]) == (503, "connect_failed")  # it was asked
    wish = {"model": "turns-late", "input": "hi"}
    told = await asker.ask("POST", "/v1/embeddings", wish, authorization="Bearer a-key-of-sixteen-1")
    assert (told.status, told.error["code"]) == (400, "unsupported_value")
    await asker.gateway.close()


async def test_models_are_listed_and_shown_alike(house: Asker) -> None:
    listed = {one["id"]: one for one in (await house.ask("GET", "/v1/models")).body["data"]}
    shown = (await house.ask("GET", "/v1/models/mine")).body
    assert (shown["id"], shown["object"], shown["owned_by"]) == ("mine", "model", "simulate")
    assert shown.pop("compatibility") == {}
    assert shown == listed["mine"]


async def test_a_client_of_another_protocol_gets_its_own_form(house: Asker) -> None:
    headers = {"anthropic_version": "2023-06-01"}
    listed = (await house.ask("GET", "/v1/models", **headers)).body
    assert {one["type"] for one in listed["data"]} == {"model"}
    assert listed["first_id"] == listed["data"][0]["id"]
    assert (await house.ask("GET", "/v1/models/mine", **headers)).body["max_input_tokens"] == 1000


async def test_an_unknown_model_is_a_404(house: Asker) -> None:
    answer = await house.ask("GET", "/v1/models/none")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")


async def test_one_model_is_shown_to_those_whose_list_has_it(tmp_path: Path) -> None:
    asker = Asker(Paced(), tmp_path, KINDS)
    for number in range(1, 9):
        key = {"authorization": f"Bearer a-key-of-sixteen-{number}"}
        answer = await asker.ask("GET", "/v1/models", **key)
        seen = listed(answer.body, "data", "id")
        for path, headers in SINGLE.items():
            answers = {one: await asker.ask("GET", f"{path}/{one}", **key, **headers) for one in EVERY}
            assert {one for one, answer in answers.items() if answer.status == 200} == seen
            assert {answer.status for answer in answers.values()} <= {200, 404}
        answers = {one: await asker.ask("POST", "/api/show", {"model": one}, **key) for one in EVERY}
        assert {one for one, answer in answers.items() if answer.status == 200} == seen
    await asker.gateway.close()


SINGLE: Mapping[str, dict[str, str]] = {
    "/v1/models": {},
    "/models": {"anthropic_version": "2023-06-01"},
    "/v1beta/models": {},
}
