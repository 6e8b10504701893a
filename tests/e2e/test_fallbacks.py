"""What a client gets, and what each provider is sent, when the model that was asked cannot answer."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from dragoman.dialects.facts import Facts
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import HELLO, Answered
from tests.e2e.conftest import Provide, Serve, Visit
from tests.e2e.stubs import Said

STREAMS = pytest.mark.parametrize("stream", [False, True])
KEY = "a-key-of-sixteen-characters"
BUSY = stubs.refusal("openai_chat", 503, "busy", "Busy.")
TOO_LONG = stubs.refusal("openai_chat", 400, "context_length_exceeded", "Too long.", "messages")
FILTERED = stubs.refusal("openai_chat", 400, "content_filter", "Not this.")
GOOD: Any = stubs.openai_chat(Said("Hello there!"))
OTHER: Any = stubs.anthropic(Said("Hello there!"))
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def house(first: FakeProvider, second: FakeProvider, **more: Any) -> dict[str, Any]:
    """A gateway before two providers of different protocols, each asked once."""
    providers = {
        "one": {"base_url": first.url, "keys": ["k1"]},
        "two": {"base_url": second.url, "keys": ["k2"], "dialect": "anthropic"},
    }
    return {"providers": providers, "retries": {"attempts": 1}, **more}


def modelled(fallbacks: Any, **model: Any) -> dict[str, Any]:
    return {"models": {"m": {"use": "one/gpt", "fallbacks": fallbacks, **model}}}


def attempts(answer: Answered) -> str | None:
    return answer.headers.get("x-dragoman-attempts")


# Fallbacks -----------------------------------------------------------------------------------------------


@STREAMS
async def test_another_model_answers_when_the_first_cannot(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """2.32: the client reads its own name; headers say who answered, and how often was asked."""
    first, second = await provide(BUSY), await provide(OTHER)
    site = await visit(house(first, second, **modelled(["two/claude"])))
    answer = await site.ask("m", stream=stream)
    assert (answer.status, answer.text) == (200, "Hello there!")
    assert answer.headers["x-dragoman-deployment"] == "two/claude"
    assert attempts(answer) == "2"
    shown = {event["model"] for event in answer.events[:-1]} if stream else {answer.body["model"]}
    assert shown == {"m"}
    assert (first.last.body["model"], second.last.body["model"]) == ("gpt", "claude")


async def test_the_clients_own_mistake_is_told_at_once(visit: Visit, provide: Provide) -> None:
    first, second = (
        await provide(stubs.refusal("openai_chat", 400, "invalid_value", "No.")),
        await provide(OTHER),
    )
    site = await visit(house(first, second, **modelled(["two/claude"])))
    answer = await site.ask("m")
    assert (answer.status, answer.error["code"], second.seen) == (400, "invalid_value", [])


@STREAMS
async def test_a_stream_that_fails_before_its_first_content_is_replaced(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """5.7: a role, then an error inside the 200."""
    opening, *_ = stubs.frames("openai_chat", "Hello")
    broken = stubs.streamed("openai_chat", [opening, {"error": {"message": "Gone.", "code": 500}}])
    first, second = await provide(broken if stream else BUSY), await provide(OTHER)
    site = await visit(house(first, second, **modelled(["two/claude"])))
    answer = await site.ask("m", stream=stream)
    assert answer.text == "Hello there!"
    assert "Gone" not in answer.raw.decode()


@STREAMS
@pytest.mark.parametrize(("cause", "refused"), [("context", TOO_LONG), ("content", FILTERED)])
async def test_refusals_have_lists_of_their_own(
    visit: Visit, provide: Provide, cause: str, refused: Whole, stream: bool
) -> None:
    first, second = await provide(refused), await provide(OTHER)
    site = await visit(house(first, second, **modelled({cause: "two/claude"})))
    assert (await site.ask("m", stream=stream)).text == "Hello there!"
    first, second = await provide(refused), await provide(OTHER)
    site = await visit(house(first, second, **modelled(["two/claude"])))
    answer = await site.ask("m", stream=stream)
    assert (answer.status, second.seen) == (400, [])


async def test_the_first_refusal_is_told_if_the_others_fail(visit: Visit, provide: Provide) -> None:
    first = await provide(FILTERED)
    second = await provide(stubs.refusal("anthropic", 529, "overloaded_error", "Overloaded."))
    site = await visit(house(first, second, **modelled({"content": "two/claude"})))
    answer = await site.ask("m")
    assert (answer.status, answer.error["message"]) == (400, "Not this.")
    assert attempts(answer) == "2"


async def test_a_prompt_that_cannot_fit_is_sent_to_the_larger_model_alone(
    visit: Visit, provide: Provide
) -> None:
    first, second = await provide(GOOD), await provide(OTHER)
    site = await visit(house(first, second, **modelled({"context": "two/claude"}, context_window=20)))
    answer = await site.ask("m", messages=[{"role": "user", "content": "word " * 100}])
    assert (answer.text, first.seen, attempts(answer)) == ("Hello there!", [], None)


async def test_a_route_that_is_known_to_fail_is_asked_after_its_fallbacks(
    visit: Visit, provide: Provide
) -> None:
    first, second = await provide(BUSY), await provide(*[OTHER] * 4)
    site = await visit(house(first, second, **modelled(["two/claude"])))
    assert [attempts(await site.ask("m")) for _ in range(4)] == ["2", "2", "2", None]
    assert (len(first.seen), len(second.seen)) == (3, 4)


async def test_the_record_has_every_attempt_with_its_reason(provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    exchanges: list[Exchange] = []
    gateway = Gateway(house(first, second, **modelled(["two/claude"])), observers=[exchanges.append])
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        body = {"model": "m", "messages": HELLO}
        async with session.post(f"{base}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            await answer.read()
    (exchange,) = exchanges
    told = [(one.deployment, one.status, one.fault and one.fault.code) for one in exchange.attempts]
    assert told == [("one/gpt", 503, "busy"), ("two/claude", 200, None)]
    assert (exchange.asked, exchange.answered, exchange.end) == ("m", "two/claude", "done")


# Who can do it -------------------------------------------------------------------------------------------


async def test_a_picture_goes_only_to_who_sees_it(visit: Visit, provide: Provide) -> None:
    """1.14: a pool of two, of which one states that it reads no images."""
    first, second = await provide(GOOD, GOOD), await provide(OTHER, OTHER)
    pool = [{"use": "one/gpt", "supports": {"images": False}}, "two/claude"]
    site = await visit(house(first, second, models={"m": {"deployments": pool}}))
    shown = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]
    for _ in range(2):
        assert (await site.ask("m", messages=shown)).status == 200
    assert (len(first.seen), len(second.seen)) == (0, 2)
    await site.ask("m")
    assert len(first.seen) == 1


# Other models of a request -------------------------------------------------------------------------------


@STREAMS
async def test_the_official_client_names_other_models(serve: Serve, provide: Provide, stream: bool) -> None:
    """5.48: as OpenRouter's clients do it, through `extra_body`."""
    first, second = await provide(BUSY), await provide(OTHER)
    base = await serve(json.dumps(house(first, second)))
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="x", max_retries=0) as client:
        asked: Any = {"model": "one/gpt", "messages": HELLO, "extra_body": {"models": ["two/claude"]}}
        if stream:
            text = "".join(
                [
                    chunk.choices[0].delta.content or ""
                    async for chunk in await client.chat.completions.create(stream=True, **asked)
                    if chunk.choices
                ]
            )
        else:
            text = (await client.chat.completions.create(**asked)).choices[0].message.content
    assert text == "Hello there!"
    assert b"models" not in first.last.raw + second.last.raw


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": HELLO}),
        ("/v1/responses", {"input": "Hello!"}),
        ("/v1/messages", {"messages": HELLO, "max_tokens": 9}),
    ],
)
@pytest.mark.parametrize("member", ["models", "fallbacks"])
async def test_every_face_takes_them(provide: Provide, path: str, body: dict[str, Any], member: str) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    async with serving(Gateway(house(first, second))) as base, aiohttp.ClientSession() as session:
        asked = {"model": "one/gpt", **body, member: ["two/claude"]}
        async with session.post(base + path, json=asked) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["x-dragoman-deployment"] == "two/claude"
    assert member.encode() not in first.last.raw + second.last.raw


async def test_a_key_names_only_models_that_it_may_use(visit: Visit, provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    keys = [{"name": "few", "key": KEY, "models": ["one/gpt"]}]
    site = await visit(house(first, second, auth={"keys": keys}))
    answer = await site.ask("one/gpt", models=["two/claude"], headers={"authorization": f"Bearer {KEY}"})
    assert (answer.status, answer.error["code"], answer.error["param"]) == (
        403,
        "model_not_granted",
        "models[0]",
    )
    assert first.seen == second.seen == []


async def test_configured_fallbacks_need_no_grant(visit: Visit, provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    keys = [{"name": "few", "key": KEY, "models": ["m"]}]
    site = await visit(house(first, second, auth={"keys": keys}, **modelled(["two/claude"])))
    answer = await site.ask("m", headers={"authorization": f"Bearer {KEY}"})
    assert answer.headers["x-dragoman-deployment"] == "two/claude"


# Names ---------------------------------------------------------------------------------------------------


async def test_a_pattern_sends_each_name_on(visit: Visit, provide: Provide) -> None:
    first, second = await provide(*[GOOD] * 3), await provide(OTHER)
    models = {
        "team/*": {"use": "one/*"},
        "claude-*": {"deployments": ["two/anthropic.claude-*"]},
        "gpt-exact": {"use": "one/other"},
        "gpt-*": {"use": "one/*", "fallbacks": ["two/claude"]},
    }
    site = await visit(house(first, second, models=models))
    for name, sent in (("team/llama", "llama"), ("gpt-exact", "other"), ("gpt-5", "gpt-5")):
        answer = await site.ask(name)
        assert (answer.status, answer.body["model"]) == (200, name if sent != name else answer.body["model"])
        assert first.last.body["model"] == sent
    assert (await site.ask("claude-opus")).status == 200
    assert second.last.body["model"] == "anthropic.claude-opus"
    listed = (await site.get("/v1/models")).body["data"]
    assert not any("*" in one["id"] for one in listed)


async def test_a_resolver_routes_by_tenant(visit: Visit, provide: Provide) -> None:
    """4.19: by the name of the client's key."""
    first, second = await provide(GOOD), await provide(OTHER)

    class ByTenant:
        def resolve(self, exchange: Exchange, name: str | None) -> str | None:
            tenants = {"red": "one/gpt", "blue": "two/claude"}
            return tenants.get(exchange.client or "") if name == "best" else None

    keys = [{"name": name, "key": f"{KEY}-{name}"} for name in ("red", "blue")]
    site = await visit(house(first, second, auth={"keys": keys}), hooks=[ByTenant()])
    for tenant, deployment in (("red", "one/gpt"), ("blue", "two/claude")):
        answer = await site.ask("best", headers={"authorization": f"Bearer {KEY}-{tenant}"})
        assert answer.headers["x-dragoman-deployment"] == deployment
        assert answer.body["model"] == "best"


# Time and number -----------------------------------------------------------------------------------------


@STREAMS
async def test_a_hung_provider_does_not_stop_a_route(visit: Visit, provide: Provide, stream: bool) -> None:
    hung = Whole({}, delay=60.0)
    first, second = await provide(hung), await provide(OTHER)
    settings = house(first, second, **modelled(["two/claude"], switch_after="200ms"))
    site = await visit(settings)
    answer = await site.ask("m", stream=stream, headers={"x-dragoman-report": "1"})
    assert answer.text == "Hello there!"
    report = json.loads(answer.headers["x-dragoman-report"])
    assert [one["error"] for one in report["attempts"]] == ["switch_timeout", None]
    assert len(first.cut) == 1


async def test_a_stream_that_has_begun_is_not_left(visit: Visit, provide: Provide) -> None:
    said = stubs.frames("openai_chat", "Hello there!")
    slow = stubs.streamed("openai_chat", said, pause=0.2)
    first, second = await provide(slow), await provide(OTHER)
    site = await visit(house(first, second, **modelled(["two/claude"], switch_after="1s")))
    assert (await site.ask("m", stream=True)).text == "Hello there!"
    assert second.seen == []


async def test_attempts_are_bounded_in_number_and_time(visit: Visit, provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    settings = house(first, second, **modelled(["two/claude"]))
    settings["retries"] = {"max_attempts": 1}
    answer = await (await visit(settings)).ask("m")
    assert (answer.status, answer.error["message"], second.seen) == (503, "Busy.", [])
    hung = await provide(Whole({}, delay=60.0))
    settings = house(hung, second, **modelled(["two/claude"]))
    settings["retries"] = {"max_time": "300ms"}
    answer = await (await visit(settings)).ask("m")
    assert (answer.status, answer.error["code"], second.seen) == (504, "attempts_timeout", [])


# What goes out -------------------------------------------------------------------------------------------


async def test_idempotency_keys_go_to_who_honours_them(visit: Visit, provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    settings = house(first, second, **modelled(["two/claude"]))
    settings["providers"]["one"]["quirks"] = {"idempotency_keys": True}
    settings["retries"] = {"attempts": 2, "backoff": "10ms"}
    site = await visit(settings)
    await site.ask("m", headers={"Idempotency-Key": "order-7"})
    assert [seen.headers.get("idempotency-key") for seen in first.seen] == ["order-7"]
    assert "idempotency-key" not in second.last.headers


async def test_a_model_registered_in_code_can_be_a_fallback(provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    gateway = Gateway(house(first, second))
    gateway.register("mine", "two", rewrite="claude", facts=Facts(tools=True))
    answer = await gateway.ask({"model": "one/gpt", "messages": HELLO, "models": ["mine"]})
    assert answer["model"] == "mine"
    await gateway.close()
