"""`/metrics` of a running gateway: who may read it, and that it tells what clients and providers saw."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.testing.provider import Seen, Whole
from tests.e2e import stubs
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import Said
from tests.scraping import Scraped

ADMIN, USER = "key-of-an-operator", "key-of-a-client-0"
KEYS = {"auth": {"keys": [{"key": ADMIN, "scopes": ["admin"]}, {"key": USER}]}}
GOOD: Any = stubs.openai_chat(Said())


def before(**urls: str) -> dict[str, Any]:
    """A gateway before these providers, in their order."""
    providers = {name: {"base_url": url, "keys": ["a-key"]} for name, url in urls.items()}
    deployments = [f"{name}/gpt" for name in urls]
    return {
        "providers": providers,
        "models": {"mine": {"deployments": deployments}},
        "retries": {"attempts": 1},
    }


async def scraped(site: Site, **headers: str) -> Scraped:
    answer = await site.get("/metrics", **headers)
    assert answer.status == 200
    return Scraped(answer.raw)


async def until(site: Site, true: Callable[[Scraped], object]) -> Scraped:
    """The first page of which something is true."""
    page = await scraped(site)
    async with asyncio.timeout(60):
        while not true(page):
            await asyncio.sleep(0.02)
            page = await scraped(site)
    return page


async def test_it_needs_the_scope_admin(visit: Visit) -> None:
    site = await visit(KEYS)
    assert (await site.get("/metrics")).status == 401
    assert (await site.get("/metrics", authorization=f"Bearer {USER}")).status == 403
    assert "dragoman_build_info" in (await scraped(site, authorization=f"Bearer {ADMIN}")).names


async def test_it_needs_no_key_where_it_is_public(visit: Visit) -> None:
    site = await visit({**KEYS, "metrics": {"public": True}})
    assert "dragoman_build_info" in (await scraped(site)).names


async def test_a_gateway_that_is_open_to_strangers_does_not_show_it(visit: Visit) -> None:
    site = await visit({"auth": {"open": True}})
    assert (await site.get("/metrics")).status == 403


async def test_it_is_not_there_where_it_is_switched_off(visit: Visit, provide: Provide) -> None:
    provider = await provide(GOOD)
    site = await visit({**before(up=provider.url), "metrics": {"enabled": False}})
    assert (await site.ask("mine")).status == 200
    answer = await site.get("/metrics")
    assert answer.status == 404
    assert "metrics.enabled" in answer.error["message"]


async def test_counters_move_with_what_is_asked(visit: Visit, provide: Provide) -> None:
    down, good = await provide(stubs.refusal("openai_chat", 503, "down", "No.")), await provide(GOOD)
    site = await visit(before(down=down.url, good=good.url))
    first = await scraped(site)
    for stream in (False, True, False):
        assert (await site.ask("mine", stream=stream)).status == 200
    assert (await site.ask("nobody")).status == 404
    assert (await site.ask("down/gpt")).status == 503
    page = await scraped(site)

    def moved(name: str, **labels: str) -> float:
        return page(name, **labels) - first(name, **labels)

    chat = {"method": "POST", "path": "/v1/chat/completions"}
    statuses = {
        status: moved("dragoman_http_requests_total", status=status, **chat)
        for status in ("200", "404", "503")
    }
    assert statuses == {"200": 3, "404": 1, "503": 1}
    assert moved("dragoman_http_request_duration_seconds_count", **chat) == 5
    assert moved("dragoman_http_requests_total", path="/metrics", status="200") == 1
    for provider, name in ((down, "down"), (good, "good")):
        assert moved("dragoman_upstream_requests_sent_total", provider=name) == len(provider.seen)
        assert moved("dragoman_upstream_calls_total", provider=name) == len(provider.seen)
    assert moved("dragoman_upstream_calls_total", provider="good", status="200") == 3
    assert moved("dragoman_upstream_errors_total", provider="down") == len(down.seen)
    assert moved("dragoman_failovers_total", provider="down", outcome="server") == len(down.seen) - 1
    assert moved("dragoman_requests_total", model="mine", outcome="done") == 3
    assert moved("dragoman_requests_total", model="other", outcome="client") == 1
    assert moved("dragoman_time_to_first_token_seconds_count", provider="good") == 1
    assert moved("dragoman_tokens_total", provider="good", model="gpt", kind="output") > 0
    assert page("dragoman_breakers_open", provider="down") == 1
    assert page("dragoman_upstream_keys", state="ready") == 2
    assert page("dragoman_connections_open") >= 1
    assert page("process_start_time_seconds") > 0


async def test_what_is_passed_through_is_counted(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"object": "list", "data": []}))
    row = {"base_url": provider.url, "keys": ["a-key"], "passthrough": ["files"]}
    site = await visit({"providers": {"up": row}})
    assert (await site.get("/v1/files")).status == 200
    page = await scraped(site)
    assert page("dragoman_upstream_requests_sent_total", provider="up", model="other") == 1
    assert page("dragoman_upstream_calls_total", provider="up", status="200") == 1
    assert "dragoman_requests_total" not in page.names, "it named no model"


async def test_a_stream_that_runs_is_seen(visit: Visit, provide: Provide) -> None:
    frames = stubs.frames("openai_chat", "x" * 50)
    provider = await provide(stubs.streamed("openai_chat", frames, pause=30.0))
    site = await visit(before(up=provider.url))
    asking = asyncio.ensure_future(site.ask("mine", stream=True))
    page = await until(site, lambda page: page("dragoman_upstream_requests_sent_total"))
    assert page("dragoman_streams_active") == page("dragoman_requests_running") == 1
    assert page("dragoman_upstream_calls_total") == 0, "it has not ended"
    asking.cancel()
    page = await until(site, lambda page: not page("dragoman_streams_active"))
    assert page("dragoman_requests_total", outcome="client") == 1


async def test_a_hundred_strange_names_add_no_sets(visit: Visit, provide: Provide) -> None:
    def answer(seen: Seen) -> Any:
        if seen.body["model"].endswith("7"):
            return Whole({"error": {"message": "No.", "type": "x", "code": "bad"}}, status=400)
        return GOOD(seen)

    provider = await provide(answer)
    site = await visit(before(up=provider.url))

    async def strange(name: str) -> None:
        await site.ask(f"up/{name}")
        await site.ask(f"up/{name}", stream=True)
        await site.ask(name)
        await site.get(f"/{name}")
        await site.get(f"/v1/models/{name}")
        await site.get(f"/v1beta/models/{name}:nothing")

    await scraped(site)
    for number in range(8):
        await strange(f"strange-{number}")
    sets = len((await scraped(site)).samples)
    for number in range(8, 108):
        await strange(f"strange-{number}")
    page = await scraped(site)
    assert len(page.samples) == sets
    assert page("dragoman_upstream_requests_sent_total", provider="up", model="other") == 216


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed"
)
async def test_promtool_accepts_the_page(visit: Visit, provide: Provide) -> None:
    down, good = await provide(stubs.refusal("openai_chat", 429, "slow", "No.")), await provide(GOOD)
    site = await visit(before(down=down.url, good=good.url))
    await site.ask("mine", stream=True)
    await site.ask("nobody")
    page = (await site.get("/metrics")).raw
    command = ["promtool", "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=page, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
