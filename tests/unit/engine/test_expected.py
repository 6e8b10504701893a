"""How many tokens a request may use, before it is sent."""

from __future__ import annotations

import json
from math import inf
from typing import Any, cast

import pytest

from dragoman.accounts.limits import Limit
from dragoman.dialects.facts import Facts
from dragoman.dialects.request import WireRequest
from dragoman.engine.expected import USUAL_OUTPUT, _beyond_bytes, output_bound
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
