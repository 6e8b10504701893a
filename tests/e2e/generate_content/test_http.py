"""Gemini's paths over plain HTTP: framings, names, keys, errors (rows 2.12, 2.20, 2.21)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.calls import HELLO, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.generate_content.conftest import Gate, Opened
from tests.e2e.responses.speaking import DIALECTS, MODELS, speaking
from tests.e2e.stubs import Said

BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hello there!"}]}]}
KEY = "client-key-0123456789"


async def post(site: Site, path: str, body: Any = BODY, headers: Any = None) -> tuple[int, Any, bytes]:
    """Status, headers and body of an answer."""
    async with site.session.post(site.base + path, json=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


def text(chunks: list[Any]) -> str:
    """What the candidate says in some chunks."""
    parts = [part for chunk in chunks for c in chunk.get("candidates", ()) for part in c["content"]["parts"]]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def path(gate: Gate, method: str, version: str = "/v1beta") -> str:
    return f"{version}/models/{gate.models.text}:{method}"


async def test_a_stream_is_an_array_unless_events_are_asked_for(gate: Gate) -> None:
    status, headers, raw = await post(gate.site, path(gate, "streamGenerateContent"))
    assert (status, headers["content-type"]) == (200, "application/json; charset=UTF-8")
    chunks = json.loads(raw)
    assert text(chunks) == "Hello there!"
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    status, headers, raw = await post(gate.site, path(gate, "streamGenerateContent") + "?alt=sse")
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = raw.decode().split("\r\n\r\n")
    assert events.pop() == ""
    assert text([json.loads(event.removeprefix("data: ")) for event in events]) == "Hello there!"


@pytest.mark.parametrize("dialect", list(DIALECTS))
async def test_silence_in_an_array_is_filled_with_white_space(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    slow = Said("one two three", pause=0.3)
    provider = await provide(DIALECTS[dialect](slow))
    site = await visit({**up(provider.url, dialect), "server": {"heartbeat": "50ms"}})
    where = f"/v1beta/models/{MODELS[dialect]}:streamGenerateContent"
    _, _, raw = await post(site, where)
    assert raw.count(b"\r\n\r\n") > 1
    assert text(json.loads(raw)) == "one two three"
    _, _, raw = await post(site, where + "?alt=sse")
    assert b"\r\n\r\n\r\n" not in raw
    assert b"\n:" not in raw


@pytest.mark.parametrize(
    "below", ["models/a/b:c", "models/a%2Fb%3Ac", "models/models/a/b:c", "tunedModels/mine", "a/b:c"]
)
async def test_names_hold_what_they_hold(visit: Visit, provide: Provide, below: str) -> None:
    provider = await provide(speaking("openai_chat"))
    aliases = {"a/b:c": MODELS["openai_chat"], "tunedModels/mine": MODELS["openai_chat"]}
    site = await visit({**up(provider.url), "aliases": aliases})
    status, headers, raw = await post(site, f"/v1beta/{below}:generateContent")
    assert status == 200, raw
    assert headers["x-dragoman-deployment"] == MODELS["openai_chat"]
    assert json.loads(raw)["modelVersion"] == ("tunedModels/mine" if "tuned" in below else "a/b:c")


@pytest.mark.parametrize(
    ("method", "where", "status", "word"),
    [
        ("GET", "/v1beta/nothing", 404, "NOT_FOUND"),
        ("POST", "/v1beta/models", 405, "UNIMPLEMENTED"),
        ("GET", "/v1beta/models/x:generateContent", 405, "UNIMPLEMENTED"),
        ("POST", "/v1beta/models/no-such-model:generateContent", 404, "NOT_FOUND"),
        ("POST", "/v1/models/no-such-model:generateContent", 404, "NOT_FOUND"),
        ("GET", "/v1beta/models/no-such-model", 404, "NOT_FOUND"),
        ("GET", "/v1beta/models?pageSize=x", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1beta/models?pageToken=x", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1beta/models?pageToken=%C3%A9", 400, "INVALID_ARGUMENT"),
    ],
)
async def test_errors_wear_googles_envelope(
    visit: Visit, method: str, where: str, status: int, word: str
) -> None:
    site = await visit({"providers": {"up": {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9"}}})
    async with site.session.request(method, site.base + where, json=BODY) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"], error["status"]) == (status, status, word)
        assert error["message"]
        assert {detail["@type"].rpartition(".")[2] for detail in error["details"]} >= {"ErrorInfo"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "contents"),
        ({"contents": [{"role": "user", "parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({**BODY, "generationConfig": {"topP": 7}}, "generationConfig.topP"),
        ({**BODY, "generation_config": {"top_p": 7}}, "generationConfig.topP"),
    ],
)
@pytest.mark.parametrize("counted", [False, True])
async def test_a_mistake_is_named(visit: Visit, body: Any, field: str, counted: bool) -> None:
    site = await visit({"providers": {"simulate": {"enabled": True}}})
    method = "countTokens" if counted else "generateContent"
    status, _, raw = await post(site, f"/v1beta/models/simulate/echo:{method}", body)
    assert status == 400, raw
    details = json.loads(raw)["error"]["details"]
    assert [one["field"] for d in details for one in d.get("fieldViolations", ())] == [field]


KEYED: list[tuple[str, dict[str, str]]] = [
    ("?key=" + KEY, {}),
    ("", {"x-goog-api-key": KEY}),
    ("", {"authorization": f"Bearer {KEY}"}),
    ("?key=wrong", {"x-goog-api-key": KEY}),
]


@pytest.mark.parametrize(("query", "headers"), KEYED)
@pytest.mark.parametrize("dialect", ["openai_chat", "gemini"])
async def test_a_key_comes_in_a_header_or_behind_the_question_mark_and_goes_nowhere_else(
    opened: Opened, capfd: Any, caplog: Any, dialect: str, query: str, headers: dict[str, str]
) -> None:
    caplog.set_level("DEBUG")
    gate = await opened(dialect, auth={"keys": [KEY]})
    status, answered, raw = await post(gate.site, path(gate, "generateContent") + query, BODY, headers)
    assert status == 200, raw
    status, _, missing = await post(gate.site, "/v1beta/models/none:generateContent" + query, BODY, headers)
    assert status == 404, missing
    seen = gate.provider.last
    told = f"{seen.path} {seen.query} {seen.headers} {seen.raw!r} {raw!r} {missing!r} {dict(answered)}"
    kept = [(exchange.path, exchange.client, exchange.fault) for exchange in gate.exchanges]
    out = capfd.readouterr()
    assert KEY not in f"{told} {kept} {caplog.text} {out.out} {out.err}"


async def test_without_a_key_nothing_is_told(opened: Opened) -> None:
    gate = await opened("simulate", auth={"keys": [KEY]})
    asked = path(gate, "generateContent")
    for where in (
        asked,
        asked + "?key=wrong",
        asked + "?key=",
        "/v1beta/nothing",
        "/v1/models/x:countTokens",
    ):
        status, _, raw = await post(gate.site, where)
        assert (status, json.loads(raw)["error"]["status"]) == (401, "UNAUTHENTICATED"), where
    chat = {"model": "simulate/echo", "messages": HELLO}
    status, _, raw = await post(gate.site, f"/v1/chat/completions?key={KEY}", chat)
    assert status == 401, raw


async def test_one_path_lists_in_the_form_of_who_asks(opened: Opened) -> None:
    gate = await opened("simulate")
    forms: list[tuple[dict[str, str], str]] = [
        ({}, "data"),
        ({"x-goog-api-key": "any"}, "models"),
        ({"x-goog-api-client": "google-genai-sdk/1.0"}, "models"),
        ({"anthropic-version": "2023-06-01", "x-goog-api-key": "any"}, "data"),
    ]
    for headers, member in forms:
        async with gate.site.session.get(gate.site.base + "/v1/models", headers=headers) as answer:
            assert member in await answer.json(), headers
    google = {"x-goog-api-key": "any"}
    async with gate.site.session.get(gate.site.base + "/v1/models/none", headers=google) as answer:
        assert (answer.status, (await answer.json())["error"]["status"]) == (404, "NOT_FOUND")


async def test_a_request_is_counted_alone_or_in_its_envelope(opened: Opened) -> None:
    gate = await opened("simulate")
    where = path(gate, "countTokens")
    _, headers, alone = await post(gate.site, where)
    _, _, held = await post(gate.site, where, {"generateContentRequest": {**BODY, "model": "models/x"}})
    assert alone == held
    assert json.loads(alone)["totalTokens"] > 3
    assert headers["x-dragoman-estimated"] == "1"
    longer = {**BODY, "systemInstruction": {"parts": [{"text": "Be brief, please."}]}}
    _, _, more = await post(gate.site, where, longer)
    assert json.loads(more)["totalTokens"] > json.loads(alone)["totalTokens"]


async def test_a_failure_before_and_within_an_array(opened: Opened) -> None:
    gate = await opened("simulate")
    where = "/v1beta/models/simulate/fail:429:streamGenerateContent"
    status, _, raw = await post(gate.site, where)
    assert (status, json.loads(raw)["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    status, _, raw = await post(gate.site, "/v1beta/models/simulate/lorem:50+die:5:streamGenerateContent")
    chunks = json.loads(raw)
    assert status == 200
    assert chunks[-1]["error"]["code"] >= 500
    assert text(chunks[:-1])
