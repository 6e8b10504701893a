"""What is sixteen times as large takes far less than the square of it: no client can hold the event loop.

Each shape of request grows in one way: parts, messages, calls and results, tools, schemas, leftovers, text.
Compared are CPU seconds at two sizes, never absolute times. The sizes lie so far apart that what is linear
(16 times) and what is quadratic (256 times) are told apart although a machine is four times as slow at one of
them: a cache is outgrown, a neighbour takes the core. Each size counts by the best of several runs.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.capabilities import refuse
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.state.marks import Marks
from dragoman.state.recall import ask
from dragoman.wire import json

Body: TypeAlias = dict[str, Any]
Shape: TypeAlias = Callable[[int], Body]

SMALL, LARGE = 350, 5600
MOST = 64.0
"""Times as long for what is 16 times as large: as far from what is linear as from what is quadratic."""
TRIES = 5
SHORTEST = 0.0005
"""Seconds. What takes less at the small size is taken for this long: it is too short to be told."""
FACTS = Facts(tools=True, structured=False)
BLIND = Facts(images=False)
USER = {"role": "user", "content": "Hello"}
CONTENT = {"role": "user", "parts": [{"text": "Hello"}]}


def properties(n: int) -> Body:
    return {
        "type": "object",
        "properties": {f"p{i}": {"type": ["string", "null"], "default": "x"} for i in range(n)},
        "required": [f"p{i}" for i in range(n)],
    }


def definitions(n: int) -> Body:
    """Each definition refers to two others, in one great circle."""
    return {
        "type": "object",
        "$defs": {
            f"d{i}": {
                "type": "object",
                "properties": {
                    "a": {"$ref": f"#/$defs/d{(i + 1) % n}"},
                    "b": {"$ref": f"#/$defs/d{(i + 7) % n}"},
                },
            }
            for i in range(n)
        },
        "properties": {"root": {"$ref": "#/$defs/d0"}},
    }


# --- Chat Completions, and Mistral's form of it ---------------------------------------------------


def call_ids(n: int) -> list[str]:
    return [f"c{i:08}" for i in range(n)]


def chat_calls(n: int, step: int | None = 1) -> Body:
    """Calls in one message, and their results in order, reversed (-1) or not at all (None)."""
    ids = call_ids(n)
    function = {"name": "f", "arguments": '{"a":1}'}
    answered = [] if step is None else ids[::step]
    return {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids],
            },
            *({"role": "tool", "tool_call_id": id_, "content": "done"} for id_ in answered),
        ]
    }


def chat_turns(n: int) -> Body:
    """A call and its result in each of many turns."""
    messages: list[Body] = [USER]
    for id_ in call_ids(n):
        call = {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": "On it", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": id_, "content": "done"})
    return {"messages": messages}


def chat_tools(*schemas: Body) -> Body:
    tools = [
        {"type": "function", "function": {"name": f"f{i}", "parameters": schema}}
        for i, schema in enumerate(schemas)
    ]
    return {"messages": [USER], "tools": tools}


def chat_allowed(n: int) -> Body:
    body = chat_tools(*[{"type": "object"}] * n)
    named = [{"type": "function", "function": {"name": f"f{i}"}} for i in range(n)]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}
    return {**body, "tool_choice": choice}


CHAT: dict[str, Shape] = {
    "parts": lambda n: {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * n}]},
    "messages": lambda n: {"messages": [USER, {"role": "assistant", "content": "y"}] * n + [USER]},
    "system messages": lambda n: {"messages": [USER, {"role": "system", "content": "s"}] * n + [USER]},
    "calls": chat_calls,
    "calls answered backwards": lambda n: chat_calls(n, -1),
    "calls without results": lambda n: chat_calls(n, None),
    "turns": chat_turns,
    "tools": lambda n: chat_tools(*[{"type": "object"}] * n),
    "properties": lambda n: chat_tools(properties(n)),
    "definitions": lambda n: chat_tools(definitions(n)),
    "leftovers": lambda n: {"messages": [{**USER, "odd": i} for i in range(n)]},
    "top-level leftovers": lambda n: {"messages": [USER], **{f"odd{i}": 1 for i in range(n)}},
    "text": lambda n: {"messages": [{"role": "user", "content": '\\"\né{[,' * 50 * n}]},
    "base64": lambda n: {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'iVBO' * 100 * n}"}}
                ],
            }
        ]
    },
}

# --- Ollama's chat ---------------------------------------------------------------------------------


def ollama_calls(n: int, step: int = 1, *, ids: bool = True) -> Body:
    """ids: whether results name their calls; else they belong to them by name and order."""
    named = [({"id": id_}, {"tool_call_id": id_}) if ids else ({}, {}) for id_ in call_ids(n)]
    calls = [{**call, "function": {"name": "f", "arguments": {"a": 1}}} for call, _ in named]
    results = [{"role": "tool", "content": "done", "tool_name": "f", **result} for _, result in named[::step]]
    return {"messages": [USER, {"role": "assistant", "tool_calls": calls}, *results]}


OLLAMA: dict[str, Shape] = {
    **{name: CHAT[name] for name in ("messages", "system messages", "tools", "properties", "definitions")},
    **{name: CHAT[name] for name in ("leftovers", "top-level leftovers", "text")},
    "calls": ollama_calls,
    "calls answered backwards": lambda n: ollama_calls(n, -1),
    "calls without ids": lambda n: ollama_calls(n, ids=False),
    "options": lambda n: {"messages": [USER], "options": {f"odd{i}": 1 for i in range(n)}},
    "pictures": lambda n: {"messages": [{**USER, "images": ["iVBO"] * n}]},
    "base64": lambda n: {"messages": [{**USER, "images": ["iVBO" * 100 * n]}]},
}

# --- Anthropic's Messages --------------------------------------------------------------------------


def anthropic_calls(n: int, step: int = 1) -> Body:
    ids = call_ids(n)
    uses = [{"type": "tool_use", "id": id_, "name": "f", "input": {"a": 1}} for id_ in ids]
    results = [{"type": "tool_result", "tool_use_id": id_, "content": "done"} for id_ in ids[::step]]
    return {"messages": [USER, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]}


def anthropic_tools(*schemas: Body) -> Body:
    tools = [{"name": f"f{i}", "input_schema": schema} for i, schema in enumerate(schemas)]
    return {"messages": [USER], "tools": tools}


ANTHROPIC: dict[str, Shape] = {
    **{name: CHAT[name] for name in ("parts", "messages", "leftovers", "top-level leftovers", "text")},
    "system": lambda n: {"messages": [USER], "system": [{"type": "text", "text": "x"}] * n},
    "calls": anthropic_calls,
    "calls answered backwards": lambda n: anthropic_calls(n, -1),
    "tools": lambda n: anthropic_tools(*[{"type": "object"}] * n),
    "properties": lambda n: anthropic_tools(properties(n)),
    "definitions": lambda n: anthropic_tools(definitions(n)),
}

# --- Gemini ----------------------------------------------------------------------------------------


def gemini_calls(n: int, step: int = 1, *, ids: bool = True) -> Body:
    """Calls and results that are told by their ids, or by their names alone."""
    named = [{"name": f"f{i}", **({"id": id_} if ids else {})} for i, id_ in enumerate(call_ids(n))]
    calls = [{"functionCall": {**one, "args": {"a": 1}}} for one in named]
    results = [{"functionResponse": {**one, "response": {"a": 1}}} for one in named[::step]]
    return {"contents": [CONTENT, {"role": "model", "parts": calls}, {"role": "user", "parts": results}]}


def gemini_tools(*schemas: Body) -> Body:
    declared = [{"name": f"f{i}", "parametersJsonSchema": schema} for i, schema in enumerate(schemas)]
    return {"contents": [CONTENT], "tools": [{"functionDeclarations": declared}]}


GEMINI: dict[str, Shape] = {
    "parts": lambda n: {"contents": [{"role": "user", "parts": [{"text": "x"}] * n}]},
    "messages": lambda n: {
        "contents": [CONTENT, {"role": "model", "parts": [{"text": "y"}]}] * n + [CONTENT]
    },
    "calls": gemini_calls,
    "calls answered backwards": lambda n: gemini_calls(n, -1),
    "calls without ids": lambda n: gemini_calls(n, -1, ids=False),
    "tools": lambda n: gemini_tools(*[{"type": "object"}] * n),
    "properties": lambda n: gemini_tools(properties(n)),
    "definitions": lambda n: gemini_tools(definitions(n)),
    "leftovers": lambda n: {"contents": [{**CONTENT, "odd": i} for i in range(n)]},
}

# --- Responses -------------------------------------------------------------------------------------


def responses_calls(n: int, step: int | None = 1) -> Body:
    """Calls and their outputs in order, reversed (-1) or not at all (None)."""
    ids = call_ids(n)
    call = {"type": "function_call", "name": "f", "arguments": '{"a":1}'}
    calls = [{**call, "call_id": id_} for id_ in ids]
    answered = [] if step is None else ids[::step]
    outputs = [{"type": "function_call_output", "call_id": id_, "output": "done"} for id_ in answered]
    return {"input": [USER, *calls, *outputs]}


def responses_turns(n: int) -> Body:
    """A sealed thought, a call and its output in each of many turns."""
    items: list[Body] = [USER]
    for id_ in call_ids(n):
        items.append({"type": "reasoning", "id": f"rs{id_}", "summary": [], "encrypted_content": "AAAA"})
        items.append({"type": "function_call", "call_id": id_, "name": "f", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": id_, "output": "done"})
    return {"input": items}


def responses_tools(*schemas: Body) -> Body:
    tools = [{"type": "function", "name": f"f{i}", "parameters": schema} for i, schema in enumerate(schemas)]
    return {"input": "Hello", "tools": tools}


def responses_allowed(n: int) -> Body:
    body = responses_tools(*[{"type": "object"}] * n)
    named = [{"type": "function", "name": f"f{i}"} for i in range(n)]
    return {**body, "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": named}}


RESPONSES: dict[str, Shape] = {
    "parts": lambda n: {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}] * n}]},
    "messages": lambda n: {"input": [USER, {"role": "assistant", "content": "y"}] * n + [USER]},
    "developer messages": lambda n: {"input": [USER, {"role": "developer", "content": "s"}] * n + [USER]},
    "calls": responses_calls,
    "calls answered backwards": lambda n: responses_calls(n, -1),
    "calls without outputs": lambda n: responses_calls(n, None),
    "turns": responses_turns,
    "tools": lambda n: responses_tools(*[{"type": "object"}] * n),
    "allowed tools": responses_allowed,
    "properties": lambda n: responses_tools(properties(n)),
    "definitions": lambda n: responses_tools(definitions(n)),
    "leftovers": lambda n: {"input": [{**USER, "odd": i} for i in range(n)]},
    "unknown items": lambda n: {"input": [USER, *({"type": "odd", "n": i} for i in range(n))]},
    "text": lambda n: {"input": '\\"\né{[,' * 50 * n},
}

SHAPES: dict[str, tuple[Body, dict[str, Shape]]] = {
    "openai_chat": ({"model": "m"}, {**CHAT, "allowed tools": chat_allowed}),
    "openai_responses": ({"model": "m"}, RESPONSES),
    "mistral": ({"model": "m"}, CHAT),
    "ollama": ({"model": "m", "stream": False}, OLLAMA),
    "anthropic": ({"model": "m", "max_tokens": 100}, ANTHROPIC),
    "gemini": ({}, GEMINI),
}
"""By dialect: what each request has, and how it may grow."""

CASES = [(dialect, shape) for dialect, (_, shapes) in SHAPES.items() for shape in shapes]
ID = "{0[0]}: {0[1]}".format


def wire_of(dialect: Dialect, body: bytes) -> WireRequest:
    path = dialect.paths.chat
    params = {"model": "m"} if "{model}" in path else {}
    return WireRequest("chat", json.decode_object(body), path=path, params=params)


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one run, without those of collecting garbage."""
    gc.disable()
    try:
        began = time.process_time()
        run()
        return time.process_time() - began
    finally:
        gc.enable()


def grows_too_fast(prepare: Callable[[int], Callable[[], object]]) -> str | None:
    """What is wrong with how the time of a run grows with its size; None where nothing is.

    The small size is run before and after the large one, so that no single slow moment makes it look long.
    """
    small = large = float("inf")
    for _ in range(TRIES):
        small = min(small, *(seconds(prepare(SMALL)) for _ in range(3)))
        large = min(large, seconds(prepare(LARGE)))
        if large <= MOST * SHORTEST:
            return None  # however short the small one is
        small = min(small, *(seconds(prepare(SMALL)) for _ in range(3)))
        if large <= MOST * max(small, SHORTEST):
            return None
    return f"{1000 * small:.2f} ms for {SMALL}, but {1000 * large:.1f} ms for {LARGE}"


@lru_cache(maxsize=2)
def body_of(name: str, shape: str, n: int) -> bytes:
    always, shapes = SHAPES[name]
    return msgspec.json.encode({**always, **shapes[shape](n)})


@lru_cache(maxsize=2)
def read(name: str, shape: str, n: int) -> tuple[WireRequest, ir.Request]:
    """A request, read once for all runs and targets: to write it changes nothing of it."""
    wire = wire_of(DIALECTS[name], body_of(name, shape, n))
    return wire, DIALECTS[name].request.decode(wire)


@pytest.mark.parametrize("case", CASES, ids=ID)
def test_reading_a_request(case: tuple[str, str]) -> None:
    """From bytes to the digest of its conversation, and to the bytes of a relayed request."""
    dialect = DIALECTS[case[0]]
    marks = Marks(b"s" * 32, "tenant")

    def prepare(n: int) -> Callable[[], object]:
        data = body_of(*case, n)

        def run() -> None:
            json.refuse_many_values(data)
            json.decode_object(data)
            head = json.head_of(data)
            dialect.relay.request(head, {"model": "other"})
            wire = wire_of(dialect, data)
            dialect.request.check(wire)
            request = dialect.request.decode(wire)
            refuse(request, BLIND)
            ask(request, marks)

        return run

    assert grows_too_fast(prepare) is None


@pytest.mark.parametrize("target", SHAPES)
@pytest.mark.parametrize("case", CASES, ids=ID)
def test_writing_a_request(case: tuple[str, str], target: str) -> None:
    """From the IR to a body, with what is emulated and where losses are."""
    dialect, other = DIALECTS[case[0]], DIALECTS[target]

    def prepare(n: int) -> Callable[[], object]:
        wire, request = read(*case, n)

        def run() -> None:
            report = Report(other.name)
            emulation = emulate(request, other.abilities, FACTS, STANDARD, report)
            other.request.encode(emulation.request, Target(report, "m", facts=FACTS))
            report.located(dialect.locator(wire))

        return run

    assert grows_too_fast(prepare) is None


def test_what_is_quadratic_is_found() -> None:
    def prepare(n: int) -> Callable[[], object]:
        names = list(range(n))
        return lambda: [names.index(one) for one in names]

    assert grows_too_fast(prepare) is not None
