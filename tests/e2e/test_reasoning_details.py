"""OpenRouter's `reasoning_details`: they come back with the calls that they stand beside (row 5.6).

OpenRouter refuses the calls of Gemini's models without them. The first answer is whole or a stream; its
client keeps of it what its own protocol has.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
DETAILS: list[Wire] = [
    {
        "type": "reasoning.text",
        "text": "They mean Oslo.",
        "signature": "EqQB+/=",
        "format": "google-gemini-v1",
        "index": 0,
    },
    {
        "type": "reasoning.encrypted",
        "data": "CrEB==",
        "format": "google-gemini-v1",
        "index": 1,
        "id": "call_1",
    },
]
CALL: Wire = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
}
TOOLS: list[Wire] = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
HEAD: Wire = {"id": "gen-1", "created": 1, "model": "google/gemini-3-flash", "provider": "Google"}
MODEL = "openrouter/google/gemini-3-flash"


def model(seen: Seen) -> Answer:
    """Thinks and calls, and is done once it has a result."""
    done = any(message["role"] == "tool" for message in seen.body["messages"])
    said: Wire = {"content": "It is cold."}
    if not done:
        said = {
            "content": "",
            "reasoning": "They mean Oslo.",
            "reasoning_details": DETAILS,
            "tool_calls": [CALL],
        }
    end = "stop" if done else "tool_calls"
    if not seen.body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": end}
        return Whole({**HEAD, "object": "chat.completion", "choices": [choice]})
    deltas: list[Wire] = [{"role": "assistant", "content": ""}, {"content": said["content"]}]
    if not done:
        first, second = DETAILS
        for text in ("They ", "mean Oslo."):
            shown = {**{name: first[name] for name in ("type", "format", "index")}, "text": text}
            deltas.append({"reasoning": text, "reasoning_details": [shown]})
        seal = {name: first[name] for name in ("type", "format", "index", "signature")}
        deltas += [{"reasoning_details": [seal]}, {"reasoning_details": [second]}]
        deltas.append({"tool_calls": [{"index": 0, **CALL}]})
    frames: list[Wire] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    frames.append({"index": 0, "delta": {}, "finish_reason": end})
    chunk = {**HEAD, "object": "chat.completion.chunk"}
    return Streamed([*({**chunk, "choices": [frame]} for frame in frames), "data: [DONE]\n\n"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("keeps", [False, True], ids=["drops", "keeps"])
async def test_a_client_of_chat(visit: Visit, provide: Provide, *, stream: bool, keeps: bool) -> None:
    """Most clients of this protocol keep text and calls alone."""
    provider = await provide(model)
    row = {"base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {"openrouter": row}})
    url = f"{site.base}/v1/chat/completions"
    asked: Wire = {"model": MODEL, "tools": TOOLS, "messages": [{"role": "user", "content": "Is it cold?"}]}
    async with site.session.post(url, json={**asked, "stream": stream}) as response:
        assert response.status == 200
        text = await response.text()
    message: Wire = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    if not stream:
        (choice,) = json.loads(text)["choices"]
        assert choice["message"]["reasoning_details"] == DETAILS, "its own protocol has them"
    if keeps:
        message |= {"reasoning": "They mean Oslo.", "reasoning_details": DETAILS}
    asked["messages"] += [message, {"role": "tool", "tool_call_id": "call_1", "content": "-7"}]
    async with site.session.post(url, json=asked) as response:
        assert response.status == 200
        assert (await response.json())["choices"][0]["message"]["content"] == "It is cold."
    sent = provider.last.body["messages"][1]
    assert sent["reasoning_details"] == DETAILS
    assert sent["reasoning"] == "They mean Oslo."


async def test_a_client_of_another_protocol(visit: Visit, provide: Provide) -> None:
    """Gemini's: what it keeps of a thought is replaced by what was answered."""
    provider = await provide(model)
    row = {"base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {"openrouter": row}})
    url = f"{site.base}/v1beta/models/{MODEL}:generateContent"
    declared = [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}]
    contents: list[Wire] = [{"role": "user", "parts": [{"text": "Is it cold?"}]}]
    async with site.session.post(url, json={"contents": contents, "tools": declared}) as response:
        assert response.status == 200, await response.text()
        answer = (await response.json())["candidates"][0]["content"]
    (call,) = [part["functionCall"] for part in answer["parts"] if "functionCall" in part]
    result = {"functionResponse": {"name": "weather", "id": call["id"], "response": {"degrees": -7}}}
    contents += [answer, {"role": "user", "parts": [result]}]
    async with site.session.post(url, json={"contents": contents, "tools": declared}) as response:
        assert response.status == 200, await response.text()
    assert provider.last.body["messages"][1]["reasoning_details"] == DETAILS


async def test_requests_without_tools_are_relayed(visit: Visit, provide: Provide) -> None:
    provider = await provide(model)
    exchanges: list[Any] = []
    row = {"base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {"openrouter": row}}, observers=[exchanges.append])
    asked: Wire = {"model": MODEL, "messages": [{"role": "user", "content": "Is it cold?"}]}
    for more, mode in (({}, "relay"), ({"tools": TOOLS}, "translate")):
        async with site.session.post(f"{site.base}/v1/chat/completions", json={**asked, **more}) as response:
            assert response.status == 200
        assert exchanges[-1].attempts[-1].mode == mode


@pytest.mark.parametrize(
    ("vendor", "said", "sent"),
    [
        ("groq", {"reasoning_content": "Hm."}, {}),
        ("groq", {"reasoning": "Hm."}, {"reasoning": "Hm."}),
        ("cerebras", {"reasoning_content": "Hm."}, {"reasoning": "Hm."}),
        ("cerebras", {"reasoning": "Hm."}, {"reasoning": "Hm."}),
        ("cerebras", {"reasoning_details": DETAILS}, {}),
    ],
)
async def test_vendors_that_refuse_reasoning_in_fields_of_others(
    visit: Visit, provide: Provide, vendor: str, said: Wire, sent: Wire
) -> None:
    """The gateway's own answers to clients of chat have `reasoning_content`, which these vendors refuse."""
    provider = await provide(model)
    row = {"base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {vendor: row}})
    asked = {"role": "user", "content": "Is it cold?"}
    messages = [asked, {"role": "assistant", "content": "Where?", **said}, asked]
    body = {"model": f"{vendor}/m", "messages": messages}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=body) as response:
        assert response.status == 200
    assert provider.last.body["messages"][1] == {"role": "assistant", "content": "Where?", **sent}
