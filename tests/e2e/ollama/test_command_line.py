"""What Ollama's command line sends, byte for byte, and whether it can read what it gets (row 2.14).

Its requests are those of ollama/ollama fb307609 (cmd/cmd.go, api/client.go): Go writes every member of a
request that is not `omitempty`, and reads answers by its types. It sends no key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.e2e.ollama.conftest import EMBEDDERS, EVERY, MODELS, SHARED, Stage
from tests.e2e.strict.golang import Mismatch, Struct, decode, hold, lines

pytestmark = SHARED
HEADERS = {
    "user-agent": "ollama/0.13.5 (amd64 linux) Go/go1.24.1",
    "content-type": "application/json",
    "accept": "application/json",
}
STREAM = {**HEADERS, "accept": "application/x-ndjson"}
DETAILS: Struct = {
    "parent_model": "string",
    "format": "string",
    "family": "string",
    "families": ["string"],
    "parameter_size": "string",
    "quantization_level": "string",
}
LISTED = {"name": "string", "model": "string", "size": "int64", "digest": "string", "details": DETAILS}
TAGS: Struct = {"models": [{**LISTED, "remote_model": "string", "modified_at": "time"}]}
PS: Struct = {"models": [{**LISTED, "expires_at": "time", "size_vram": "int64", "context_length": "int64"}]}
SHOW: Struct = {
    "license": "string",
    "modelfile": "string",
    "parameters": "string",
    "template": "string",
    "system": "string",
    "details": DETAILS,
    "messages": [{"role": "string", "content": "string"}],
    "model_info": "map",
    "capabilities": ["string"],
    "modified_at": "time",
}
METRICS = {
    "total_duration": "int64",
    "load_duration": "int64",
    "prompt_eval_count": "int64",
    "prompt_eval_duration": "int64",
    "eval_count": "int64",
    "eval_duration": "int64",
}
ANSWER = {"model": "string", "created_at": "time", "done": "bool", "done_reason": "string", **METRICS}
GENERATED: Struct = {**ANSWER, "response": "string", "thinking": "string", "context": ["int64"]}
CALL = {"id": "string", "function": {"index": "int64", "name": "string", "arguments": "map"}}
MESSAGE = {"role": "string", "content": "string", "thinking": "string", "tool_calls": [CALL]}
CHATTED: Struct = {**ANSWER, "message": MESSAGE}
PROGRESS: Struct = {"status": "string", "digest": "string", "total": "int64", "completed": "int64"}
EMBEDDED: Struct = {"model": "string", "embeddings": [["float64"]], **METRICS}
TOOL = (
    '{"type":"function","function":{"name":"get_weather","description":"",'
    '"parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}'
)


class Got(NamedTuple):
    status: int
    kind: str | None
    raw: bytes


async def send(stage: Stage, method: str, path: str, body: str = "", *, stream: bool = False) -> Got:
    """One request of the command line, after its heartbeat."""
    async with stage.session.head(stage.base + "/", headers=HEADERS) as beat:
        assert beat.status == 200
    headers = STREAM if stream else HEADERS
    data = body.encode() if body else None
    async with stage.session.request(method, stage.base + path, data=data, headers=headers) as answer:
        return Got(answer.status, answer.headers.get("content-type"), await answer.read())


def show_body(name: str) -> str:
    return f'{{"model":"{name}","system":"","template":"","verbose":false,"options":null,"name":""}}'


def named(name: str) -> str:
    return f'{{"model":"","system":"","template":"","verbose":false,"options":null,"name":"{name}"}}'


def generate_body(model: str, prompt: str, more: str = "") -> str:
    return (
        f'{{"model":"{model}","prompt":"{prompt}","suffix":"","system":"","template":"","context":[],'
        f'"options":{{}},"think":null,"format":""{more}}}'
    )


async def test_list_and_version(stage: Stage) -> None:
    listed = decode(TAGS, (await send(stage, "GET", "/api/tags")).raw)
    assert listed["models"]
    for model in listed["models"]:
        assert len(model["digest"]) >= 12  # it takes the first twelve, and panics without them
        assert ":" in model["name"].rpartition("/")[2]
        assert model["remote_model"]
    assert decode({"version": "string"}, (await send(stage, "GET", "/api/version")).raw)["version"]
    assert decode(PS, (await send(stage, "GET", "/api/ps")).raw) == {"models": []}


async def test_show(stage: Stage) -> None:
    shown = decode(SHOW, (await send(stage, "POST", "/api/show", named("Mine"))).raw)
    architecture = shown["model_info"]["general.architecture"]
    assert isinstance(architecture, str)
    for key, value in shown["model_info"].items():
        assert not key.endswith(("_length", "_count")) or type(value) is int
    missing = await send(stage, "POST", "/api/show", named("nobody"))
    assert (missing.status, decode({"error": "string"}, missing.raw)["error"]) == (
        404,
        "model 'nobody' not found",
    )


@EVERY
async def test_run_with_a_prompt(stage: Stage, dialect: str) -> None:
    model = MODELS[dialect]
    decode(SHOW, (await send(stage, "POST", "/api/show", show_body(model))).raw)
    got = await send(
        stage,
        "POST",
        "/api/generate",
        generate_body(model, "Hello there!", ',"keep_alive":"5m0s"'),
        stream=True,
    )
    assert got.kind == "application/x-ndjson"
    said = lines(GENERATED, got.raw)
    assert "".join(line["response"] for line in said) == "Hello there!"
    assert [line["done"] for line in said] == [False] * (len(said) - 1) + [True]
    assert {line["model"] for line in said} == {model}


@EVERY
async def test_run_at_a_terminal(stage: Stage, dialect: str) -> None:
    model = MODELS[dialect]
    load = await send(stage, "POST", "/api/generate", f'{{"model":"{model}","prompt":"","options":null}}')
    (loaded,) = [decode(GENERATED, load.raw)]
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")
    body = (
        f'{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}},'
        '{"role":"assistant","content":"Hello"},{"role":"user","content":"Bye"}],"format":"","options":{}}'
    )
    said = lines(CHATTED, (await send(stage, "POST", "/api/chat", body, stream=True)).raw)
    assert "".join(line["message"]["content"] for line in said) == "Hello"
    assert said[-1]["eval_count"] == 7


@EVERY
async def test_a_call_comes_whole(stage: Stage, dialect: str) -> None:
    body = (
        f'{{"model":"{MODELS[dialect]}","messages":[{{"role":"user","content":"Weather in Paris?"}}],'
        f'"tools":[{TOOL}],"options":{{}}}}'
    )
    said = lines(CHATTED, (await send(stage, "POST", "/api/chat", body, stream=True)).raw)
    (call,) = [call for line in said for call in line["message"].get("tool_calls", ())]
    assert call["function"]["arguments"] == {"city": "Paris"}
    assert said[-1]["done_reason"] == "stop"


async def test_stop_and_remove(stage: Stage) -> None:
    stop = '{"model":"Mine","prompt":"","options":null,"keep_alive":"0s"}'
    assert (
        decode(GENERATED, (await send(stage, "POST", "/api/generate", stop)).raw)["done_reason"] == "unload"
    )
    copied = await send(stage, "POST", "/api/copy", '{"source":"Mine","destination":"spare"}')
    assert (copied.status, copied.raw) == (200, b"")
    assert (await send(stage, "DELETE", "/api/delete", '{"model":"","name":"spare"}')).status == 200
    assert (await send(stage, "DELETE", "/api/delete", '{"model":"","name":"spare"}')).status == 404


async def test_pull_and_create_and_push(stage: Stage) -> None:
    pull = '{"model":"","insecure":false,"username":"","password":"","name":"%s"}'
    steps = lines(PROGRESS, (await send(stage, "POST", "/api/pull", pull % "Mine", stream=True)).raw)
    assert steps[-1]["status"] == "success"
    steps = lines(PROGRESS, (await send(stage, "POST", "/api/pull", pull % "nobody", stream=True)).raw)
    assert steps[-1]["error"] == "pull model manifest: file does not exist"
    create = '{"model":"polite","from":"Mine","parameters":{"top_k":4},"system":"Be kind.","name":""}'
    steps = lines(PROGRESS, (await send(stage, "POST", "/api/create", create, stream=True)).raw)
    assert steps[-1]["status"] == "success"
    decode(SHOW, (await send(stage, "POST", "/api/show", named("polite"))).raw)
    assert (await send(stage, "DELETE", "/api/delete", '{"model":"","name":"polite"}')).status == 200
    pushed = await send(stage, "POST", "/api/push", pull % "Mine", stream=True)
    assert (pushed.status, pushed.kind) == (400, "application/json")
    digest = "/api/blobs/sha256:" + "0" * 64
    assert [(await send(stage, method, digest)).status for method in ("HEAD", "POST")] == [404, 400]


async def test_run_with_a_model_of_vectors(stage: Stage) -> None:
    model = EMBEDDERS["openai_chat"]
    shown = decode(SHOW, (await send(stage, "POST", "/api/show", show_body(model))).raw)
    assert shown["capabilities"] == ["embedding"]
    body = f'{{"model":"{model}","input":"Hello","options":{{}}}}'
    assert decode(EMBEDDED, (await send(stage, "POST", "/api/embed", body)).raw)["embeddings"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int64", "-1"),
        ("int64", 1.5),
        ("int64", True),
        ("int64", 2**63),
        ("time", 1735689600),
        ("time", ""),
        ("time", "2025-01-01 00:00:00"),
        ("string", None),
        ({"details": DETAILS}, {"details": None}),
        (["string"], [None]),
    ],
)
async def test_the_reader_is_strict(kind: Any, value: Any) -> None:
    with pytest.raises(Mismatch):
        hold(kind, value)
