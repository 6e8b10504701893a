"""How many tokens a request may use, before it is sent."""

from __future__ import annotations

import json
from math import inf
from typing import Any, cast

import pytest

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.dialects.request import WireRequest
from dragoman.engine.expected import _beyond_bytes
from dragoman.providers.rates import Level, Period, Rates, completed
from tests.unit.engine.accounts import PRICES, Accounts, rates_of
from tests.unit.engine.stage import chat, json_reply, refusal, whole


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


def test_a_prompt_is_counted_only_near_a_limit() -> None:
    body = chat("Hello there, how are you?", max_tokens=10)
    assert opened(FAR, body)["input"] == -(-len(body) // 2)
    assert 2000 < opened(NEAR, chat("word " * 2000, max_tokens=10))["input"] < 2020


def test_a_prompt_is_counted_if_others_have_used_what_this_process_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryLedger, "bind", lambda *_: None)
    monkeypatch.setattr(MemoryLedger, "far", lambda *_: True)
    accounts = Accounts(limits=[Limit("l", "tokens", 1_000, "day", "key")])
    accounts.stage.script("one", whole("Hello"), whole("Hello"))
    body = chat("Hello there, how are you?", max_tokens=10)
    accounts.stage.plays(body)
    (counter,) = accounts.standing
    accounts.ledger._counts[counter].used = 970
    accounts.stage.plays(body)
    rough, counted = (dict(one.units)["input"] for one in accounts.book.opens)
    assert counted < 20
    assert rough > 30


def test_a_prompt_that_an_alias_adds_to_is_counted() -> None:
    alias = {"route": "m", "system_prompt": "word " * 100}
    settings = {"models": {"m": {"deployments": ["one/gpt"]}}, "aliases": {"a": alias}}
    plain = opened(FAR, chat(model="m"), settings=settings)["input"]
    assert opened(FAR, chat(model="a"), settings=settings)["input"] > plain


PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
FILE = {"type": "file", "file": {"file_id": "file-1"}}


def parts(*said: Any) -> bytes:
    return json.dumps(
        {"model": "one/gpt", "max_tokens": 10, "messages": [{"role": "user", "content": list(said)}]}
    ).encode()


def test_pictures_that_are_only_named_are_reserved_far_from_a_limit_and_near_it() -> None:
    """A hundred addresses are 7 kB, and far more tokens."""
    body = parts({"type": "text", "text": "Which of them?"}, *[PICTURE] * 100)
    assert opened(FAR, body)["input"] == -(-len(body) // 2) + 160_000
    near = [Limit("l", "tokens", 200_000, "day", "key")]
    assert 160_000 < opened(near, body)["input"] < 160_100
    small = parts(*[{**PICTURE, "image_url": {"url": "https://a.example/b.png", "detail": "low"}}] * 100)
    assert 8_500 < opened(near, small)["input"] < 8_600


def test_files_are_counted_as_at_least_a_page_however_far_a_limit_is() -> None:
    assert 15_000 < opened(FAR, parts(*[FILE] * 10))["input"] < 15_100


RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "Hi"}, PICTURE]}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": None}]}, 0),
        ({"messages": [{"role": "user", "content": [RESULT, PICTURE]}]}, 3200),
        ({"messages": [{"role": "user", "content": [FILE]}]}, inf),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, inf),
        ({"messages": [{"role": "user", "content": "Hi", "images": ["YQ=="]}]}, inf),
        ({"prompt": "Hi", "images": ["YQ=="]}, inf),
        ({"messages": [{"role": "user", "content": [[]]}]}, inf),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, inf),
        ({"input": "Hi"}, 0),
        ({"input": [{"type": "message", "role": "user", "content": [{"type": "input_image"}]}]}, 1600),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_file"}]}]}, inf),
        ({"input": [{"type": "function_call_output", "output": "Hi"}, {"type": "reasoning"}]}, 0),
        ({"contents": [{"parts": [{"text": "Hi", "thoughtSignature": "x"}]}]}, 0),
        ({"contents": [{"role": "user", "parts": [{"fileData": {"fileUri": "gs://a"}}]}]}, inf),
    ],
)
def test_what_a_prompt_has_beside_its_bytes(body: dict[str, Any], tokens: float) -> None:
    assert _beyond_bytes(cast("Any", Asked(body))) == tokens


def test_no_nesting_is_too_deep() -> None:
    said: Any = []
    for _ in range(10_000):
        said = [{"type": "tool_result", "content": said}]
    assert _beyond_bytes(cast("Any", Asked({"messages": said}))) == inf


def image(**members: Any) -> bytes:
    return json.dumps({"model": "one/gpt", "prompt": "A cat", **members}).encode()


def reserved(body: bytes, operation: str, rates: Rates, *limits: Limit) -> list[int]:
    """What is reserved of each limit for a request that its provider answers with an error."""
    accounts = Accounts(limits=limits, prices={"one/gpt": rates})
    accounts.stage.script("one", *[refusal(400)])
    accounts.stage.plays(body, operation=operation)
    opened = accounts.book.opens
    return [amount for _, amount in opened[0].settled] if opened else []


def rates(**prices: int) -> Rates:
    """Prices in nano-USD, as `Rates` states them."""
    return Rates((Period((Level(-1, completed(prices)),)),), "a test")


MONEY = Limit("m", "money", 10**12, "day", "key")
TOKENS = Limit("t", "tokens", 10**9, "day", "key")
USD = 10**9


@pytest.mark.parametrize(
    ("body", "operation", "prices", "nano"),
    [
        (image(n=3), "image", {"images": 40 * USD}, 3 * USD // 25),
        (image(n=3, quality="hd"), "image", {"images": 40 * USD, "images/hd": 80 * USD}, 6 * USD // 25),
        (image(n=2), "image", {"output_image": 40 * USD}, 2 * 6240 * 40_000),
        (
            b'{"model": "one/gpt", "input": "Hello", "voice": "alloy"}',
            "speech",
            {"characters": 15 * USD},
            75_000,
        ),
        (
            b'{"model": "one/gpt", "query": "q", "documents": ["a", "b"]}',
            "rerank",
            {"search_units": 2 * USD},
            2_000_000,
        ),
    ],
)
def test_money_is_reserved_for_what_is_no_token(
    body: bytes, operation: str, prices: dict[str, int], nano: int
) -> None:
    assert reserved(body, operation, rates(**prices), MONEY) == [nano]


@pytest.mark.parametrize(
    ("members", "body", "pictures"),
    [
        ({}, {}, 1),
        ({"n": 3}, {}, 3),
        ({"g": {"generationConfig": {"candidateCount": 8}}}, {}, 8),
        ({"gemini": {"generationConfig": {"candidateCount": 8}}, "n": 2}, {}, 16),
        ({"gemini": {"generation_config": {"candidate_count": 5}}}, {}, 5),
        ({"gemini": {"generationConfig": {"candidateCount": "many"}, "n": None}}, {}, 1),
        ({"gemini": {"generationConfig": {"candidateCount": 10**20}}}, {}, 10_000),
        ({"n": 2}, {"generationConfig": {"candidateCount": 3}}, 6),
        ({}, {"n": 4}, 4),
        ({"user": "u", "n": 2}, {"n": 1}, 2),
    ],
)
@pytest.mark.parametrize("model", ["g/pictures", "drawn"])
def test_pictures_are_reserved_that_only_one_provider_is_asked_for(
    model: str, members: dict[str, Any], body: dict[str, Any], pictures: int
) -> None:
    google = {"dialect": "gemini", "base_url": "https://g.example/v1beta", "keys": "key-g", "body": body}
    accounts = Accounts(
        {"g": google},
        [MONEY],
        prices={"g/pictures": rates(images=40 * USD)},
        settings={"models": {"drawn": {"use": "g/pictures"}}},
    )
    accounts.stage.script("g", *[refusal(400, dialect="gemini")] * 20)
    asked = json.dumps({"model": model, "prompt": "A cat", **members}).encode()
    accounts.stage.plays(asked, operation="image")
    assert [amount for _, amount in accounts.book.opens[0].settled] == [pictures * USD // 25]


def test_a_quality_that_the_configuration_adds_is_reserved() -> None:
    google = {"dialect": "gemini", "base_url": "https://g.example/v1beta", "keys": "key-g"}
    prices = {"g/pictures": rates(images=40 * USD, **{"images/hd/512x512": 80 * USD})}
    accounts = Accounts(
        {"g": {**google, "body": {"quality": "hd", "size": "512x512"}}}, [MONEY], prices=prices
    )
    accounts.stage.script("g", refusal(400, dialect="gemini"))
    accounts.stage.plays(b'{"model": "g/pictures", "prompt": "A cat"}', operation="image")
    assert [amount for _, amount in accounts.book.opens[0].settled] == [2 * USD // 25]


def test_of_a_picture_tokens_are_reserved_only_if_they_are_billed() -> None:
    text = -(-len(image(n=2)) // 2)
    assert reserved(image(n=2), "image", rates(output_image=40 * USD), TOKENS) == [text + 2 * 6240]
    assert reserved(image(n=2), "image", rates(images=40 * USD), TOKENS) == [text]


def test_a_budget_for_25_pictures_lets_25_pass() -> None:
    accounts = Accounts(
        limits=[Limit("m", "money", USD, "day", "global")], prices={"one/gpt": rates(images=40 * USD)}
    )
    picture = json_reply({"created": 1, "data": [{"b64_json": "eA=="}]})
    statuses = []
    for _ in range(27):
        accounts.stage.script("one", picture)
        accounts.stage.plays(image(), operation="image")
        statuses.append(accounts.book.closes[-1].status)
    assert statuses == [200] * 25 + [429] * 2


def test_sound_in_a_prompt_has_a_price_of_its_own() -> None:
    dear = rates(input=USD, input_audio=40 * USD, output=USD)
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    (plain,) = reserved(parts({"type": "text", "text": "Hi"}), "chat", dear, MONEY)
    (heard,) = reserved(parts(sound), "chat", dear, MONEY)
    assert heard > 40 * 1000
    assert plain < 100 * 1000


@pytest.mark.parametrize("kind", [[], {"x": 1}])
def test_a_type_that_is_no_word_is_no_error_of_ours(kind: Any) -> None:
    body = {"model": "one/gpt", "messages": [{"role": "user", "content": "hi", "type": kind}]}
    assert opened(FAR, json.dumps(body).encode())["input"] > 0


@pytest.mark.parametrize(
    ("model", "answer"),
    [("gpt", "200"), ("dear", "429 insufficient_quota"), ("strange", "403 unknown_price")],
)
def test_models_that_the_provider_may_ask_are_reserved_at_their_prices(model: str, answer: str) -> None:
    limit = Limit("l", "money", 10**6, "day", "key", unknown_price="refuse")
    accounts = Accounts(limits=[limit], prices={**PRICES, "one/dear": rates_of(100, 1000)})
    accounts.stage.script("one", whole("Hello"))
    lines = accounts.stage.plays(chat(max_tokens=10, plugins=[{"id": "fusion", "model": model}]))
    assert lines[-2].startswith(f"answer {answer}")
