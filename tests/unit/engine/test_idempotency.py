"""To whom a client's Idempotency-Key goes."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.accounts.caller import ANYONE, EVERYBODY, Caller
from dragoman.engine.idempotency import key_of
from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import CLAUDE, ONE, Stage, chat, refusal, whole

HONOURS = {"quirks": {"idempotency_keys": True}}
KEY = {"idempotency-key": "order-7"}
SENT = key_of(Caller("team"), "order-7")
"""The key that a provider gets from the client of a stage."""


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
    assert told == [None, SENT]


def test_all_attempts_at_a_deployment_have_the_same() -> None:
    twice = {"one": {**ONE, **HONOURS, "keys": ["key-1", "key-2"]}}
    told = keys(twice, ["one/a"], one=[refusal(503), refusal(503), whole("Hello.")])
    assert told == [SENT] * 3


def test_another_model_of_the_same_provider_is_another_request() -> None:
    two = {"one": {**ONE, **HONOURS}, "two": {**ONE, **HONOURS}}
    deployments = ["one/a", "one/b", "two/a"]
    told = keys(two, deployments, one=[refusal(503), refusal(503)], two=[whole("Hello.")])
    assert told == [SENT, None, SENT]


def test_a_translated_request_carries_it_too() -> None:
    claude = {"claude": {**CLAUDE, **HONOURS}}
    assert keys(claude, ["claude/opus"], claude=[whole("Hello.", dialect="anthropic")]) == [SENT]


def test_openai_honours_it() -> None:
    stage = Stage({"openai": {"keys": "key-o"}})
    stage.script("openai", whole("Hello."))
    stage.plays(chat(model="openai/gpt"), headers=KEY)
    assert stage.headers[0]["idempotency-key"] == SENT


@pytest.mark.parametrize("caller", [None, ANYONE, EVERYBODY])
def test_without_client_keys_it_goes_out_as_it_is(caller: Caller | None) -> None:
    assert key_of(caller, "order-7") == "order-7"


def test_two_clients_with_the_same_key_are_strangers() -> None:
    """Both use the gateway's account at the provider, which would give one the answer of the other."""
    one, other = (key_of(Caller(name), "order-7") for name in ("alice", "bob"))
    assert len({one, other, "order-7"}) == 3
    assert key_of(Caller("alice", tenant="acme", key="key_1"), "order-7") == one
    assert key_of(Caller("a"), "b\nc") != key_of(Caller("a\nb"), "c")
