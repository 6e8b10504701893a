"""What we say is what OpenAI's own description of it allows (row 2.35): answers, chunks, errors, requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from tests.e2e import stubs
from tests.e2e.calls import HELLO, MODELS, Answered
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.responses.described import nullable
from tests.e2e.stubs import Said

pytestmark = pytest.mark.spec
Check = Callable[[str, Any], None]
TOOL = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": TOOL}]
CALLS = (("call_1", "get_weather", '{"city": "Paris"}'), ("call_2", "get_weather", '{"city": "Rome"}'))
SCHEMA = {"type": "json_schema", "json_schema": {"name": "City", "schema": TOOL["parameters"]}}
ASKED: dict[str, dict[str, Any]] = {
    "text": {},
    "limits": {"max_completion_tokens": 3, "stop": ["x"], "temperature": 0.5},
    "tools": {"tools": TOOLS},
    "functions": {"functions": [TOOL]},
    "schema": {"response_format": SCHEMA},
    "reasoning": {"reasoning_effort": "low", "max_completion_tokens": 4000},
}


@pytest.fixture(scope="module")
def check(specifications: Path) -> Check:
    """Hold a value to a named schema of OpenAI's API."""
    specification = nullable(json.loads((specifications / "openai-2.3.0.openapi.json").read_text()))

    def hold(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": specification["components"]}
        errors = [
            f"{error.json_path}: {error.message[:300]}" for error in OAS31Validator(schema).iter_errors(value)
        ]
        assert errors == []

    return hold


def hold_answer(check: Check, answer: Answered) -> None:
    """Hold a good answer, whole or streamed, to its schema."""
    assert answer.status == 200, answer.raw
    if answer.headers["content-type"] == "application/json":
        check("CreateChatCompletionResponse", answer.body)
        return
    chunks = answer.events[:-1]
    assert chunks
    for chunk in chunks:
        check("CreateChatCompletionStreamResponse", chunk)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", list(ASKED))
@pytest.mark.parametrize("model", ["simulate/echo", "simulate/think+tools", "simulate/refuse", "claude"])
async def test_answers(
    visit: Visit, provide: Provide, check: Check, model: str, asked: str, stream: bool
) -> None:
    said = Said("I look.", CALLS) if asked in {"tools", "functions"} else Said('{"city": "Paris"}')
    provider = await provide(stubs.anthropic(said))
    config = {**up(provider.url, "anthropic"), "aliases": {"claude": MODELS["anthropic"]}}
    config["providers"]["simulate"] = {"enabled": True}
    site = await visit(config)
    options = {"stream_options": {"include_usage": True}} if stream else {}
    hold_answer(check, await site.ask(model, stream=stream, **options, **ASKED[asked]))


@pytest.mark.parametrize("asked", list(ASKED))
async def test_requests(visit: Visit, provide: Provide, check: Check, asked: str) -> None:
    """A request that is written anew, because an alias adds to it, is one that OpenAI would take."""
    provider = await provide(stubs.openai_chat(Said('{"city": "Paris"}')))
    alias = {"route": MODELS["openai_chat"], "defaults": {"temperature": 0.1}, "system_prompt": "Be brief."}
    site = await visit({**up(provider.url), "aliases": {"m": alias}})
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [
        *HELLO,
        {"role": "assistant", "content": "Hi.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ]
    assert (await site.ask("m", messages=history, **ASKED[asked])).status == 200
    check("CreateChatCompletionRequest", provider.last.body)


def test_the_description_itself_refuses_what_is_wrong(check: Check) -> None:
    choice = {"index": 0, "finish_reason": "end", "message": {"role": "assistant"}, "logprobs": None}
    wrong = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    with pytest.raises(AssertionError, match="end"):
        check("CreateChatCompletionResponse", wrong)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529])
async def test_errors(visit: Visit, provide: Provide, check: Check, status: int) -> None:
    provider = await provide(stubs.refusal("anthropic", status, "api_error", "No, for a reason."))
    site = await visit(up(provider.url, "anthropic"))
    for answer in (
        await site.ask(MODELS["anthropic"]),
        await site.ask(MODELS["anthropic"], temperature=9),
        await site.ask("nope"),
        await site.get("/nope"),
    ):
        assert answer.status >= 400
        check("ErrorResponse", answer.body)


async def test_models(visit: Visit, check: Check) -> None:
    site = await visit({"aliases": {"m": "simulate/echo"}})
    check("ListModelsResponse", (await site.get("/v1/models")).body)
    check("Model", (await site.get("/v1/models/m")).body)
