"""Stored chat completions: listed by page and metadata, changed, deleted; nothing is there otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.turns.asking import Answer, Asker

PATH = "/v1/chat/completions"


async def chat(house: Asker, **members: Any) -> Answer:
    asked = {"model": "own/m", "messages": [{"role": "user", "content": "hello"}], **members}
    return await house.ask("POST", PATH, asked)


async def test_what_is_to_be_stored_can_be_read_again(house: Asker) -> None:
    said = (await chat(house, store=True, metadata={"team": "red"}, temperature=0.5)).body
    stored = (await house.ask("GET", f"{PATH}/{said['id']}")).body
    assert (stored["choices"], stored["metadata"], stored["temperature"]) == (
        said["choices"],
        {"team": "red"},
        0.5,
    )
    (message,) = (await house.ask("GET", f"{PATH}/{said['id']}/messages")).body["data"]
    assert (message["role"], message["content"]) == ("user", "hello")


async def test_lists_are_filtered_and_in_pages(house: Asker) -> None:
    ids = [(await chat(house, store=True, metadata={"n": str(n)})).body["id"] for n in range(2)]
    assert {one["id"] for one in (await house.ask("GET", PATH)).body["data"]} == set(ids)
    (one,) = (await house.ask("GET", f"{PATH}?metadata[n]=1")).body["data"]
    assert one["id"] == ids[1]
    page = (await house.ask("GET", f"{PATH}?limit=1")).body
    assert (len(page["data"]), page["has_more"]) == (1, True)


async def test_metadata_is_replaced_and_a_deleted_one_is_gone(house: Asker) -> None:
    path = f"{PATH}/{(await chat(house, store=True)).body['id']}"
    assert (await house.ask("POST", path, {"metadata": {"a": "b"}})).body["metadata"] == {"a": "b"}
    assert (await house.ask("DELETE", path)).body["deleted"] is True
    assert [(await house.ask(method, path)).status for method in ("GET", "DELETE")] == [404, 404]


@pytest.mark.parametrize("members", [{}, {"store": False}])
async def test_nothing_else_is_stored(house: Asker, members: dict[str, Any]) -> None:
    path = f"{PATH}/{(await chat(house, **members)).body['id']}"
    assert (await house.ask("GET", path)).status == 404
    assert (await house.ask("GET", PATH)).body["data"] == []
