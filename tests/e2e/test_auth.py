"""Who may call, and where credentials go: nowhere but to their own provider."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.provider import Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS, Answered, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])
ECHO = {"aliases": {"m": "simulate/echo", "other": "simulate/echo"}}


def guarded(*keys: Any) -> dict[str, Any]:
    """A configuration with these client keys."""
    return {**ECHO, "auth": {"keys": list(keys)}}


# Keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["dummy-key", "sk-proj-0123456789", "x"])
async def test_without_keys_any_key_is_as_good_as_none(visit: Visit, key: str) -> None:
    """1.23, 3.16: nothing configured, on loopback: clients that insist on a key may make one up."""
    site = await visit(ECHO)
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key=key) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hi"
    assert (await site.ask("m")).status == 200


@STREAMS
async def test_with_keys_others_are_refused(visit: Visit, stream: bool) -> None:
    """3.16: the same call is 401 then, before anything of the request is looked at."""
    site = await visit(guarded("right-key"))
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="dummy-key", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], stream=stream
            )
    assert caught.value.code == "invalid_api_key"
    assert caught.value.response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer right-key"},
        {"authorization": "bearer right-key"},
        {"Authorization": "Bearer  right-key "},
        {"x-api-key": "right-key"},
        {"X-API-Key": "right-key"},
        {"api-key": "right-key"},
    ],
    ids=str,
)
async def test_every_way_a_key_travels(visit: Visit, headers: dict[str, str]) -> None:
    """2.21: as OpenAI's clients send it, as Anthropic's, and as Azure's."""
    site = await visit(guarded("wrong-key", "right-key"))
    assert (await site.ask("m", headers=headers)).status == 200
    assert (await site.get("/v1/models", **headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "right-key"},
        {"authorization": "Basic right-key"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer right-keyx"},
        {"authorization": "Bearer right-ke"},
        {"authorization": "Bearer RIGHT-KEY"},
        {"authorization": "Bearer wrong", "x-api-key": "right-key"},
        {"x-api-key": ""},
        {"cookie": "key=right-key"},
    ],
    ids=str,
)
async def test_anything_else_is_no_key(visit: Visit, headers: dict[str, str]) -> None:
    """3.16: on every path but health, so that an outsider learns neither models nor paths nor limits."""
    site = await visit({**guarded("right-key"), "server": {"max_body": "1kB"}})
    for path in ("/v1/models", "/v1/models/m", "/nope", CHAT, f"{CHAT}?key=right-key"):
        answer = await site.get(path, **headers)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key"), path
    for body in (b"{", b"x" * 5000):
        async with site.session.post(site.base + CHAT, data=body, headers=headers) as response:
            assert response.status == 401
    for path in ("/health/live", "/health/ready"):
        assert (await site.get(path, **headers)).status == 200


async def test_health_tells_details_only_to_whom_it_may(visit: Visit, provide: Provide) -> None:
    """3.14: status and counts to anybody, providers by name to those with a key."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit({**up(provider.url), "auth": {"keys": ["right-key"]}})
    anybody = (await site.get("/health")).body
    assert anybody["status"] == "healthy"
    assert "up" not in json.dumps(anybody["providers"])
    known = (await site.get("/health", authorization="Bearer right-key")).body
    assert set(known["providers"]) >= {"up"}


# Grants -------------------------------------------------------------------------------------------


@STREAMS
async def test_a_key_may_be_granted_some_models_only(visit: Visit, stream: bool) -> None:
    """2.4: other names are refused, not listed and not found."""
    site = await visit(guarded("all-key", {"key": "some-key", "name": "ann", "models": ["m"]}))
    some, every = ({"authorization": f"Bearer {key}"} for key in ("some-key", "all-key"))
    assert (await site.ask("m", stream=stream, headers=some)).status == 200
    refused = await site.ask("other", stream=stream, headers=some)
    assert (refused.status, refused.error["code"]) == (403, "model_not_granted")
    assert (await site.ask("other", stream=stream, headers=every)).status == 200
    assert (await site.ask("simulate/echo", stream=stream, headers=some)).status == 403
    listed = [model["id"] for model in (await site.get("/v1/models", **some)).body["data"]]
    assert listed == ["m"]
    assert (await site.get("/v1/models/m", **some)).status == 200
    hidden = await site.get("/v1/models/other", **some)
    assert (hidden.status, hidden.error["code"]) == (404, "model_not_found")


async def test_the_record_names_the_keys_owner(visit: Visit) -> None:
    exchanges: list[Any] = []
    config = guarded("first-key", {"key": "second-key", "name": "ann"})
    site = await visit(config, observers=[exchanges.append])
    for key in ("first-key", "second-key", "wrong"):
        await site.ask("m", headers={"authorization": f"Bearer {key}"})
    unnamed, *others = [exchange.client for exchange in exchanges]
    assert re.fullmatch("key [0-9a-f]{8}", unnamed)
    assert others == ["ann", None]


# Hosts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("app.localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("evil.example", 403),
        ("evil.example:8080", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
async def test_an_open_gateway_answers_to_this_machines_names_only(
    visit: Visit, host: str, status: int
) -> None:
    """3.16: a web page whose name resolves to 127.0.0.1 must not use what is open here."""
    open_ = await visit(ECHO)
    answer = await open_.ask("m", headers={"host": host})
    assert answer.status == status
    if status == 403:
        assert answer.error["code"] == "foreign_host"
        assert "auth.keys" in answer.error["message"]
    guarded_ = await visit(guarded("right-key"))
    told = {"host": host, "authorization": "Bearer right-key"}
    assert (await guarded_.ask("m", headers=told)).status == 200


async def test_a_gateway_that_is_opened_on_purpose_answers_to_any_name(visit: Visit) -> None:
    """`auth.open` is for a gateway behind something else, which is reached by a name of its own."""
    site = await visit({**ECHO, "auth": {"open": True}})
    assert (await site.ask("m", headers={"host": "ai.example"})).status == 200


async def test_keys_come_from_the_environment(stack: AsyncExitStack) -> None:
    """3.16: DRAGOMAN_API_KEY, several separated by commas."""
    gateway = Gateway(load(None, {"DRAGOMAN_API_KEY": "one-key,two-key"}))
    base = await stack.enter_async_context(serving(gateway))
    site = Site(base, await stack.enter_async_context(aiohttp.ClientSession()))
    for key, status in (("one-key", 200), ("two-key", 200), ("one-key,two-key", 401), ("", 401)):
        answer = await site.ask("simulate/echo", headers={"authorization": f"Bearer {key}"})
        assert answer.status == status


# Where credentials go -----------------------------------------------------------------------------

CLIENT_KEY = "client-canary-key"
CANARIES = {
    "client": CLIENT_KEY,
    "key": "sk-canary-4f9d8c7b6a5e",
    "plain key": "correct-horse-battery",
    "header": "header-canary-value",
}


@EVERY
@STREAMS
async def test_the_clients_key_never_reaches_the_provider(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """0.2, 2.21: whichever header it came in, nor its absence another one."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit({**up(provider.url, dialect), "auth": {"keys": [CLIENT_KEY]}})
    ways = ({"authorization": f"Bearer {CLIENT_KEY}"}, {"x-api-key": CLIENT_KEY}, {"api-key": CLIENT_KEY})
    for headers in ways:
        assert (await site.ask(MODELS[dialect], stream=stream, headers=headers)).status == 200
    keyless = await visit({**up(provider.url, dialect, keys=[]), "auth": {"keys": [CLIENT_KEY]}})
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    assert (await keyless.ask(MODELS[dialect], stream=stream, headers=headers)).status == 200
    assert len(provider.seen) == len(ways) + 1
    for seen in provider.seen:
        assert CLIENT_KEY not in json.dumps(dict(seen.headers))
        assert CLIENT_KEY not in seen.raw.decode()
    assert not {"authorization", "x-api-key"} & set(provider.last.headers)


@pytest.mark.parametrize("name", ["key", "plain key"])
@EVERY
@STREAMS
async def test_no_credential_is_told_to_anybody(
    visit: Visit,
    provide: Provide,
    dialect: str,
    stream: bool,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """3.14, 2.22: a provider that repeats its key in any error, whole or in the stream, is not quoted; no
    log, no record, no list and no header holds a key.
    """
    key = CANARIES[name]
    message = f"Wrong key {key} for Bearer {key} ({CANARIES['header']})."
    errors = [
        stubs.refusal(dialect, status, "api_error", message) for status in (400, 401, 403, 404, 429, 500)
    ]
    fault = {"type": "error", "error": {"type": "api_error", "message": message}}
    opening = stubs.frames(dialect, "word")[: stubs.OPENING[dialect] + 1]
    provider = await provide(
        *errors,
        Whole(f"<html>{message}</html>", 502, {"content-type": "text/html"}),
        Whole(message),
        Whole(fault),
        stubs.streamed(dialect, [fault]),
        stubs.streamed(dialect, [*opening, fault]),
        stubs.DIALECTS[dialect](Said()),
    )
    logs = [io.BytesIO(), io.BytesIO()]
    observers = [
        AccessLog(Lines(log, people=people)) for log, people in zip(logs, (True, False), strict=True)
    ]
    exchanges: list[Any] = []
    config = up(provider.url, dialect, keys=[key], headers={"x-extra": CANARIES["header"]})
    site = await visit({**config, "auth": {"keys": [CLIENT_KEY]}}, observers=[*observers, exchanges.append])
    mine = {"authorization": f"Bearer {CLIENT_KEY}", "x-dragoman-report": "1"}
    answers: list[Answered] = [
        await site.ask(MODELS[dialect], stream=stream, headers=mine) for _ in range(len(provider.answers))
    ]
    assert answers[-1].status == 200
    assert provider.last.headers["x-extra"] == CANARIES["header"]
    answers += [
        await site.ask(MODELS[dialect], headers=mine, temperature=9),
        await site.ask("nope", headers=mine),
        await site.ask(MODELS[dialect], headers={"authorization": f"Bearer {CLIENT_KEY}x"}),
        await site.get("/v1/models", **mine),
        await site.get("/health", **mine),
    ]
    told = [answer.raw.decode() + str(dict(answer.headers)) for answer in answers]
    told += [log.getvalue().decode() for log in logs]
    told += [caplog.text, *(str(attempt.fault) for exchange in exchanges for attempt in exchange.attempts)]
    assert len(exchanges) == len(answers)
    assert_silent(told)


def assert_silent(told: list[str], canaries: Mapping[str, str] = CANARIES) -> None:
    for text in told:
        for name, canary in canaries.items():
            assert canary not in text, f"the {name} is told: {text}"


async def test_a_server_that_fails_tells_no_credential(tmp_path: Path, provide: Provide) -> None:
    """2.22: everything that the process writes, at its most talkative, over a start, failures and a stop."""
    provider = await provide(stubs.refusal("openai_chat", 500, "api_error", CANARIES["key"]))
    config = up(provider.url, keys=["${PROVIDER_KEY}"], headers={"x-extra": CANARIES["header"]})
    (tmp_path / "dragoman.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "dragoman", "-v", "serve", "--port", "0"]
    environment = {
        **os.environ,
        "DRAGOMAN_HOME": str(tmp_path),
        "DRAGOMAN_API_KEY": CLIENT_KEY,
        "PROVIDER_KEY": CANARIES["key"],
    }
    serving = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
    )
    assert serving.stderr is not None
    first = await serving.stderr.readline()
    base = f"http://127.0.0.1:{json.loads(first)['port']}"
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {CLIENT_KEY}"}) as session:
        for body in ({"model": "up/gpt-4o", "messages": HELLO}, {"model": "up/gpt-4o"}, {"messages": HELLO}):
            async with session.post(base + CHAT, json=body) as response:
                assert response.status >= 400
    serving.send_signal(signal.SIGTERM)
    out, err = await serving.communicate()
    assert [seen.path for seen in provider.seen if seen.method == "POST"] == [CHAT]
    assert b'"exchange"' in err
    assert_silent([(first + out + err).decode()])
