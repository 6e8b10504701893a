"""Turns a conversation into messages for a chat template, and describes tools to models whose template does
not know tools. Pure.

If the template formats tools itself, calls and results keep their structure. Otherwise the system prompt
describes the tools and the form of a call (`call_text`), and earlier calls and results become text. A call
that the request forces does not depend on this description, because a grammar enforces the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.upstreams.local.protocol import Invocation, PromptTurn, ToolSpec


def call_text(name: str, arguments: str) -> str:
    """Return a tool call as text, in the form that `grammar.call_grammar` enforces. arguments: JSON, "" = no
    arguments.
    """
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {arguments or "{}"}}}'


def structured(turns: Sequence[PromptTurn], tools: Sequence[ToolSpec]) -> tuple[list[Any], list[Any]]:
    """Return (messages, tools) as new dicts with the keys of OpenAI's chat API, for a chat template that
    formats tools itself. The arguments of a call are decoded; those that are not JSON remain text.
    """
    return [_structured(turn) for turn in turns], [_declared(tool) for tool in tools]


def plain(turns: Sequence[PromptTurn], tools: Sequence[ToolSpec]) -> list[dict[str, str]]:
    """Return messages with only role and text, for a chat template that does not know tools. Calls become
    text, and results become user messages. The description of the tools, if there are any, is added to the
    first message if that is a system message, or becomes a new system message at the beginning.
    """
    messages = [_plain(turn) for turn in turns]
    return _with_system(messages, describe(tools)) if tools else messages


def alternating(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a copy of the conversation for a chat template that requires alternating user and assistant
    messages. System messages become user messages, and adjacent messages of the same role are joined, with an
    empty line between. Tool messages and messages with calls are not joined.
    """
    kept: list[dict[str, Any]] = []
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        last = kept[-1] if kept else {}
        if last.get("role") == role != "tool" and not {"tool_calls"} & (last.keys() | message.keys()):
            last["content"] = f"{last['content']}\n\n{message['content']}"
        else:
            kept.append({**message, "role": role})
    return kept


def describe(tools: Sequence[ToolSpec]) -> str:
    """Return the text for the system message that lists the tools and says how to call one."""
    lines = [
        "You can use these tools. To use one, answer with nothing but one JSON object of this form:",
        call_text("TOOL", '{"PARAMETER": "VALUE"}'),
        "",
    ]
    for tool in tools:
        about = f": {tool.description}" if tool.description else ""
        lines.append(f"- {tool.name}{about}\n  Parameters: {tool.parameters or 'none'}")
    return "\n".join(lines)


def _with_system(messages: list[dict[str, str]], text: str) -> list[dict[str, str]]:
    if messages and messages[0]["role"] == "system":
        first = {"role": "system", "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _plain(turn: PromptTurn) -> dict[str, str]:
    if turn.role == "tool":
        return {"role": "user", "content": f"Result of {turn.name or 'the tool'}:\n{turn.text}"}
    calls = (call_text(call.name, call.arguments) for call in turn.calls)
    return {"role": turn.role, "content": "\n".join(part for part in (turn.text, *calls) if part)}


def _structured(turn: PromptTurn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [_called(call) for call in turn.calls]
    if turn.role == "tool":
        message |= {"name": turn.name, "tool_call_id": turn.id}
    return message


def _called(call: Invocation) -> dict[str, Any]:
    try:
        # Templates write arguments with `tojson`, so they need the decoded object.
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = call.arguments
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _declared(tool: ToolSpec) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description or "",
        "parameters": json.loads(tool.parameters or '{"type": "object", "properties": {}}'),
    }
    return {"type": "function", "function": function}
