"""What a gateway's running parts say for `/metrics`."""

from __future__ import annotations

import asyncio
from typing import Any

from dragoman import ir
from dragoman.assembly.metrics import outcome_of
from dragoman.capacity.gates import Held, Limit
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.gateway import Gateway
from dragoman.observe.board import Board
from dragoman.routing.outcome import Outcome
from tests.scraping import Scraped

SETTINGS: dict[str, Any] = {
    "providers": {"up": {"base_url": "https://up.example", "keys": ["key-of-the-first", "key-of-the-other"]}},
    "models": {"mine": {"deployments": ["up/gpt", "up/gpt-mini"]}},
    "aliases": {"fast": "mine"},
}


def exchange(asked: str = "mine") -> Exchange:
    one = Exchange("ex", "req", "openai_chat", "POST", "/x", 1.0, 0.0, asked=asked)
    one.attempts.append(AttemptRecord("a", "up/gpt-mini", None, "relay", 1.0, status=200))
    one.answered = "up/gpt-mini"
    one.usage = ir.Usage(output=3)
    return one


async def scraped(gateway: Gateway) -> Scraped:
    return Scraped(await gateway.telling.metrics_page(exchange()))


def test_a_failure_has_the_name_of_its_class() -> None:
    assert outcome_of(ir.Fault("rate_limit", "m")) == "key_transient"
    assert outcome_of(ir.Fault("invalid_request", "m")) == "caller"


async def test_names_of_the_configuration_are_labels() -> None:
    gateway = Gateway(SETTINGS)
    await gateway.start()
    for name in ("mine", "fast", "up/gpt", "up/something"):
        (one := exchange(name)).close(2.0)
        gateway.observe(one)
    page = await scraped(gateway)
    assert page.labels("dragoman_requests_total", "model") == {"mine", "fast", "up/gpt", "other"}
    assert page("dragoman_tokens_total", provider="up", model="gpt-mini", kind="output") == 12
    await gateway.close()


async def test_deployments_that_only_fallbacks_name_are_labels() -> None:
    models = {"mine": {"use": "up/gpt", "fallbacks": {"any": ["up/gpt-mini"], "context": ["up/gpt-long"]}}}
    gateway = Gateway({**SETTINGS, "models": models})
    await gateway.start()
    for deployment in ("up/gpt-mini", "up/gpt-long"):
        one = exchange()
        one.attempts[0].deployment = deployment
        one.close(2.0)
        gateway.observe(one)
    page = await scraped(gateway)
    assert page.labels("dragoman_tokens_total", "model") == {"gpt-mini", "gpt-long"}
    await gateway.close()


async def test_a_queue_that_is_no_more_is_empty() -> None:
    gateway = Gateway(SETTINGS)
    await gateway.start()
    gateway.gates.adopt({"models.mine": Limit(1)})
    held: Held = {}
    gateway.gates.enter(held, [["models.mine"]])
    waiting = asyncio.ensure_future(gateway.gates.wait({}, "a", [["models.mine"]]))
    await asyncio.sleep(0)
    assert (await scraped(gateway))("dragoman_queue_waiting", queue="models.mine") == 1
    gateway.gates.adopt({})
    assert (await scraped(gateway))("dragoman_queue_waiting", queue="models.mine") == 0
    await waiting
    await gateway.close()


async def test_keys_and_breakers_and_what_runs() -> None:
    gateway = Gateway(SETTINGS)
    await gateway.start()
    now = gateway.seams.monotonic()
    health = gateway.providers_health
    health.pools["up"].keys[0].fails("gpt", Outcome.KEY_PERMANENT, None, now)
    for _ in range(3):
        health.breakers.failed("up/gpt", Outcome.SERVER, now)
    gateway.exchanges |= {exchange(), exchange()}
    page = await scraped(gateway)
    states = {state: page("dragoman_upstream_keys", provider="up", state=state) for state in STATES}
    assert states == {"ready": 1, "resting": 0, "refused": 1, "barred": 0}
    assert page("dragoman_breakers_open", provider="up") == 1
    assert page("dragoman_provider_unanswered", provider="up") == 0
    gateway.providers_health.checked("up", gateway.seams.monotonic(), gateway.seams.monotonic() + 60.0)
    page = await scraped(gateway)
    assert page("dragoman_provider_unanswered", provider="up") == 1
    assert page("dragoman_requests_running") == 2
    assert page("dragoman_workers") == page("dragoman_workers_reporting") == 1
    assert page("dragoman_queue_waiting", queue="large_bodies") == 0
    assert page("dragoman_uptime_seconds") > 0
    assert page("process_cpu_seconds_total", worker="1") > 0
    assert {"dragoman_build_info", "python_info", "dragoman_active_sessions"} <= page.names
    await gateway.close()


STATES = ("ready", "resting", "refused", "barred")


async def test_workers_tell_of_each_other() -> None:
    board = Board(2)
    gateways = [Gateway(SETTINGS), Gateway(SETTINGS)]
    for number, gateway in enumerate(gateways, 1):
        gateway.worker, gateway.workers, gateway.board = number, 2, board
        await gateway.start()
        (one := exchange()).close(2.0)
        gateway.observe(one)
        gateway.observers.bounds.reached("url_too_long")
    page = await scraped(gateways[1])
    assert page("dragoman_http_requests_total") == 2
    assert page("dragoman_bounds_reached_total", bound="url_too_long") == 2
    assert page("dragoman_workers_reporting") == 2
    for gateway in gateways:
        await gateway.close()
    board.clear(1)
    page = await scraped(gateways[1])
    assert page("dragoman_http_requests_total") == 2
    assert page("dragoman_workers_reporting") == 1


async def test_nothing_is_counted_if_it_is_switched_off() -> None:
    gateway = Gateway({**SETTINGS, "metrics": {"enabled": False}})
    await gateway.start()
    (one := exchange()).close(2.0)
    gateway.observe(one)
    assert gateway.observers.metrics is None
    await gateway.close()


async def test_the_keys_of_a_disabled_provider_are_disabled() -> None:
    gateway = Gateway(SETTINGS)
    await gateway.start()
    gateway.providers_health.enable("up", enabled=False)
    page = await scraped(gateway)
    assert page("dragoman_upstream_keys", provider="up", state="disabled") == 2
    assert page("dragoman_upstream_keys", provider="up", state="ready") == 0
    await gateway.close()
