"""Nothing is lost in silence: what a translation cannot carry is counted, listed, or refused beforehand."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.e2e import stubs
from tests.e2e.calls import HELLO, MODELS
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])
CLAUDE = MODELS["anthropic"]
MEANING: dict[str, Any] = {"logit_bias": {"50256": -100}}
HINT: dict[str, Any] = {"seed": 7}


@STREAMS
async def test_losses_are_counted_and_recorded(visit: Visit, provide: Provide, stream: bool) -> None:
    """5.1: logit_bias to Anthropic is one loss; the exchange names `$.logit_bias`."""
    exchanges: list[Any] = []
    provider = await provide(stubs.anthropic(Said()))
    site = await visit(up(provider.url, "anthropic"), observers=[exchanges.append])
    answer = await site.ask(CLAUDE, stream=stream, **MEANING)
    assert (answer.status, answer.text) == (200, "Hello there!")
    assert answer.headers["x-dragoman-losses"] == "1"
    assert "x-dragoman-report" not in answer.headers
    assert [(loss.path, loss.severity) for loss in exchanges[0].losses] == [("$.logit_bias", "meaning")]


@STREAMS
async def test_losses_are_listed_where_the_client_asks(visit: Visit, provide: Provide, stream: bool) -> None:
    """5.1: `x-dragoman-report: 1` brings the list in a header, in ASCII whatever it names."""
    provider = await provide(stubs.anthropic(Said()))
    site = await visit(up(provider.url, "anthropic"))
    asking = {"x-dragoman-report": "1"}
    answer = await site.ask(CLAUDE, stream=stream, headers=asking, **MEANING, **HINT, größe=1)
    assert answer.headers["x-dragoman-losses"] == "3"
    text = answer.headers["x-dragoman-report"]
    assert text.isascii()
    report = json.loads(text)
    found = {loss["path"]: loss["severity"] for loss in report["losses"]}
    assert found == {"$.logit_bias": "meaning", "$.seed": "hint", "$.größe": "hint"}
    assert all(loss["reason"] for loss in report["losses"])


async def test_a_relay_loses_nothing(visit: Visit, provide: Provide) -> None:
    """5.1: the same request to a provider of the same dialect."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url))
    asking = {"x-dragoman-report": "1", "x-dragoman-strict": "all"}
    answer = await site.ask(headers=asking, **MEANING, **HINT)
    assert (answer.status, answer.headers["x-dragoman-losses"]) == (200, "0")
    report = json.loads(answer.headers["x-dragoman-report"])
    assert (report["losses"], report["changes"]) == ([], [])


@pytest.mark.parametrize("value", ["yes", "2", ""])
async def test_an_unknown_strictness_is_refused_before_anything_is_sent(
    visit: Visit, provide: Provide, value: str
) -> None:
    answer, seen = await strictly(visit, provide, "header", value)
    assert (answer.status, answer.error["param"], seen) == (400, "x-dragoman-strict", [])


async def test_strictness_may_be_said_in_words(visit: Visit, provide: Provide) -> None:
    answer, seen = await strictly(visit, provide, "header", "True", **MEANING)
    assert (answer.status, answer.error["code"], seen) == (400, "untranslatable", [])


async def strictly(visit: Visit, provide: Provide, how: str, value: Any, **fields: Any) -> Any:
    """The answer to a request under strictness that is stated so, and what the provider has seen."""
    provider = await provide(stubs.anthropic(Said()))
    config = up(provider.url, "anthropic")
    model = CLAUDE
    headers: dict[str, str] = {}
    if how == "config":
        config["strict"] = value
    elif how == "header":
        headers["x-dragoman-strict"] = value
    elif how == "alias":
        config["aliases"] = {(model := "strictly"): {"route": CLAUDE, "strict": value}}
    else:
        config["models"] = {(model := "strictly"): {"use": CLAUDE, "strict": value}}
    site = await visit(config)
    return await site.ask(model, headers=headers, **fields), provider.seen


WAYS = pytest.mark.parametrize(
    ("how", "value"), [("header", "1"), ("config", True), ("alias", True), ("model", True)]
)


@WAYS
@STREAMS
async def test_strict_refuses_what_would_lose_meaning(
    visit: Visit, provide: Provide, how: str, value: Any, stream: bool
) -> None:
    """5.2: 400 `untranslatable` that names each path, and nothing upstream."""
    fields = {**MEANING, **HINT, "logprobs": True}
    answer, seen = await strictly(visit, provide, how, value, stream=stream, **fields)
    assert (answer.status, answer.error["code"]) == (400, "untranslatable")
    assert answer.error["type"] == "invalid_request_error"
    assert "$.logit_bias" in answer.error["message"]
    assert "$.logprobs" in answer.error["message"]
    assert "$.seed" not in answer.error["message"]
    assert answer.error["param"] in {"logit_bias", "logprobs"}
    assert seen == []


@WAYS
async def test_strict_lets_hints_pass(visit: Visit, provide: Provide, how: str, value: Any) -> None:
    """5.2: what only hints is counted, not refused."""
    answer, seen = await strictly(visit, provide, how, value, **HINT)
    assert (answer.status, answer.headers["x-dragoman-losses"]) == (200, "1")
    assert len(seen) == 1


@pytest.mark.parametrize("how", ["header", "config", "alias", "model"])
async def test_strictest_refuses_any_loss(visit: Visit, provide: Provide, how: str) -> None:
    """5.2: `all`."""
    answer, seen = await strictly(visit, provide, how, "all", **HINT)
    assert (answer.status, answer.error["code"]) == (400, "untranslatable")
    assert "$.seed" in answer.error["message"]
    assert seen == []


async def test_an_alias_may_be_less_strict_than_the_rest(visit: Visit, provide: Provide) -> None:
    """5.2: the nearest statement counts; a client can ask for more, never for less."""
    provider = await provide(stubs.anthropic(Said()))
    aliases = {"loose": {"route": CLAUDE, "strict": False}}
    site = await visit({**up(provider.url, "anthropic"), "strict": True, "aliases": aliases})
    assert (await site.ask("loose", **MEANING)).status == 200
    assert (await site.ask(CLAUDE, **MEANING)).status == 400
    assert (await site.ask(CLAUDE, headers={"x-dragoman-strict": "0"}, **MEANING)).status == 400
    assert (await site.ask("loose", headers={"x-dragoman-strict": "1"}, **MEANING)).status == 400


@STREAMS
async def test_a_target_that_could_carry_it_stands_in(visit: Visit, provide: Provide, stream: bool) -> None:
    """5.2, 2.32: strictness excludes a target, not the request, while another target loses nothing."""
    claude = await provide(stubs.anthropic(Said()))
    gpt = await provide(stubs.openai_chat(Said("From the second.")))
    config = up(claude.url, "anthropic")
    config["providers"]["gpt"] = {"base_url": gpt.url, "keys": ["k"]}
    config["models"] = {"pool": {"deployments": [CLAUDE, "gpt/gpt-4o"], "strict": True}}
    site = await visit(config)
    answer = await site.ask("pool", stream=stream, **MEANING)
    assert answer.text == "From the second."
    assert answer.headers["x-dragoman-losses"] == "0"
    assert claude.seen == []


@STREAMS
async def test_what_a_protocol_has_no_word_for_is_refused(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """5.1: two answers of a provider that gives one are a 400, never silently one; another target may."""
    claude = await provide(stubs.anthropic(Said()))
    gpt = await provide(stubs.openai_chat(Said("From the second.")))
    config = up(claude.url, "anthropic")
    config["providers"]["gpt"] = {"base_url": gpt.url, "keys": ["k"]}
    config["models"] = {"pool": {"deployments": [CLAUDE, "gpt/gpt-4o"]}}
    site = await visit(config)
    answer = await site.ask(CLAUDE, stream=stream, n=2)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unsupported_value", "n")
    assert (await site.ask("pool", stream=stream, n=2)).text == "From the second."
    assert gpt.last.body["n"] == 2
    assert claude.seen == []


# What a model is known to be unable to do ---------------------------------------------------------

PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
WAV = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
PDF = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def asks(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [*HELLO, {"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}]}


@EVERY
@pytest.mark.parametrize(
    ("lacks", "fields", "param"),
    [
        ("tools", {"tools": TOOLS}, "tools"),
        ("images", asks(PNG), "messages[1].content[1]"),
        ("audio", asks(WAV), "messages[1].content[1]"),
        ("documents", asks(PNG, PDF), "messages[1].content[2]"),
    ],
)
async def test_a_model_that_cannot_is_not_asked(
    visit: Visit, provide: Provide, dialect: str, lacks: str, fields: dict[str, Any], param: str
) -> None:
    """0.22, 0.11: supports.X false is a 400 with the client's own parameter, before any call."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    model = {"use": MODELS[dialect], "supports": {lacks: False}}
    site = await visit({**up(provider.url, dialect), "models": {"m": model}})
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="any") as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="m", **{"messages": HELLO, **fields})
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
    assert provider.seen == []
    assert (await site.ask("m")).status == 200
