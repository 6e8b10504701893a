"""How many tokens a request may use, before it is sent."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from dragoman.accounts.limits import Limit
from dragoman.dialects.facts import Facts
from dragoman.dialects.request import WireRequest
from dragoman.engine.expected import USUAL_OUTPUT, output_bound
from dragoman.routing.route import Deployment
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import chat, whole


class Asked:
    """A chat with this body."""

    prompts = True

    def __init__(self, body: dict[str, Any]) -> None:
        self.wire = WireRequest("chat", body)


def opened(limits: list[Limit], body: bytes, face: str = "openai_chat", **more: Any) -> dict[str, int]:
    """The units that are reserved for a request."""
    accounts = Accounts(limits=limits, **more)
    accounts.stage.script("one", whole("Hello"))
    accounts.stage.plays(body, face)
    return dict(accounts.book.opens[0].units)


FAR = [Limit("l", "tokens", 10**9, "day", "key")]
NEAR = [Limit("l", "tokens", 9_000, "day", "key")]


@pytest.mark.parametrize(
    ("members", "output"),
    [
        ({}, USUAL_OUTPUT),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 70}, 70),
        ({"max_tokens": 50, "n": 3}, 150),
    ],
)
def test_the_output_is_what_the_request_bounds(members: dict[str, Any], output: int) -> None:
    assert opened(FAR, chat(**members))["output"] == output


def test_the_output_of_other_protocols() -> None:
    asked = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    config = {"maxOutputTokens": 30, "candidateCount": 2}
    body = json.dumps({**asked, "model": "one/gpt", "generationConfig": config}).encode()
    accounts = Accounts(limits=FAR)
    accounts.stage.script("one", whole("Hello"))
    accounts.stage.plays(body, "gemini", params={"model": "one/gpt"})
    assert accounts.book.opens[0].units["output"] == 60


def test_a_model_bounds_its_output() -> None:
    deployments = [
        Deployment("one", "gpt", Facts(max_output=1000)),
        Deployment("two", "gpt", Facts(max_output=2000)),
    ]
    asked = Asked({"max_tokens": 5000})
    assert output_bound(cast("Any", asked), deployments) == (2000, False)
    assert output_bound(cast("Any", Asked({})), deployments) == (2000, False)
    assert output_bound(cast("Any", Asked({})), [*deployments, Deployment("three", "gpt")]) == (4096, True)
    assert output_bound(cast("Any", Asked({"max_tokens": True})), deployments[:1]) == (1000, False)


@pytest.mark.parametrize("members", [{"max_tokens": 10**30}, {"max_tokens": 10**7, "n": 100}])
def test_an_absurd_bound_is_reserved_as_a_number_that_journals_hold(members: dict[str, Any]) -> None:
    soft = Limit("l", "tokens", 10, "day", "key", hard=False)
    units = opened([soft], chat(**members))
    assert units["output"] == 100_000_000


def test_a_prompt_is_counted_only_near_a_limit() -> None:
    body = chat("Hello there, how are you?", max_tokens=10)
    assert opened(FAR, body)["input"] == -(-len(body) // 2)
    assert 2000 < opened(NEAR, chat("word " * 2000, max_tokens=10))["input"] < 2020


def test_a_prompt_that_an_alias_adds_to_is_counted() -> None:
    alias = {"route": "m", "system_prompt": "word " * 100}
    settings = {"models": {"m": {"deployments": ["one/gpt"]}}, "aliases": {"a": alias}}
    plain = opened(FAR, chat(model="m"), settings=settings)["input"]
    assert opened(FAR, chat(model="a"), settings=settings)["input"] > plain
