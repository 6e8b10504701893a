"""To whom a client's Idempotency-Key goes."""

from __future__ import annotations

from typing import Any

from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import CLAUDE, ONE, Stage, chat, refusal, whole

HONOURS = {"quirks": {"idempotency_keys": True}}
KEY = {"idempotency-key": "order-7"}


def keys(
    providers: dict[str, Any], deployments: list[str], body: bytes | None = None, **replies: Any
) -> list[Any]:
    """The key of each attempt; None = it had none."""
    stage = Stage(
        providers, settings={"models": {"m": {"deployments": deployments}}}, policy=Policy(retries=1)
    )
    for name, script in replies.items():
        stage.script(name, *script)
    assert stage.plays(body or chat(model="m"), headers=KEY)[-1] == "= done"
    return [headers.get("idempotency-key") for headers in stage.headers]


def test_only_a_provider_that_honours_it_gets_it() -> None:
    two = {"one": ONE, "two": {**ONE, **HONOURS}}
    told = keys(two, ["one/a", "two/a"], one=[refusal(503)], two=[whole("Hello.")])
    assert told == [None, "order-7"]


def test_all_attempts_at_a_deployment_have_the_same() -> None:
    twice = {"one": {**ONE, **HONOURS, "keys": ["key-1", "key-2"]}}
    told = keys(twice, ["one/a"], one=[refusal(503), refusal(503), whole("Hello.")])
    assert told == ["order-7"] * 3


def test_another_model_of_the_same_provider_is_another_request() -> None:
    two = {"one": {**ONE, **HONOURS}, "two": {**ONE, **HONOURS}}
    deployments = ["one/a", "one/b", "two/a"]
    told = keys(two, deployments, one=[refusal(503), refusal(503)], two=[whole("Hello.")])
    assert told == ["order-7", None, "order-7"]


def test_a_translated_request_carries_it_too() -> None:
    claude = {"claude": {**CLAUDE, **HONOURS}}
    assert keys(claude, ["claude/opus"], claude=[whole("Hello.", dialect="anthropic")]) == ["order-7"]


def test_openai_honours_it() -> None:
    stage = Stage({"openai": {"keys": "key-o"}})
    stage.script("openai", whole("Hello."))
    stage.plays(chat(model="openai/gpt"), headers=KEY)
    assert stage.headers[0]["idempotency-key"] == "order-7"
