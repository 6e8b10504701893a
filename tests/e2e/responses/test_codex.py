"""A coding agent as Codex is one: WebSocket first, HTTP where that is refused (rows 4.1 to 4.9, 5.6).

It keeps its own history, lets nothing be stored, and has the model's thoughts sealed.

Each provider's seals go back to it byte for byte, and to no other provider.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from dragoman.testing.provider import Answer, FakeProvider, Script, Seen
from tests.e2e.conftest import Provide
from tests.e2e.responses.conftest import Gate
from tests.e2e.responses.speaking import DIALECTS, MODELS, Models
from tests.e2e.responses.tap import events
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import Said

Wire = dict[str, Any]
Served = Callable[..., Awaitable[Gate]]

SEALS = {"anthropic": "RXJjQkNrZ0lDeEFC+/8=", "gemini": "CrEBAVuKwJx+/w=="}
HEADERS = {
    "OpenAI-Beta": "responses_websockets=2026-02-06",
    "originator": "codex_cli_rs",
    "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53",
    "User-Agent": "codex_cli_rs/0.99.0",
}
PATHS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS: list[Wire] = [
    {
        "type": "function",
        "name": "shell",
        "description": "Runs a command.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "array", "items": {"type": "string"}}},
            "required": ["command"],
            "additionalProperties": False,
        },
    },
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF'},
    },
    {
        "type": "namespace",
        "name": "mcp__files",
        "description": "Files of the project.",
        "tools": [
            {"type": "function", "name": "read", "description": "", "strict": False, "parameters": PATHS}
        ],
    },
    {"type": "web_search", "external_web_access": False},
]
BODY: Wire = {
    "instructions": "You are a coding agent.",
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
    "text": {"verbosity": "low"},
}
ENVIRONMENT = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "<cwd>/w</cwd>"}],
}
TASK = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Mend the tests."}]}
OPENING = ["<cwd>/w</cwd>", "Mend the tests."]
SHELL, PATCH, READ = (
    ("shell", '{"command":["ls"]}'),
    ("apply_patch", "*** Begin Patch\n"),
    ("read", '{"path":"a"}'),
)


def works(dialect: str) -> Script:
    """A provider that runs a command, reads a file, edits it, and is done: each a turn, and sealed."""

    def answer(seen: Seen) -> Answer:
        sent = Sent(dialect, seen)
        names = declared(dialect, seen.body)
        turns = [
            (name(names, "shell"), SHELL[1]),
            (name(names, "read"), READ[1]),
            (name(names, "apply_patch"), json.dumps({"input": PATCH[1]})),
        ]
        said = Said("All mended.", thought="It is done.", seal=SEALS[dialect])
        if sent.results < len(turns):
            called, arguments = turns[sent.results]
            call = (f"toolu_{sent.results}" if dialect == "anthropic" else "", called, arguments)
            said = Said("", (call,), thought="I look.", seal=SEALS[dialect])
        script = DIALECTS[dialect](said)
        assert callable(script)
        return script(seen)

    return held(dialect, answer)


def declared(dialect: str, body: Wire) -> list[str]:
    """The names of the functions that a provider was offered."""
    if dialect == "anthropic":
        return [tool["name"] for tool in body["tools"]]
    return [one["name"] for tool in body["tools"] for one in tool.get("functionDeclarations", ())]


def name(names: list[str], end: str) -> str:
    """What a function is called at the provider."""
    (found,) = [one for one in names if one.endswith(end)]
    return found


def seals(dialect: str, body: Wire) -> list[str]:
    """The seals that a provider gets."""
    if dialect == "anthropic":
        blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
        return [block["signature"] for block in blocks if block["type"] == "thinking"]
    parts = [part for content in body["contents"] for part in content["parts"]]
    return [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]


def results(items: list[Wire]) -> list[Wire]:
    """What the agent's own tools give for the calls among these items."""
    made = []
    for item in items:
        if item["type"] in {"function_call", "custom_tool_call"}:
            kind = item["type"] + "_output"
            made.append({"type": kind, "call_id": item["call_id"], "output": f"did {item['name']}"})
    return made


async def turn(socket: ClientConnection, body: Wire) -> list[Wire]:
    """Ask on a socket; the messages until the answer's end."""
    await socket.send(json.dumps({"type": "response.create", **body}))
    told: list[Wire] = []
    while not told or told[-1]["type"] not in {"response.completed", "error", "response.failed"}:
        told.append(json.loads(await socket.recv()))
    assert told[-1]["type"] == "response.completed", told[-1]
    return told


async def posted(gate: Gate, body: Wire) -> list[Wire]:
    """Ask over HTTP."""
    headers = {**HEADERS, "accept": "text/event-stream"}
    async with gate.session.post(f"{gate.base}/v1/responses", json=body, headers=headers) as answer:
        raw = await answer.read()
        assert answer.status == 200, raw
    told = events(raw)
    assert told[-1]["type"] == "response.completed", told[-1]
    return told


def held_calls(told: list[list[Wire]]) -> None:
    """What the agent was asked to do, turn by turn, in the words of its own tools."""
    called = []
    for messages in told:
        for item in messages[-1]["response"]["output"]:
            if item["type"] == "function_call":
                called.append((item.get("namespace"), item["name"], json.loads(item["arguments"])))
            elif item["type"] == "custom_tool_call":
                called.append((None, item["name"], item["input"]))
    assert called == [
        (None, "shell", {"command": ["ls"]}),
        ("mcp__files", "read", {"path": "a"}),
        (None, "apply_patch", PATCH[1]),
    ]
    assert told[-1][-1]["response"]["output"][-1]["content"][0]["text"] == "All mended."


async def gate_before(served: Served, provider: FakeProvider, dialect: str, **more: Any) -> Gate:
    row = {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
    config = {"providers": {"up": row}, "retries": {"attempts": 1}, **more}
    return await served(config, Models(MODELS[dialect]), provider, dialect)


@pytest.mark.parametrize("dialect", list(SEALS))
async def test_on_a_socket(served: Served, provide: Provide, dialect: str) -> None:
    provider = await provide(works(dialect))
    gate = await gate_before(served, provider, dialect)
    address = gate.base.replace("http", "ws", 1) + "/v1/responses"
    body = {**BODY, "model": MODELS[dialect]}
    async with connect(address, additional_headers=HEADERS) as socket:
        warm = await turn(socket, {**body, "input": [ENVIRONMENT], "generate": False})
        assert warm[-1]["response"]["output"] == []
        assert provider.seen == []
        told: list[list[Wire]] = []
        previous, given = warm[-1]["response"]["id"], [TASK]
        for _ in range(4):
            told.append(await turn(socket, {**body, "input": given, "previous_response_id": previous}))
            response = told[-1][-1]["response"]
            previous, given = response["id"], results(response["output"])
            assert response["store"] is False
    held_calls(told)
    sent = Sent(dialect, provider.last)
    assert sent.system[0] == "You are a coding agent."
    assert [text for role, texts in sent.turns for text in texts if role == "user"][:2] == OPENING
    assert sent.results == 3
    assert seals(dialect, provider.last.body) == [SEALS[dialect]] * 3


@pytest.mark.parametrize("dialect", list(SEALS))
async def test_over_http_where_sockets_are_refused(served: Served, provide: Provide, dialect: str) -> None:
    """The agent sends everything back each time: its own words, the calls, the sealed thoughts."""
    provider = await provide(works(dialect))
    gate = await gate_before(served, provider, dialect, server={"websocket": False})
    with pytest.raises(InvalidStatus) as refused:
        await connect(gate.base.replace("http", "ws", 1) + "/v1/responses", additional_headers=HEADERS)
    assert refused.value.response.status_code == 426
    told, history = await conversation(gate, MODELS[dialect], 4)
    held_calls(told)
    thoughts = [item for item in history if item["type"] == "reasoning"]
    assert thoughts
    if dialect == "anthropic":  # Gemini seals its calls, which have no place for it: the gateway keeps those
        assert all(item["encrypted_content"] for item in thoughts)
    assert seals(dialect, provider.last.body) == [SEALS[dialect]] * 3
    assert Sent(dialect, provider.last).results == 3


async def conversation(
    gate: Gate, model: str, turns: int, history: list[Wire] | None = None
) -> tuple[list[list[Wire]], list[Wire]]:
    """Some turns of an agent that keeps its own history; what it was told, and the history."""
    history = [ENVIRONMENT, TASK] if history is None else history
    told = []
    for _ in range(turns):
        told.append(await posted(gate, {**BODY, "model": model, "input": history}))
        output = [event["item"] for event in told[-1] if event["type"] == "response.output_item.done"]
        assert output == told[-1][-1]["response"]["output"]
        history = [*history, *output, *results(output)]
    return told, history


@pytest.mark.parametrize(("first", "second"), [("anthropic", "gemini"), ("gemini", "anthropic")])
async def test_another_provider_gets_no_seal(
    served: Served, provide: Provide, first: str, second: str
) -> None:
    """Half of the way at one provider, the rest at another one, and back again."""
    providers = {dialect: await provide(works(dialect)) for dialect in (first, second)}
    rows = {
        dialect: {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
        for dialect, provider in providers.items()
    }
    gate = await served({"providers": rows, "retries": {"attempts": 1}})
    models = {dialect: MODELS[dialect].replace("up/", f"{dialect}/") for dialect in providers}
    _, history = await conversation(gate, models[first], 2)
    _, history = await conversation(gate, models[second], 1, history)
    assert SEALS[first] not in providers[second].last.raw.decode()
    assert Sent(second, providers[second].last).results == 2
    lost = [loss for loss in gate.exchanges[-1].losses if loss.path.startswith("$.input[")]
    assert {loss.severity for loss in lost} == {"quality"}
    assert len(lost) >= 2, "each turn's thoughts"
    await conversation(gate, models[first], 1, history)
    last = providers[first].last.body
    assert SEALS[second] not in json.dumps(last)
    assert seals(first, last)[:2] == [SEALS[first]] * 2
