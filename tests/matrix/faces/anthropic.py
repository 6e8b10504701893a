"""POST /v1/messages, asked by Anthropic's official client."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
from anthropic import AsyncAnthropic
from anthropic.types import Message

from tests.matrix.asked import (
    BUDGET,
    CALLING,
    HALTED,
    HELLO,
    LOOKING,
    NAMES,
    PARIS,
    PNG_64,
    QUESTION,
    RESULTS,
    ROME,
    SCHEMA,
    WHERE,
    Fields,
)
from tests.matrix.faces.face import PATIENCE, Ask, Face
from tests.matrix.heard import Choice, Heard, Spent
from tests.matrix.permitted import Refused

# What is asked ------------------------------------------------------------------------------------


def _said(content: Any = HELLO, **fields: Any) -> Fields:
    return {"max_tokens": 64, "messages": [{"role": "user", "content": content}], **fields}


_TOOLS = [{"name": name, "input_schema": WHERE} for name in NAMES]
_SERIAL: Fields = {"type": "any", "disable_parallel_tool_use": False}
_ANSWERED = [
    {"role": "user", "content": QUESTION},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)}
            for id_, name, arguments in (PARIS, ROME)
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": id_, "content": told} for id_, told in RESULTS.items()
        ],
    },
]
_IMAGE: Fields = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG_64},
}
_FIELDS: dict[str, Fields] = {
    "text": _said(),
    "stream": _said(),
    "usage": _said(),
    "tools": _said(tools=_TOOLS, tool_choice={"type": "any"}),
    "parallel tools": _said(CALLING, tools=_TOOLS, tool_choice=_SERIAL),
    "tool results": {**_said(), "messages": _ANSWERED, "tools": _TOOLS},
    "image in": _said([{"type": "text", "text": LOOKING}, _IMAGE]),
    "JSON schema": _said(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
    "reasoning": _said(max_tokens=2 * BUDGET, thinking={"type": "enabled", "budget_tokens": BUDGET}),
    "stop": _said(HALTED, stop_sequences=["END"]),
}

# How it is asked ----------------------------------------------------------------------------------


def _opened(base: str) -> AbstractAsyncContextManager[AsyncAnthropic]:
    return AsyncAnthropic(base_url=base, api_key="any", max_retries=0, timeout=PATIENCE)


def _judged(ask: Callable[[AsyncAnthropic, Fields], Awaitable[Heard]]) -> Ask:
    """The same, with errors as values. The code is a detail where the type does not tell it."""

    async def asked(client: AsyncAnthropic, fields: Fields) -> Heard | Refused:
        try:
            return await ask(client, fields)
        except anthropic.APIStatusError as failed:
            body: Any = failed.body
            error = body["error"]
            code = error.get("details", {}).get("error_code") or error["type"]
            return Refused(failed.status_code, code, error.get("param"))

    return asked


async def _whole(client: AsyncAnthropic, fields: Fields) -> Heard:
    return _message(await client.messages.create(**fields))


async def _stream(client: AsyncAnthropic, fields: Fields) -> Heard:
    """The client adds the events up, and refuses those that do not belong together."""
    async with client.messages.stream(**fields) as stream:
        pieces = [event.text async for event in stream if event.type == "text"]
        heard = _message(await stream.get_final_message())
    assert "".join(pieces) == heard.first.text
    heard.first.pieces = len(pieces)
    return heard


# What is heard ------------------------------------------------------------------------------------

_FINISHES = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def _message(message: Message) -> Heard:
    choice = Choice(finish=_FINISHES[message.stop_reason or ""])
    for block in message.content:
        if block.type == "text":
            choice.say(block.text)
        elif block.type == "thinking":
            choice.reasoning += block.thinking
        elif block.type == "tool_use":
            choice.calls.append([block.id, block.name, json.dumps(block.input)])
    usage, details = message.usage, message.usage.output_tokens_details
    cached = usage.cache_read_input_tokens or 0
    read = usage.input_tokens + cached
    spent = Spent(
        input=read,
        cached=cached,
        output=usage.output_tokens,
        thought=(details.thinking_tokens or 0) if details else 0,
        total=read + usage.output_tokens,
    )
    return Heard([choice], spent, message.id)


FACE = Face(
    "anthropic",
    "Anthropic Messages",
    _opened,
    _FIELDS,
    {"whole": _judged(_whole), "streamed": _judged(_stream)},
    ("max_tokens",),
)
