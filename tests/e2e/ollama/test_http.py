"""Ollama's protocol over plain HTTP: paths, kinds of bodies, what stands at the root, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.calls import Answered
from tests.e2e.ollama.conftest import SHARED, Stage

pytestmark = SHARED
HELLO = {"model": "simulate/echo", "messages": [{"role": "user", "content": "Hello there!"}]}
FORM = "application/x-www-form-urlencoded"
SEMVER_PARTS = 3


async def call(
    stage: Stage, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answered:
    data = json.dumps(body) if isinstance(body, dict) else body
    kind = {"content-type": "application/json"} if data is not None else {}
    named = {**kind, **(headers or {})}
    async with stage.session.request(method, stage.base + path, data=data, headers=named) as answer:
        return Answered(answer.status, answer.headers, await answer.read())


@pytest.mark.parametrize(
    ("accept", "agent"),
    [
        ("*/*", "curl/8.5.0"),
        ("application/json", "ollama/0.13.5 (amd64 linux)"),
        (None, "ollama-python/0.6.3"),
    ],
)
async def test_its_clients_are_told_that_it_runs(stage: Stage, accept: str | None, agent: str) -> None:
    headers = {"user-agent": agent, **({"accept": accept} if accept else {})}
    for method, body in (("GET", b"Ollama is running"), ("HEAD", b"")):
        got = await call(stage, method, "/", headers=headers)
        assert (got.status, got.raw) == (200, body)
        assert got.headers["content-type"] == "text/plain; charset=utf-8"
        assert got.headers["content-length"] == "17"


@pytest.mark.parametrize("accept", ["application/json", "text/html,application/xhtml+xml,*/*;q=0.8"])
async def test_others_are_told_of_the_gateway(stage: Stage, accept: str) -> None:
    got = await call(stage, "GET", "/", headers={"accept": accept, "user-agent": "Mozilla/5.0"})
    assert (got.status, got.body["status"]) == (200, "live")


async def test_a_stream_is_lines_of_json(stage: Stage) -> None:
    for fields in ({}, {"stream": None}, {"stream": True}):
        got = await call(stage, "POST", "/api/chat", {**HELLO, **fields})
        assert got.headers["content-type"] == "application/x-ndjson"
        assert b"data:" not in got.raw
        values = [json.loads(line) for line in got.raw.splitlines()]
        assert "".join(value["message"]["content"] for value in values) == "Hello there!"
        assert (values[-1]["done"], values[-1]["done_reason"]) == (True, "stop")
    got = await call(stage, "POST", "/api/chat", {**HELLO, "stream": False})
    assert got.headers["content-type"] == "application/json"
    assert got.body["message"]["content"] == "Hello there!"


@pytest.mark.parametrize("kind", [FORM, "text/plain", ""])
async def test_what_a_body_is_called_does_not_matter(stage: Stage, kind: str) -> None:
    body = {**HELLO, "stream": False}
    assert (await call(stage, "POST", "/api/chat", body, {"content-type": kind})).status == 200
    here = {"content-type": kind, "origin": "http://localhost:3000"}
    assert (await call(stage, "POST", "/api/chat", body, here)).status == 200


@pytest.mark.parametrize("kind", [FORM, "text/plain", ""])
@pytest.mark.parametrize("path", ["chat", "generate", "embed", "copy", "pull", "create"])
async def test_pages_of_other_origins_cannot_send_forms(stage: Stage, kind: str, path: str) -> None:
    """Browsers send these kinds of bodies without asking first."""
    there = {"content-type": kind, "origin": "https://elsewhere.example"}
    got = await call(stage, "POST", f"/api/{path}", HELLO, there)
    assert got.status == 415
    assert set(got.body) <= {"error", "code", "error_id"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/api/nothing", None, 404, "There is no endpoint GET /api/nothing."),
        ("POST", "/api/me", {}, 404, "There is no endpoint POST /api/me."),
        ("GET", "/api/chat", None, 405, "/api/chat takes POST, not GET."),
        ("POST", "/api/tags", {}, 405, "/api/tags takes GET, not POST."),
        ("POST", "/api/delete", {}, 405, "/api/delete takes DELETE, not POST."),
        ("POST", "/api/chat", "", 400, "missing request body"),
        ("POST", "/api/show", "", 400, "missing request body"),
        ("POST", "/api/chat", {"messages": HELLO["messages"]}, 400, "model is required"),
        ("POST", "/api/chat", {**HELLO, "model": 7}, 400, "'model' must be a string"),
        ("POST", "/api/show", {"model": "", "name": None}, 400, "model is required"),
        ("POST", "/api/show", {"model": 7}, 400, "'model' must be a string"),
        ("POST", "/api/generate", {"model": "simulate/echo", "keep_alive": "soon"}, 400, "invalid duration"),
        ("POST", "/api/generate", {**HELLO, "prompt": "x", "raw": True}, 400, "a raw prompt"),
        ("POST", "/api/generate", {**HELLO, "prompt": "x", "suffix": "y"}, 400, "does not support insert"),
        ("POST", "/api/generate", {**HELLO, "prompt": 7}, 400, "'prompt' must be a string"),
        ("POST", "/api/embed", {"model": "simulate/echo", "input": [1]}, 400, "invalid input type"),
        ("POST", "/api/copy", {"source": "simulate/echo"}, 400, "destination is required"),
        ("POST", "/api/create", {"model": "x"}, 400, "from is required"),
    ],
)
async def test_failures_are_one_sentence(
    stage: Stage, method: str, path: str, body: Any, status: int, message: str
) -> None:
    got = await call(stage, method, path, body)
    assert (got.status, got.headers["content-type"]) == (status, "application/json")
    assert message in got.body["error"]
    assert ("allow" in got.headers) == (status == 405)


async def test_broken_json_is_told_where(stage: Stage) -> None:
    for path in ("chat", "generate", "embed", "show", "copy"):
        got = await call(stage, "POST", f"/api/{path}", '{"model": ')
        assert (got.status, got.body["error"]) == (
            400,
            "The body is not valid JSON: line 1, column 11: the text ends in the middle of a value",
        )


async def test_versions_and_the_cloud(stage: Stage) -> None:
    version = (await call(stage, "GET", "/api/version")).body["version"]
    assert len([int(part) for part in version.split(".")]) == SEMVER_PARTS
    assert (await call(stage, "GET", "/api/status")).body["cloud"]["disabled"] is True
    assert (await call(stage, "HEAD", "/api/version")).status == 200


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        (None, "load"),
        ("", "load"),
        ("5m", "load"),
        (-1, "load"),
        (0, "unload"),
        ("0s", "unload"),
        (0.0, "unload"),
    ],
)
async def test_a_request_that_asks_nothing(stage: Stage, keep: Any, reason: str) -> None:
    for path, member in (("chat", "message"), ("generate", "response")):
        got = await call(stage, "POST", f"/api/{path}", {"model": "Mine:latest", "keep_alive": keep})
        assert (got.body["model"], got.body["done"], got.body["done_reason"]) == ("Mine:latest", True, reason)
        assert got.body[member] in ("", {"role": "assistant", "content": ""})


async def test_a_model_that_cannot_think_says_so(stage: Stage) -> None:
    body = {**HELLO, "model": "openai_chat/gpt-4o", "think": True}
    got = await call(stage, "POST", "/api/chat", body)
    assert (got.status, got.body["error"]) == (400, '"openai_chat/gpt-4o" does not support thinking')


async def test_losses_are_named_in_the_words_of_a_prompt(stage: Stage) -> None:
    body = {"model": "openai_chat/gpt-4o", "prompt": "Hi", "options": {"mirostat": 1}, "stream": False}
    got = await call(stage, "POST", "/api/generate", body, {"x-dragoman-report": "1"})
    lost = [loss["path"] for loss in json.loads(got.headers["x-dragoman-report"])["losses"]]
    assert "$.options.mirostat" in lost
    body |= {"prompt": "What?", "images": ["no base64!"], "options": {}}
    got = await call(stage, "POST", "/api/generate", body)
    assert got.status == 400
    assert "messages" not in got.body["error"]


async def test_losses_are_named_where_the_client_wrote_them(stage: Stage) -> None:
    """Messages that a name brings along shift nothing."""
    opening = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mario."}]
    made = {"model": "mario", "from": "openai_chat/gpt-4o", "messages": opening, "stream": False}
    assert (await call(stage, "POST", "/api/create", made)).body == {"status": "success"}
    thought = {"role": "assistant", "content": "Hello.", "thinking": "Hm."}
    messages = [*HELLO["messages"], thought, {"role": "user", "content": "And?"}]
    lost = []
    for model in ("openai_chat/gpt-4o", "mario"):
        body = {"model": model, "messages": messages, "stream": False}
        got = await call(stage, "POST", "/api/chat", body, {"x-dragoman-report": "1"})
        report = json.loads(got.headers["x-dragoman-report"])["losses"]
        lost.append([loss["path"] for loss in report if loss["path"].startswith("$")])
    assert lost[0] == lost[1]
    assert any("messages[1]" in path for path in lost[0])
    assert len(stage.sent("openai_chat").turns) == len(opening) + len(messages)
    assert (await call(stage, "DELETE", "/api/delete", {"model": "mario"})).status == 200
