"""What is known of keys and deployments is kept from one configuration to the next."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec

from dragoman import ir
from dragoman.assembly.health import adopt
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.routing.outcome import Outcome
from dragoman.routing.route import Candidate, Deployment
from dragoman.routing.sharing import Mark, Sharing
from dragoman.upstreams.upstream import Upstream


def settings(*keys: str, **more: Any) -> dict[str, Any]:
    return {"providers": {"up": {"base_url": "https://up.example", "keys": list(keys), **more}}}


async def started(given: dict[str, Any]) -> Gateway:
    gateway = Gateway(given)
    await gateway.start()
    return gateway


def test_each_provider_has_a_pool_as_its_settings_say() -> None:
    async def run() -> None:
        given = settings("key-of-the-first", "key-of-the-other", key_choice="least_used")
        gateway = await started({**given, "breaker": {"failures": 7, "pause": "2s", "pause_max": "1m"}})
        health = gateway.providers_health
        pool = health.pools["up"]
        assert (pool.choice, [key.tail for key in pool.keys]) == ("least_used", ["irst", "ther"])
        assert not health.calm
        limits = health.breakers.limits
        assert (limits.failures, limits.pause, limits.pause_max) == (7, 2.0, 60.0)
        assert {type(limits.pause), type(limits.pause_max)} == {float}, "plain: workers tell them each other"
        assert len({key.id for key in pool.keys}) == 2
        assert not any("key-of" in key.id for key in pool.keys)
        await gateway.close()

    asyncio.run(run())


def test_breakers_that_open_can_be_told_to_other_workers() -> None:
    async def run() -> None:
        given = settings("a-key")
        gateway = await started({**given, "breaker": {"failures": 1, "pause": "2s", "pause_max": "3s"}})
        health, told = gateway.providers_health, Sharing(gateway.providers_health)
        calling = health.began(Candidate(Deployment("up", "gpt"), 0), 0.0)
        for now in (0.0, 10.0):
            health.learn(calling, ir.Fault("unavailable", "It failed.", blame="upstream"), now)
            marks = msgspec.json.decode(msgspec.json.encode(told.learnt(calling, now)), type=list[Mark])
            assert [(mark.kind, mark.pause) for mark in marks] == [("open", 3.0 if now else 2.0)]
        await gateway.close()

    asyncio.run(run())


def test_a_key_that_is_replaced_is_forgotten_and_the_others_are_not(tmp_path: Any) -> None:
    async def run() -> None:
        file = tmp_path / "key"
        file.write_text("key-of-the-first")
        given = settings("key-of-the-other")
        given["providers"]["up"]["keys"] = [{"file": str(file)}, "key-of-the-other"]
        gateway = await started(given)
        pool = gateway.providers_health.pools["up"]
        for key in pool.keys:
            key.fails("gpt", Outcome.KEY_PERMANENT, None, gateway.seams.monotonic())
        file.write_text("key-of-another")
        await gateway.reload()
        renewed = gateway.providers_health.pools["up"]
        assert [key.retired is None for key in renewed.keys] == [True, False]
        assert [key.retired is None for key in pool.keys] == [False, False], "of earlier requests"
        await gateway.close()

    asyncio.run(run())


class Made:
    """An upstream that a program has made."""

    name = "made"


def test_who_is_disabled_and_leaves_the_configuration_slows_nobody() -> None:
    async def run() -> None:
        given = settings("a-key")
        two = {
            "providers": {**given["providers"], "other": {"base_url": "https://other.example", "keys": []}}
        }
        gateway = await started(two)
        health = gateway.providers_health
        view = health.view()

        def calm() -> bool:
            return view.calm

        health.enable("other", enabled=False)
        assert not calm()
        left = load(given, {}).config
        adopt(health, left, {"up": gateway.running.upstreams["up"]}, 0.0)
        assert calm()
        adopt(health, left, {"up": gateway.running.upstreams["up"], "other": cast("Upstream", Made())}, 0.0)
        assert not calm(), "one made in code has this name now, and the order still holds"
        assert health.others == {"other"}
        await gateway.close()

    asyncio.run(run())


def test_what_answers_forecast_is_remembered_whatever_protocol_they_came_in() -> None:
    async def run() -> None:
        gateway = await started({"providers": {"openai": {"keys": ["key-of-the-first", "key-of-the-other"]}}})
        pool = gateway.providers_health.pools["openai"]
        spoken = gateway.running.providers["openai"].dialects
        assert len(spoken) > 1
        for place, upstream in enumerate(spoken):
            assert upstream.spent is not None
            upstream.spent(pool.keys[0].id, f"m{place}", 20.0, gateway.seams.monotonic())
        assert len(list(pool.keys[0].facts())) == len(spoken)
        await gateway.close()

    asyncio.run(run())
