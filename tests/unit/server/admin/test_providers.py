"""Providers and their keys: what is told of them, and what operators order."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from dragoman.routing.outcome import Outcome
from dragoman.testing.provider import FakeProvider, Seen, Whole
from tests.unit.server.admin.conftest import FIRST, SECOND, Desk

UP = "/admin/providers/up"


async def test_all_providers_are_listed_in_pages(desk: Desk) -> None:
    whole = (await desk.get("/admin/providers")).body
    assert [one["name"] for one in whole["data"]] == ["up", "other", "simulate", "own"]
    assert [one["kind"] for one in whole["data"]] == ["configured", "configured", "simulate", "code"]
    assert whole["has_more"] is False
    page = (await desk.get("/admin/providers?limit=1&after=up")).body
    assert ([one["name"] for one in page["data"]], page["has_more"]) == (["other"], True)
    for query, param in (("limit=0", "limit"), ("limit=x", "limit"), ("after=x", "after"), ("x=1", "x")):
        refused = await desk.get(f"/admin/providers?{query}")
        assert (refused.status, refused.error["param"]) == (400, param)


async def test_a_provider_with_its_keys(desk: Desk) -> None:
    up = (await desk.get(UP)).body
    assert (up["enabled"], up["healthy"], up["running"]) == (True, None, 0)
    assert (up["vendor"], up["base_url"], up["dialects"]) == (None, "http://127.0.0.1:9/v1", ["openai_chat"])
    assert up["models"] == ["both"]
    assert [(key["key"], key["state"], key["enabled"]) for key in up["keys"]] == [
        ("…aaaa", "ready", True),
        ("…bbbb", "ready", True),
    ]
    assert (await desk.get("/admin/providers/own")).body["keys"] == []
    missing = await desk.get("/admin/providers/none")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (
        404,
        "provider_not_found",
        "name",
    )


async def test_what_is_learnt_is_shown_and_can_be_forgotten(desk: Desk) -> None:
    health = desk.gateway.providers_health
    first, second = health.pools["up"].keys
    now = desk.gateway.seams.monotonic()
    first.fails("m", Outcome.KEY_PERMANENT, None, now)
    second.fails("m", Outcome.KEY_TRANSIENT, 300.0, now)
    for _ in range(3):
        health.breakers.failed("up/m", Outcome.SERVER, now)
    health.breakers.failed("other/m", Outcome.SERVER, now)
    up = (await desk.get(UP)).body
    assert [key["state"] for key in up["keys"]] == ["refused", "resting"]
    assert up["keys"][0]["refused"].startswith("the API key will not work again")
    assert 250 < up["keys"][1]["resting"]["m"] <= 300
    assert [(one["deployment"], one["state"]) for one in up["breakers"]] == [("up/m", "open")]
    one = (await desk.post(f"{UP}/keys/{first.id}/revive")).body
    assert [key["state"] for key in one["keys"]] == ["ready", "resting"]
    assert len(one["breakers"]) == 1
    up = (await desk.post(f"{UP}/revive")).body
    assert ([key["state"] for key in up["keys"]], up["breakers"]) == (["ready", "ready"], [])
    assert list(health.breakers.states) == ["other/m"]


async def test_a_disabled_provider_is_left_out_and_the_next_one_is_asked(desk: Desk) -> None:
    answer = await desk.chat()
    assert (answer.status, answer.headers["x-dragoman-deployment"]) == (200, "simulate/echo")
    assert (await desk.get(UP)).body["last_error"] == "connect_failed"
    told = await desk.post(f"{UP}/disable")
    assert (told.status, told.body["enabled"]) == (200, False)
    failures = told.body["consecutive_failures"]
    assert (await desk.chat()).status == 200
    assert (await desk.get(UP)).body["consecutive_failures"] == failures, "it was not asked"
    await desk.post("/admin/providers/simulate/disable")
    nobody = await desk.chat()
    assert (nobody.status, nobody.error["code"]) == (503, "provider_disabled")
    assert (await desk.post("/admin/providers/simulate/enable")).body["enabled"] is True
    assert (await desk.chat()).status == 200


async def test_a_disabled_key_is_left_out(desk: Desk) -> None:
    first, second = desk.gateway.providers_health.pools["up"].keys
    for key, states in ((first, ["disabled", "ready"]), (second, ["disabled", "disabled"])):
        told = (await desk.post(f"{UP}/keys/{key.id}/disable")).body
        assert [one["state"] for one in told["keys"]] == states
    only = await desk.chat("up/m")
    assert (only.status, only.error["code"]) == (503, "provider_disabled")
    told = (await desk.post(f"{UP}/keys/{first.id}/enable")).body
    assert [one["state"] for one in told["keys"]] == ["ready", "disabled"]
    missing = await desk.post(f"{UP}/keys/none/enable")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "key_not_found", "key")


async def test_a_change_can_be_made_to_what_was_read_alone(desk: Desk) -> None:
    read = await desk.get(UP)
    tag = read.headers["etag"]
    changed = await desk.post(f"{UP}/disable", if_match=tag)
    assert (changed.status, changed.headers["etag"] != tag) == (200, True)
    refused = await desk.post(f"{UP}/enable", if_match=tag)
    assert (refused.status, refused.error["code"], refused.error["param"]) == (
        412,
        "precondition_failed",
        "If-Match",
    )
    assert (await desk.get(UP)).headers["etag"] == changed.headers["etag"]
    assert (await desk.post(f"{UP}/enable", if_match=changed.headers["etag"])).headers["etag"] == tag


async def test_each_change_is_audited_without_secrets(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dragoman.audit"):
        await desk.post(f"{UP}/disable")
        await desk.post(f"{UP}/revive")
        await desk.post(f"{UP}/enable", if_match='"other"')
    entries = (await desk.get("/admin/audit")).body["data"]
    assert [(one["who"], one["action"], one["target"]) for one in entries] == [
        ("anyone", "revive", "providers/up"),
        ("anyone", "disable", "providers/up"),
    ]
    assert (entries[1]["before"], entries[1]["after"]) == ({"enabled": True}, {"enabled": False})
    assert len(caplog.records) == 2
    assert FIRST not in caplog.text + str(entries)


def answers(seen: Seen) -> Whole:
    if seen.headers["authorization"] != f"Bearer {SECOND}":
        error = {"message": f"Wrong key {FIRST}.", "type": "invalid_request_error", "code": "invalid_api_key"}
        return Whole({"error": error}, 401)
    return Whole({"object": "list", "data": [{"id": "m"}]})


async def test_a_provider_is_tested_with_each_key(tmp_path: Path) -> None:
    async with FakeProvider(answers) as provider:
        rows = {"up": {"base_url": provider.url, "keys": [FIRST, SECOND]}}
        desk = Desk(tmp_path, {"providers": rows, "models": {}})
        await desk.gateway.start()
        told = (await desk.post(f"{UP}/test")).body
        assert told["ok"] is False
        assert [(key["key"], key["state"], key["asked"], key["ok"]) for key in told["keys"]] == [
            ("…aaaa", "refused", "models", False),
            ("…bbbb", "ok", "models", True),
        ]
        assert FIRST not in str(told)
        assert all(key["ms"] > 0 for key in told["keys"])
        second: Any = desk.gateway.providers_health.pools["up"].keys[1].id
        told = (await desk.post(f"{UP}/test", {"key": second})).body
        assert (told["ok"], [key["id"] for key in told["keys"]]) == (True, [second])
        for body, status, param in (({"key": "none"}, 404, "key"), ({"kye": 1}, 400, "kye")):
            refused = await desk.post(f"{UP}/test", body)
            assert (refused.status, refused.error["param"]) == (status, param)
        assert {seen.method for seen in provider.seen} == {"GET"}, "the test has cost nothing"
        await desk.close()


async def test_what_has_no_address_cannot_be_tested(desk: Desk) -> None:
    refused = await desk.post("/admin/providers/own/test")
    assert (refused.status, refused.error["code"]) == (400, "not_testable")


async def test_running_calls_are_counted(desk: Desk) -> None:
    while not desk.upstream.words.empty():
        desk.upstream.words.get_nowait()
    talk = desk.talk("POST", "/v1/responses", {"model": "own/m", "input": "a"})
    await desk.upstream.begun.wait()
    assert (await desk.get("/admin/providers/own")).body["running"] == 1
    talk.leave()
    await talk.task
    assert (await desk.get("/admin/providers/own")).body["running"] == 0


async def test_two_workers_tell_the_same(pair: tuple[Desk, Desk]) -> None:
    one, two = pair
    tag = (await one.get(UP)).headers["etag"]
    await one.post(f"{UP}/disable")
    told = await two.get(UP)
    assert (told.body["enabled"], told.headers["etag"] != tag) == (False, True)
    assert (await two.chat("up/m")).error["code"] == "provider_disabled"
    assert [entry["worker"] for entry in (await two.get("/admin/audit")).body["data"]] == [1]
