"""A tool's result whose call is not in the request: refused clearly where the target needs the call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing.provider import Whole
from tests.e2e.conftest import Provide, Visit

RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."}
STORED: dict[str, list[dict[str, Any]]] = {
    "a compaction": [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}, RESULT],
    "a search": [
        {"type": "tool_search_call", "call_id": "call_0", "arguments": {}, "status": "completed"},
        RESULT,
    ],
}
USE = {"type": "tool_use", "name": "look", "input": {}}
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
}


@pytest.mark.parametrize("dialect", ["openai_chat", "mistral"])
@pytest.mark.parametrize("stored", STORED)
async def test_it_is_refused_before_anything_is_sent(
    visit: Visit, provide: Provide, stored: str, dialect: str
) -> None:
    provider = await provide(Whole(CHAT))
    up = {"dialect": dialect, "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    body = {"model": "up/m", "input": STORED[stored], "store": False}
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{site.base}/v1/responses", json=body, headers={"authorization": "Bearer x"}
        )
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"].startswith("input[1]")
    assert error["type"] == "invalid_request_error"
    assert "call_1" in error["message"]
    assert not provider.seen


@pytest.mark.parametrize("target", ["openai_chat", "mistral"])
@pytest.mark.parametrize(
    ("face", "body", "place"),
    [
        ("openai_responses", {"input": STORED["a search"], "store": False}, "blocks[0]"),
        (
            "anthropic",
            {
                "max_tokens": 9,
                "messages": [
                    {"role": "assistant", "content": [{**USE, "id": "call_0"}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1"}]},
                ],
            },
            "messages[1].blocks[0]",
        ),
    ],
)
def test_no_encoder_sends_what_its_target_refuses(
    face: str, body: dict[str, Any], place: str, target: str
) -> None:
    asked = DIALECTS[face].request.decode(WireRequest("chat", {"model": "m", **body}))
    with pytest.raises(WireError, match="with the id 'call_1' that does not come before it") as refused:
        DIALECTS[target].request.encode(asked, Target(Report(target), "m"))
    assert (refused.value.path or "").endswith(place)


@pytest.mark.parametrize("target", ["anthropic", "gemini", "ollama"])
def test_where_the_call_is_not_needed_it_is_told(target: str) -> None:
    asked = DIALECTS["openai_responses"].request.decode(
        WireRequest("chat", {"model": "m", "input": STORED["a compaction"], "store": False})
    )
    body = DIALECTS[target].request.encode(asked, Target(Report(target), "m")).body
    assert "Sunny." in str(body)


@pytest.mark.parametrize("target", ["openai_chat", "mistral"])
def test_a_result_of_another_name_answers_the_call_that_waits(target: str) -> None:
    """Some of Google's clients write a made-up id where the name of the function is due."""
    call = {"functionCall": {"name": "look", "args": {}}}
    result = {"functionResponse": {"name": "78f55bc8", "response": {"content": "Ruby"}}}
    contents = [{"role": "user", "parts": [{"text": "Look."}]}, {"role": "model", "parts": [call]}]
    wire = WireRequest("chat", {"contents": [*contents, {"role": "user", "parts": [result]}]})
    asked = DIALECTS["gemini"].request.decode(wire)
    messages = DIALECTS[target].request.encode(asked, Target(Report(target), "m")).body["messages"]
    [made] = messages[1]["tool_calls"]
    assert messages[2]["tool_call_id"] == made["id"]
    assert "Ruby" in str(messages[2]["content"])
    assert len(messages) == 3


@pytest.mark.parametrize("stored", STORED)
async def test_its_own_protocols_provider_decides(visit: Visit, provide: Provide, stored: str) -> None:
    """OpenAI answers it: the call belongs to what the item stands for."""
    refused = {"error": {"message": "Who?", "type": "invalid_request_error", "param": None, "code": None}}
    provider = await provide(Whole(refused, 400))
    up = {"dialect": "openai_responses", "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    body = {"model": "up/m", "input": STORED[stored], "store": False}
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{site.base}/v1/responses", json=body)
    assert answer.json()["error"]["message"] == "Who?"
    assert provider.last.body["input"] == STORED[stored]
