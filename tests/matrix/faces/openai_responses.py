"""POST /v1/responses, and the same over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI

from tests.matrix.asked import (
    AGAIN,
    CALLING,
    DATA_URL,
    HELLO,
    LOOKING,
    NAMES,
    PARIS,
    QUESTION,
    RESULTS,
    ROME,
    SCHEMA,
    WAV_64,
    WHERE,
    Fields,
)
from tests.matrix.faces.face import PATIENCE, Face
from tests.matrix.faces.openai_client import judged, opened, refused
from tests.matrix.heard import Choice, Heard, Spent
from tests.matrix.permitted import Refused

# What is asked ------------------------------------------------------------------------------------


def _put(content: Any = HELLO, **fields: Any) -> Fields:
    return {"input": [{"role": "user", "content": content}], **fields}


def _near(part: Fields) -> Fields:
    return _put([{"type": "input_text", "text": LOOKING}, part])


_TOOLS = [{"type": "function", "name": name, "parameters": WHERE, "strict": False} for name in NAMES]
_ITEMS: list[Fields] = [
    {"role": "user", "content": QUESTION},
    *(
        {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
        for id_, name, arguments in (PARIS, ROME)
    ),
    *({"type": "function_call_output", "call_id": id_, "output": told} for id_, told in RESULTS.items()),
]
_FORM: Fields = {"type": "json_schema", "name": "city", "strict": True, "schema": SCHEMA}
_FIELDS: dict[str, Fields] = {
    "text": _put(),
    "stream": _put(),
    "usage": _put(),
    "tools": _put(tools=_TOOLS, tool_choice="required"),
    "parallel tools": _put(CALLING, tools=_TOOLS, tool_choice="required", parallel_tool_calls=True),
    "tool results": {"input": _ITEMS, "tools": _TOOLS},
    "image in": _near({"type": "input_image", "image_url": DATA_URL, "detail": "auto"}),
    "audio in": _near({"type": "input_audio", "input_audio": {"data": WAV_64, "format": "wav"}}),
    "JSON schema": _put(text={"format": _FORM}),
    "reasoning": _put(reasoning={"effort": "high", "summary": "auto"}),
    "logprobs": _put(include=["message.output_text.logprobs"], top_logprobs=2),
    "continuation": _put(AGAIN),
    "background": _put(background=True),
}

# How it is asked ----------------------------------------------------------------------------------


async def _whole(client: AsyncOpenAI, fields: Fields) -> Heard:
    told = await client.responses.create(**fields)
    async with asyncio.timeout(PATIENCE):
        while told.status in {"queued", "in_progress"}:
            await asyncio.sleep(0.02)
            told = await client.responses.retrieve(told.id)
    return _response(told)


async def _stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.responses.create(**fields, stream=True)
    return _events([event async for event in stream])


async def _socket(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
    events: list[Any] = []
    async with asyncio.timeout(PATIENCE), client.responses.connect() as connection:
        await connection.response.create(**fields)
        async for event in connection:
            if event.type == "error":
                return refused(event.model_dump())
            events.append(event)
            if event.type in _ENDS:
                break
    return _events(events)


# What is heard ------------------------------------------------------------------------------------

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FINISHES = {"completed": "stop", "incomplete": "length"}


def _response(told: Any) -> Heard:
    choice = Choice(finish=_FINISHES[told.status])
    for item in told.output:
        if item.type == "message":
            for part in item.content:
                choice.say(part.text)
                choice.tokens += [(token.token, len(token.top_logprobs)) for token in part.logprobs or ()]
        elif item.type == "reasoning":
            choice.reasoning += "".join(part.text for part in (*item.summary, *(item.content or ())))
        elif item.type == "function_call":
            choice.calls.append([item.call_id, item.name, item.arguments])
    if choice.calls and choice.finish == "stop":
        choice.finish = "tool_calls"
    usage = told.usage
    spent = Spent(
        input=usage.input_tokens,
        cached=usage.input_tokens_details.cached_tokens,
        output=usage.output_tokens,
        thought=usage.output_tokens_details.reasoning_tokens,
        total=usage.total_tokens,
    )
    return Heard([choice], spent, told.id)


def _events(events: Sequence[Any]) -> Heard:
    """What the last event says, which must be what the others say together."""
    heard = _response(events[-1].response)
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == heard.first.text
    arguments = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(arguments) == "".join(call[2] for call in heard.first.calls)
    heard.first.pieces = len(pieces)
    return heard


FACE = Face(
    "openai_responses",
    "OpenAI Responses",
    opened,
    _FIELDS,
    {"whole": judged(_whole), "streamed": judged(_stream), "socket": _socket},
    ("max_output_tokens",),
)
