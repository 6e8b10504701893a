"""3.14: what `/health` tells of providers that refuse, fail and come back, and whose faults it counts."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.error
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.calls import Site
from tests.e2e.command import Serving, chat, serving
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said, openai_chat
from tests.e2e.test_workers import get, health

ERROR = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}


def two(first: str, second: str) -> dict[str, Any]:
    """Two providers, and a model that the one serves where the other does not."""
    configuration = up(first)
    configuration["providers"]["other"] = {**configuration["providers"]["up"], "base_url": second}
    return configuration


async def told(site: Site) -> tuple[int, dict[str, Any]]:
    answer = await site.get("/health")
    return answer.status, answer.body


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_credential_counts_until_it_is_taken(
    visit: Visit, provide: Provide, status: int
) -> None:
    provider = await provide(
        Whole({"error": ERROR}, status=status), Whole({"error": ERROR}, status=status), openai_chat(Said())
    )
    site = await visit(up(provider.url))
    before = time.time()
    for _ in range(2):
        assert (await site.ask("up/m")).status == 502
    code, state = await told(site)
    assert (code, state["status"]) == (200, "unhealthy")
    row = state["providers"]["up"]
    assert (row["healthy"], row["last_error"], row["consecutive_failures"]) == (False, "invalid_api_key", 2)
    assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before)) <= row["last_error_at"]
    assert row["last_error_at"].endswith("Z")
    assert (await site.ask("up/m")).status == 200
    code, state = await told(site)
    row = state["providers"]["up"]
    assert (code, state["status"], row["healthy"], row["consecutive_failures"]) == (200, "healthy", True, 0)
    assert row["last_error"] == "invalid_api_key", "it stays to be read, with its time"


async def test_some_down_is_degraded_and_all_is_unhealthy(visit: Visit, provide: Provide) -> None:
    good, bad = await provide(openai_chat(Said())), await provide(Whole({"error": ERROR}, status=500))
    site = await visit(two(good.url, bad.url))
    assert (await told(site))[1]["status"] == "healthy"
    assert (await site.ask("up/m")).status == 200
    assert (await site.ask("other/m")).status >= 500
    assert [(await told(site))[0], (await told(site))[1]["status"]] == [200, "degraded"]
    good.answers[0] = Whole({"error": ERROR}, status=500)
    assert (await site.ask("up/m")).status >= 500
    assert [(await told(site))[0], (await told(site))[1]["status"]] == [200, "unhealthy"]


async def test_without_a_key_only_counts_are_told(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"error": ERROR}, status=401))
    site = await visit({**up(provider.url), "auth": {"keys": ["right-key"]}})
    assert (await site.ask("up/m", headers={"authorization": "Bearer right-key"})).status == 502
    anybody = (await site.get("/health")).body
    assert anybody["status"] == "unhealthy"
    assert anybody["providers"]["unhealthy"] == 1
    assert "invalid_api_key" not in json.dumps(anybody)


async def test_the_words_of_the_latest_error_are_told_cut_and_without_keys(
    visit: Visit, provide: Provide
) -> None:
    key = "sk-0123456789-secret"
    provider = await provide(
        Whole({"error": {**ERROR, "message": f"Bad key {key} here {'x' * 300}"}}, status=401)
    )
    configuration = {**up(provider.url), "auth": {"keys": ["right-key"]}}
    configuration["providers"]["up"]["keys"] = [key]
    site = await visit(configuration)
    mine = {"authorization": "Bearer right-key"}
    assert (await site.ask("up/m", headers=mine)).status == 502
    row = (await site.get("/health", **mine)).body["providers"]["up"]
    assert row["last_error_message"] == f"Bad key [redacted] here {'x' * 300}"[:200]
    assert "Bad key" not in json.dumps((await site.get("/health")).body)


async def test_whose_faults_are_counted_where(visit: Visit, provide: Provide) -> None:
    def answer(seen: Seen) -> Answer:
        if seen.body["model"] == "broken":
            return Whole({"error": ERROR}, status=500)
        refused = {"message": "Bad.", "type": "invalid_request_error", "code": None}
        return Whole({"error": refused}, status=400)

    provider = await provide(answer)
    site = await visit(up(provider.url))
    assert (await site.ask("up/m", messages=7)).status == 400  # refused here
    assert (await site.ask("nosuchmodel")).status == 404
    assert (await site.ask("up/m")).status == 400  # refused there
    _, state = await told(site)
    counts = state["requests"]
    assert (counts["finished"], counts["refused"], counts["failed"]) == (3, 3, 0)
    assert state["providers"]["up"]["healthy"] is None
    assert (await site.ask("up/broken")).status >= 500
    counts = (await told(site))[1]["requests"]
    assert (counts["refused"], counts["failed"]) == (3, 1)


# Workers -------------------------------------------------------------------------------------------


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def asked(server: Serving, **fields: Any) -> int:
    try:
        with chat(server.url, **fields) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
@pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`")
async def test_each_worker_tells_of_all(
    environment: dict[str, str], tmp_path: Path, provide: Provide
) -> None:
    """Each answers `/health` for both: the sums of what they have counted, and what either has met last."""
    provider = await provide(Whole({"error": ERROR}, status=401))
    settings = {**up(provider.url), "retries": {"attempts": 1}}
    (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
    await asyncio.to_thread(_tell_of_all, environment, tmp_path)


def _tell_of_all(environment: dict[str, str], folder: Path) -> None:
    with serving(environment, folder, "--workers", "2") as server:
        for _ in range(10):
            assert asked(server, model="nosuchmodel") == 404
            assert asked(server, model="up/m") == 502

        def both(told: Callable[[dict[str, Any]], bool]) -> bool:
            """Whether each of the workers tells this."""
            found = [health(server.url) for _ in range(20)]
            return {one["worker"] for one in found} == {1, 2} and all(map(told, found))

        def tells(state: dict[str, Any]) -> bool:
            row, counts = state["providers"]["up"], state["requests"]
            return (
                (state["status"], state["workers"], state["reporting"]) == ("unhealthy", 2, 2)
                and (row["healthy"], row["consecutive_failures"]) == (False, 10)
                and (counts["failed"], counts["refused"]) == (10, 10)
                and counts["finished"] >= 20
            )

        until(lambda: both(tells))
        assert get(f"{server.url}/health/ready")["status"] == "ready"
