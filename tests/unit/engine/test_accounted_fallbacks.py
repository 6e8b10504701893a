"""What is accounted for an exchange that turns to fallbacks, as transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.limits import Limit
from dragoman.state.counters import Resource
from tests.unit.engine.accounts import Accounts, limit
from tests.unit.engine.stage import ONE, chat, refusal, stream, streamed, whole

BOTH = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
USED = ir.Usage(input=3, output=2)
FALLBACK = {
    "models": {
        "m": {"deployments": ["one/gpt"], "fallbacks": ["dear"]},
        "dear": {"deployments": ["two/gpt"]},
    }
}


def test_a_dearer_fallback_reserves_more_money() -> None:
    accounts = Accounts(BOTH, limits=[limit("money", 10**9)], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m", max_tokens=100))
    costs = [one.cost for one in accounts.book.opens]
    assert costs[0] is not None
    assert costs == [costs[0], 2 * costs[0]]
    assert list(accounts.standing.values()) == [(46_000, 0)]


def test_a_dearer_fallback_that_cannot_be_noted_is_not_called() -> None:
    accounts = Accounts(BOTH, limits=[limit("money", 10**9)], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    noting = accounts.book.opened

    def opened(record: Any) -> None:
        noting(record)
        accounts.book.failing = True

    accounts.book.opened = opened  # type: ignore[method-assign]
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert not [line for line in lines if line.startswith("ask two")]
    assert lines[-2].startswith("answer 503 accounting_unavailable")
    assert accounts.stage.exchange.dropped == ()
    assert list(accounts.standing.values()) == [(0, 0)]


def test_a_fallback_that_the_budget_does_not_cover_is_not_called() -> None:
    accounts = Accounts(BOTH, limits=[limit("money", 1_500_000)], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert not [line for line in lines if line.startswith("ask two")]
    assert accounts.book.record.status == 429
    assert list(accounts.standing.values()) == [(0, 0)]


@pytest.mark.parametrize("resource", ["requests", "tokens", "money"])
def test_a_fallback_counts_for_the_limits_of_its_own_model(resource: Resource) -> None:
    """And is not called if they are reached, so that a model that fails is no way around them."""
    most = {"requests": 1, "tokens": 150, "money": 3_000_000}[resource]
    of_dear = limit(resource, most, subject="model", only=frozenset({"dear"}))
    accounts = Accounts(BOTH, limits=[of_dear], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("two", whole("Hello", usage=ir.Usage(input=3, output=100)))
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert lines[-1] == "= done"
    ((used, reserved),) = accounts.standing.values()
    assert (used, reserved) == ({"requests": 1, "tokens": 103, "money": 2_006_000}[resource], 0)
    accounts.stage.script("one", *[refusal(500)] * 5)
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert not [line for line in lines if line.startswith("ask two")]
    assert list(accounts.standing.values()) == [(used, 0)]


@pytest.mark.parametrize("resource", ["requests", "tokens", "money"])
def test_so_does_a_fallback_for_what_the_model_cannot_do(resource: Resource) -> None:
    """Before anything was asked: the prompt is too long for the model."""
    most = {"requests": 1, "tokens": 300, "money": 3_000_000}[resource]
    of_dear = limit(resource, most, subject="model", only=frozenset({"dear"}))
    small = {"deployments": [{"use": "one/gpt", "context_window": 5}], "fallbacks": {"context": ["dear"]}}
    settings = {"models": {**FALLBACK["models"], "m": small}}
    accounts = Accounts(BOTH, [of_dear, limit("requests", 9)], settings=settings)
    for _ in range(2):
        accounts.stage.script("two", whole("Hello", usage=ir.Usage(input=100, output=100)))
        accounts.stage.plays(chat("word " * 100, model="m", max_tokens=100))
    used = {"requests": 1, "tokens": 200, "money": 2_200_000}[resource]
    assert sorted(accounts.standing.values()) == [(1, 0), (used, 0)]
    assert [record.status for record in accounts.book.closes] == [200, 429]


def test_a_limit_of_the_requested_model_alone_does_not_count_its_fallback() -> None:
    of_m = limit("requests", 1, subject="model", only=frozenset({"m"}))
    accounts = Accounts(BOTH, limits=[of_m], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m"))
    ((counter, amounts),) = accounts.standing.items()
    assert (counter.split("|")[4], amounts) == ("m", (1, 0))


def test_a_limit_for_several_models_counts_a_request_once() -> None:
    both = limit("requests", 9, models=frozenset({"m", "dear"}))
    accounts = Accounts(BOTH, limits=[both], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m"))
    assert list(accounts.standing.values()) == [(1, 0)]


@pytest.mark.parametrize("more", [{"hard": False}, {"warn_at": 0.5}], ids=["soft", "warn_at"])
def test_a_limit_of_a_fallback_warns_when_a_request_turns_there(more: dict[str, Any]) -> None:
    of_dear = limit("requests", 1, subject="model", only=frozenset({"dear"}), **more)
    accounts = Accounts(BOTH, limits=[of_dear, limit("requests", 9)], settings=FALLBACK)
    told: list[str] = []
    accounts.accounting.watch.tell = lambda event: told.append(event.whose)
    for _ in range(2 if "hard" in more else 1):
        accounts.stage.script("one", *[refusal(500)] * 5)
        accounts.stage.script("two", whole("Hello", usage=USED))
        accounts.stage.plays(chat(model="m"))
    assert "l of model dear (1 request per day) is" in accounts.stage.client.headers["x-dragoman-warning"]
    assert told == ["model dear"]


SECOND = {
    "models": {
        "m": {"deployments": ["one/gpt"], "fallbacks": ["dear", "last"]},
        "dear": {"deployments": ["two/gpt"]},
        "last": {"deployments": ["three/gpt"]},
    }
}
THREE = {**BOTH, "three": {**ONE, "base_url": "https://three.example/v1"}}


@pytest.mark.parametrize("resource", ["requests", "tokens", "concurrency"])
def test_a_fallback_that_was_not_called_is_charged_nothing(resource: Resource) -> None:
    """A limit of its provider refuses it after its model's limits have let the request in."""
    of_dear = limit(
        resource, 900, None if resource == "concurrency" else "day", subject="model", only=frozenset({"dear"})
    )
    full = Limit("full", "requests", 0, "day", "provider", only=frozenset({"two"}))
    accounts = Accounts(THREE, limits=[of_dear, full], settings=SECOND)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("three", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert [line.split(":")[0] for line in lines if line.startswith("ask")][-1] == "ask three with key-1"
    assert lines[-1] == "= done"
    assert all(amounts == (0, 0) for amounts in accounts.standing.values())
    assert not [counter for counter, amount in accounts.book.record.settled if "dear" in counter and amount]


def test_a_fallback_that_was_not_called_holds_nothing_while_another_one_answers() -> None:
    """Its limits do not end the other one's stream."""
    of_dear = limit("tokens", 400, subject="model", only=frozenset({"dear"}))
    full = Limit("full", "requests", 0, "day", "provider", only=frozenset({"two"}))
    accounts = Accounts(THREE, limits=[of_dear, full], settings=SECOND)
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("three", stream(*streamed(*["word " * 400] * 4)))
    lines = accounts.stage.plays(chat(model="m", max_tokens=100, stream=True))
    assert lines[-1] == "= done"


def test_so_is_the_fallback_of_a_model_that_cannot_do_it() -> None:
    of_dear = limit("requests", 9, subject="model", only=frozenset({"dear"}))
    full = Limit("full", "requests", 0, "day", "provider", only=frozenset({"two"}))
    small = {
        "deployments": [{"use": "one/gpt", "context_window": 5}],
        "fallbacks": {"context": ["dear", "last"]},
    }
    accounts = Accounts(THREE, [of_dear, full], settings={"models": {**SECOND["models"], "m": small}})
    accounts.stage.script("three", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat("word " * 100, model="m", max_tokens=100))
    assert lines[-1] == "= done"
    assert all(amounts == (0, 0) for amounts in accounts.standing.values())


def test_the_tokens_of_such_a_fallback_are_reserved() -> None:
    of_dear = limit("tokens", 150, subject="model", only=frozenset({"dear"}))
    small = {"deployments": [{"use": "one/gpt", "context_window": 5}], "fallbacks": {"context": ["dear"]}}
    settings = {"models": {**FALLBACK["models"], "m": small}}
    accounts = Accounts(BOTH, [of_dear, limit("tokens", 9_000)], settings=settings)
    accounts.stage.plays(chat("word " * 100, model="m", max_tokens=100))
    assert accounts.book.record.status == 429


def test_a_fallback_with_limits_reserves_what_the_request_may_use() -> None:
    most = limit("tokens", 50, subject="provider", only=frozenset({"two"}))
    accounts = Accounts(BOTH, limits=[most], settings=FALLBACK)
    accounts.stage.script("one", *[refusal(500)] * 5)
    lines = accounts.stage.plays(chat(model="m", max_tokens=100))
    assert not [line for line in lines if line.startswith("ask two")]
