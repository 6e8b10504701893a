"""What a provider is told of earlier turns: calls, their results and seals, in whichever dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Wire = dict[str, Any]


def calls(dialect: str, body: Wire) -> list[tuple[str, str, Wire]]:
    """Id, name and arguments of each call; where there are no ids (Gemini), its name stands for it."""
    if dialect == "anthropic":
        blocks = [one for one in _blocks(body) if one["type"] == "tool_use"]
        return [(one["id"], one["name"], one["input"]) for one in blocks]
    if dialect == "gemini":
        made = [part["functionCall"] for part in _parts(body) if "functionCall" in part]
        return [(one.get("id", one["name"]), one["name"], one["args"]) for one in made]
    made = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
    named = [(call["id"], call["function"]) for call in made]
    return [(id_, one["name"], json.loads(one["arguments"])) for id_, one in named]


def results(dialect: str, body: Wire) -> list[str]:
    """Which call each result answers, in their order."""
    if dialect == "anthropic":
        return [one["tool_use_id"] for one in _blocks(body) if one["type"] == "tool_result"]
    if dialect == "gemini":
        given = [part["functionResponse"] for part in _parts(body) if "functionResponse" in part]
        return [one.get("id", one["name"]) for one in given]
    return [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]


def seals(dialect: str, body: Wire) -> list[str]:
    """The signatures, in their order."""
    if dialect == "anthropic":
        return [one["signature"] for one in _blocks(body) if one["type"] == "thinking"]
    return [part["thoughtSignature"] for part in _parts(body) if "thoughtSignature" in part]


def _blocks(body: Wire) -> Iterator[Wire]:
    for message in body["messages"]:
        if isinstance(message["content"], list):
            yield from message["content"]


def _parts(body: Wire) -> Iterator[Wire]:
    for content in body["contents"]:
        yield from content["parts"]
