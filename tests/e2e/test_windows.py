"""Prompts that are too long for a model: refused, sent to one with more room, or shortened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.exchange import Exchange
from tests.e2e import stubs
from tests.e2e.calls import MODELS, Answered
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.sent import Sent
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])
LONG = "word " * 200
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": LONG},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": "What did I say?"},
]


def small(url: str, dialect: str = "openai_chat", window: int = 100) -> dict[str, Any]:
    """One provider and an alias of its model with a small window."""
    alias = {"route": MODELS[dialect], "context_window": window}
    return {**up(url, dialect), "aliases": {"small": alias}}


class Truncates:
    """Wishes for truncation where a protocol has no word for it."""

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        return msgspec.structs.replace(request, truncation="auto")


@EVERY
@STREAMS
async def test_a_prompt_beyond_the_aliass_window_is_refused_before_any_call(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """2.11: 400 with the code that clients look for, the count and the limit; what fits is answered."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit(small(provider.url, dialect))
    answer = await site.ask("small", messages=TURNS, stream=stream)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert answer.error["param"] == "messages"
    assert answer.error["type"] == "invalid_request_error"
    words = answer.error["message"].removeprefix(
        "This model's maximum context length is 100 tokens. However, "
    )
    tokens = int(words.removeprefix("your messages resulted in ").removeprefix("about ").split()[0])
    assert 200 < tokens < 350
    assert provider.seen == []
    assert (await site.ask("small", stream=stream)).text == "Hello there!"
    assert (await site.ask(MODELS[dialect], messages=TURNS, stream=stream)).status == 200


async def test_the_place_is_in_the_clients_own_words(visit: Visit, provide: Provide) -> None:
    """2.11 for legacy completions: there are no messages."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(small(provider.url))
    body = {"model": "small", "prompt": LONG}
    async with site.session.post(f"{site.base}/v1/completions", json=body) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], error["param"]) == (400, "context_length_exceeded", "prompt")


async def test_a_larger_deployment_answers_what_is_too_long_for_another(
    visit: Visit, provide: Provide
) -> None:
    """The order of the deployments holds among those with room; an alias may narrow them all."""
    provider = await provide(stubs.openai_chat(Said()))
    deployments = [
        {"use": "up/tiny", "context_window": 50},
        {"use": "up/small", "context_window": 100},
        {"use": "up/large"},
        {"use": "up/other"},
    ]
    models = {"any": {"deployments": deployments, "context_window": 4000}}
    aliases = {"narrow": {"route": "any", "context_window": 80}}
    site = await visit({**up(provider.url), "models": models, "aliases": aliases})
    for model, words, wanted in (
        ("any", 5, "up/tiny"),
        ("any", 70, "up/small"),
        ("any", 200, "up/large"),
        ("narrow", 5, "up/tiny"),
        ("narrow", 60, "up/small"),
    ):
        answer = await site.ask(model, messages=[{"role": "user", "content": "word " * words}])
        assert answer.headers["x-dragoman-deployment"] == wanted, (model, words)
        assert "x-dragoman-attempts" not in answer.headers
    refused = await site.ask("narrow", messages=[{"role": "user", "content": "word " * 90}])
    assert "maximum context length is 80 tokens" in refused.error["message"]


async def test_what_the_catalogue_knows_refuses_nothing(visit: Visit, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    config = up(provider.url)
    config["providers"]["openai"] = config["providers"].pop("up") | {"catalog": "openai"}
    site = await visit(config)
    answer = await site.ask("openai/gpt-4", messages=[{"role": "user", "content": "word " * 9000}])
    assert answer.status == 200


@EVERY
@STREAMS
async def test_truncation_sends_fewer_messages(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """4.7: the oldest turns go, instructions and the last question stay, and the client is told."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit(small(provider.url, dialect), hooks=[Truncates()])
    report = {"x-dragoman-report": "1"}
    answer = await site.ask("small", messages=TURNS, stream=stream, headers=report)
    assert answer.text == "Hello there!"
    sent = Sent(dialect, provider.last)
    assert sent.system == ["Be brief."]
    assert LONG.strip() not in provider.last.raw.decode()
    assert "What did I say?" in provider.last.raw.decode()
    told = json.loads(answer.headers["x-dragoman-report"])["losses"]
    left_out = [loss for loss in told if "left out" in loss["reason"]]
    assert [loss["path"] for loss in left_out] == ["$.messages[1]", "$.messages[2]"]
    assert {loss["severity"] for loss in left_out} == {"quality"}


async def test_losses_behind_what_was_left_out_are_told_at_their_own_place(
    visit: Visit, provide: Provide
) -> None:
    provider = await provide(stubs.anthropic(Said()))
    site = await visit(small(provider.url, "anthropic"), hooks=[Truncates()])
    turns = [*TURNS[:3], {"role": "user", "name": "Ann", "content": "What did I say?"}]
    answer = await site.ask("small", messages=turns, headers={"x-dragoman-report": "1"})
    paths = {loss["path"] for loss in json.loads(answer.headers["x-dragoman-report"])["losses"]}
    assert "$.messages[3].name" in paths
    assert not any(path.startswith("$.messages[1].") for path in paths)


async def test_a_question_that_is_too_long_itself_is_refused(visit: Visit, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(small(provider.url), hooks=[Truncates()])
    answer = await site.ask("small", messages=[{"role": "user", "content": LONG}])
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert provider.seen == []


INPUT: Sequence[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": LONG},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": LONG},
    {"role": "user", "content": "What did I say?"},
]


@STREAMS
async def test_responses_are_truncated_where_their_client_says_so(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """4.7: auto is answered from what is left; disabled, and nothing said, is a 400 at `input`."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(small(provider.url))

    async def respond(**members: Any) -> Answered:
        body = {"model": "small", "input": INPUT, "stream": stream, **members}
        headers = {"x-dragoman-report": "1"}
        async with site.session.post(f"{site.base}/v1/responses", json=body, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())

    for stated in ({}, {"truncation": "disabled"}):
        refused = await respond(**stated)
        assert (refused.status, refused.body["error"]["code"]) == (400, "context_length_exceeded")
        assert refused.body["error"]["param"] == "input"
    assert provider.seen == []
    answer = await respond(truncation="auto")
    assert answer.status == 200
    sent = [message["content"] for message in provider.last.body["messages"]]
    assert sent == ["Be brief.", "What did I say?"]
    told = json.loads(answer.headers["x-dragoman-report"])["losses"]
    left_out = [loss for loss in told if "left out" in loss["reason"]]
    assert [loss["path"] for loss in left_out] == ["$.input[1]", "$.input[2]", "$.input[3]"]
    assert {loss["severity"] for loss in left_out} == {"quality"}


async def test_what_a_response_continues_is_truncated_too(visit: Visit, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(small(provider.url))
    body: dict[str, Any] = {"model": "small", "truncation": "auto"}
    previous = None
    for turn in range(4):
        text = f"Turn {turn}: " + "word " * 50
        asked = {**body, "input": text, "previous_response_id": previous}
        async with site.session.post(f"{site.base}/v1/responses", json=asked) as response:
            assert response.status == 200
            previous = (await response.json())["id"]
        sent = [message["content"] for message in provider.last.body["messages"]]
        assert sent[-1] == text
        assert len(sent) == 1


async def test_an_alias_shows_its_window(visit: Visit, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(small(provider.url, window=1234))
    assert (await site.get("/v1/models/small")).body["context_window"] == 1234
