"""The lists of models under /admin: how old they are, and fetching them now."""

from __future__ import annotations

from pathlib import Path

from dragoman.dialects.facts import Facts
from dragoman.providers.listing import Page
from tests.unit.server.admin.conftest import Desk


async def test_the_state_of_each_list_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {})
    assert (await desk.ask("GET", "/admin/model-lists")).status == 200
    discovering = desk.gateway.discovering
    discovering.learn("up", "http://127.0.0.1:9/v1", Page({"a": Facts(), "b": Facts()}, 4))
    discovering.fail("other", "down")
    listed = {one["provider"]: one for one in (await desk.ask("GET", "/admin/model-lists")).body["data"]}
    up, other = listed["up"], listed["other"]
    assert (up["models"], up["left_out"], up["stale"], up["error"]) == (2, 4, False, None)
    assert up["fetched"].endswith("Z")
    assert up["age"] >= 0
    assert (other["models"], other["fetched"], other["age"]) == (0, None, None)
    assert (other["stale"], other["error"]) == (True, "down")


async def test_a_refresh_says_what_came(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {})
    unknown = await desk.ask("POST", "/admin/model-lists/refresh", {"providers": ["up", "nobody"]})
    assert (unknown.status, unknown.error["param"]) == (404, "providers[1]")
    resting = await desk.ask("POST", "/admin/model-lists/refresh", {})
    assert (resting.status, resting.error["code"]) == (501, "no_model_lists")
    desk.gateway.discovering.active = True
    assembly = desk.gateway.assembly
    assert assembly is not None
    desk.gateway.discovering.attend(assembly)
    answer = await desk.ask("POST", "/admin/model-lists/refresh", {"providers": ["up"]})
    assert answer.status == 200
    assert [(one["provider"], one["stale"]) for one in answer.body["data"]] == [("up", True)]
    await desk.gateway.close()
