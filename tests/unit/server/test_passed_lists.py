"""A client's page out of a list of all clients' objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.passed_lists import MOST_PAGES, gather


class Listed:
    """A provider with objects from 0 on; those of the client are divisible by `own`."""

    def __init__(self, count: int, own: int, form: str = "openai") -> None:
        self.count, self.own, self.form = count, own, form
        self.asked = 0

    async def page(self, target: str) -> dict[str, Any]:
        query = dict(parse_qsl(target.partition("?")[2]))
        self.asked += 1
        if self.form == "mistral":
            size = int(query.get("page_size", "100"))
            start = int(query.get("page", "0")) * size
            data = [{"id": str(n)} for n in range(self.count)][start : start + size]
            return {"object": "list", "data": data, "total": self.count}
        limit = int(query.get("limit", "20"))
        start = int(query.get("page", query.get("after", "-1"))) + ("page" not in query)
        if "before_id" in query:
            end = int(query["before_id"])
            start = max(0, end - limit)
        else:
            end = min(self.count, start + limit)
        more = start > 0 if "before_id" in query else end < self.count
        listed = {"data": [{"id": str(n)} for n in range(start, end)], "has_more": more}
        if self.form == "token":
            return {**listed, "next_page": str(end) if more else None}
        return {"object": "list", **listed}

    async def mine(self, entries: Sequence[Any]) -> list[Any]:
        return [one for one in entries if int(one["id"]) % self.own == 0]

    async def __call__(self, query: str = "") -> tuple[list[int], Any]:
        target = f"/files?{query}"
        value = await gather(await self.page(target), target, self.page, self.mine)
        return [int(one["id"]) for one in value["data"]], value.get("has_more", value.get("total"))


async def test_pages_are_filled_and_none_is_lost() -> None:
    assert await Listed(500, 7)("limit=3") == ([0, 7, 14], True)
    assert await Listed(500, 7)("limit=3&after=14") == ([21, 28, 35], True)
    assert await Listed(500, 7)("limit=3&after=490") == ([497], False)
    assert await Listed(500, 7)("limit=3&before_id=35") == ([14, 21, 28], True)
    assert await Listed(500, 400)("limit=2&after=0") == ([400], False)
    assert await Listed(4, 1)() == ([0, 1, 2, 3], False)


async def test_pages_with_tokens_stay_the_providers() -> None:
    assert await Listed(500, 50, "token")("limit=20") == ([0], True)
    assert await Listed(500, 50, "token")("limit=20&page=20") == ([50], True)


async def test_pages_with_numbers_count_the_clients_objects() -> None:
    assert await Listed(250, 50, "mistral")("page=0&page_size=2") == ([0, 50], 5)
    assert await Listed(250, 50, "mistral")("page=2&page_size=2") == ([200], 5)


async def test_a_search_without_an_end_is_refused() -> None:
    listed = Listed(MOST_PAGES * 200, MOST_PAGES * 1000)
    with pytest.raises(RequestFailed) as caught:
        await listed("limit=1&after=0")
    assert (caught.value.fault.code, listed.asked) == ("list_too_long", MOST_PAGES)


@pytest.mark.parametrize("last", [{"object": "file"}, "file-1", None, {"id": None}, {"id": {}}])
async def test_a_page_that_cannot_be_followed_is_the_providers_fault(last: Any) -> None:
    async def own(_: Sequence[Any]) -> list[Any]:
        return []

    listed = Listed(1, 1)
    first = {"object": "list", "data": [{"id": "file-0"}, last], "has_more": True}
    with pytest.raises(RequestFailed) as caught:
        await gather(first, "/files?limit=2", listed.page, own)
    assert (caught.value.fault.kind, caught.value.fault.blame, listed.asked) == ("upstream", "upstream", 0)
