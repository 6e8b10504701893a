"""Deployments that are for some requests only, and the bound on what failover may cost: who is asked, and
what the trace says of the others.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import Said

GOOD: Any = stubs.openai_chat(Said("Hello there!"))
OTHER: Any = stubs.anthropic(Said("Hello there!"))
BUSY = stubs.refusal("openai_chat", 503, "busy", "Busy.")
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SEEING = [{"role": "user", "content": [PICTURE, {"type": "text", "text": "What is it?"}]}]
LONG = [{"role": "user", "content": "word " * 3000}]
ADMIN, BLUE, RED = "the-key-of-the-operator", "the-key-of-team-blue", "the-key-of-team-red"


def house(first: FakeProvider, second: FakeProvider, model: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A gateway before two providers of different protocols, each asked once."""
    return {
        "providers": {
            "one": {"base_url": first.url, "keys": ["k1"]},
            "two": {"base_url": second.url, "keys": ["k2"], "dialect": "anthropic"},
        },
        "models": {"m": model},
        "retries": {"attempts": 1},
        **more,
    }


async def left_out(site: Site, answer: Answered, **headers: str) -> list[tuple[str, str]]:
    """The deployments that the trace says were left out, and why."""
    told = (await site.get(f"/admin/exchanges/{answer.headers['x-request-id']}", **headers)).body
    return [(one["deployment"], one["why"]) for one in told["candidates"] if one["state"] == "dropped"]


@pytest.mark.parametrize("stream", [False, True])
async def test_pictures_and_long_prompts_go_to_another_model(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    first, second = await provide(GOOD), await provide(OTHER)
    model = {
        "deployments": [
            {"use": "one/small", "when": {"images": False, "input_up_to": 1000}},
            {"use": "two/large"},
        ]
    }
    site = await visit(house(first, second, model))
    answer = await site.ask("m", stream=stream)
    assert (answer.text, answer.headers["x-dragoman-deployment"]) == ("Hello there!", "one/small")
    assert await left_out(site, answer) == []
    for messages, reason in ((SEEING, "images: false"), (LONG, "input_up_to: 1000")):
        answer = await site.ask("m", messages=messages, stream=stream)
        assert (answer.text, answer.headers["x-dragoman-deployment"]) == ("Hello there!", "two/large")
        assert await left_out(site, answer) == [("one/small", f"`when: {{{reason}}}` does not hold")]
    assert (len(first.seen), len(second.seen)) == (1, 2)


async def test_teams_and_tags_have_deployments_of_their_own(visit: Visit, provide: Provide) -> None:
    first, second = await provide(GOOD), await provide(OTHER)
    model = {
        "deployments": [
            {"use": "one/gpt", "when": {"clients": ["team-*"], "without_tags": ["eu"]}},
            {"use": "two/claude", "when": {"clients": ["team-blue"]}},
        ]
    }
    keys = [
        {"name": "ops", "key": ADMIN, "scopes": ["admin", "inference"]},
        {"name": "team-blue", "key": BLUE},
        {"name": "team-red", "key": RED},
    ]
    site = await visit(house(first, second, model, auth={"keys": keys}))

    async def ask(key: str, **headers: str) -> Answered:
        return await site.ask("m", headers={"authorization": f"Bearer {key}", **headers})

    asked = [await ask(BLUE), await ask(RED), await ask(BLUE, **{"x-dragoman-tags": "eu, x"})]
    assert [one.headers["x-dragoman-deployment"] for one in asked] == ["one/gpt", "one/gpt", "two/claude"]
    refused = await ask(RED, **{"x-dragoman-tags": "eu"})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "no_deployment", "model")
    assert refused.error["message"].endswith("They are for: other tags; other clients.")
    assert await left_out(site, refused, authorization=f"Bearer {ADMIN}") == [
        ("one/gpt", "`when: {without_tags: [eu]}` does not hold"),
        ("two/claude", "`when: {clients: [team-blue]}` does not hold"),
    ]
    refused = await ask(ADMIN)
    assert (refused.status, refused.error["code"]) == (403, "no_deployment")
    assert (len(first.seen), len(second.seen)) == (2, 1)


async def test_a_request_in_anthropics_protocol_goes_where_it_is_relayed(
    visit: Visit, provide: Provide
) -> None:
    first, second = await provide(GOOD), await provide(OTHER)
    model = {"deployments": [{"use": "two/claude", "when": {"protocols": ["anthropic"]}}, "one/gpt"]}
    site = await visit(house(first, second, model))
    assert (await site.ask("m")).headers["x-dragoman-deployment"] == "one/gpt"
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        counted = {name: value for name, value in body.items() if "count" not in path or name != "max_tokens"}
        async with site.session.post(site.base + path, json=counted) as response:
            assert response.status == 200, await response.text()
            assert response.headers.get("x-dragoman-deployment", "two/claude") == "two/claude"
    assert len(first.seen) == 1


async def test_failover_stays_within_its_bound(visit: Visit, provide: Provide) -> None:
    first, second = await provide(BUSY), await provide(OTHER)
    cheap = {"use": "one/gpt", "price": {"input": 1, "output": 4}}
    dear = {"use": "two/claude", "price": {"input": 5, "output": 25}}
    site = await visit(house(first, second, {"deployments": [cheap, dear], "max_cost": 5}))
    answer = await site.ask("m", max_tokens=1000)
    assert (answer.status, second.seen) == (503, [])
    assert await left_out(site, answer) == [
        ("two/claude", "`max_cost`: more than 5 times the cost of the first choice, one/gpt")
    ]
    site = await visit(house(first, second, {"deployments": [cheap, dear], "max_cost": {"usd": 0.05}}))
    answer = await site.ask("m", max_tokens=1000)
    assert (answer.text, answer.headers["x-dragoman-deployment"]) == ("Hello there!", "two/claude")
    answer = await site.ask("m", max_tokens=10_000)
    assert answer.status == 503
    ((name, why),) = await left_out(site, answer)
    assert (name, why) == ("two/claude", "`max_cost`: about 0.21 USD more than the first choice, one/gpt")
    assert len(second.seen) == 1
