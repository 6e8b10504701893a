"""POST /api/chat, asked by Ollama's official client."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import ollama
from ollama import AsyncClient, ChatResponse

from tests.matrix.asked import (
    CALLING,
    HALTED,
    HELLO,
    LOOKING,
    NAMES,
    PARIS,
    PICTURE,
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


def _said(content: str = HELLO, **fields: Any) -> Fields:
    return {"messages": [{"role": "user", "content": content}], **fields}


_TOOLS = [{"type": "function", "function": {"name": name, "parameters": WHERE}} for name in NAMES]
_ANSWERED = [
    {"role": "user", "content": QUESTION},
    {
        "role": "assistant",
        "tool_calls": [
            {"function": {"name": name, "arguments": json.loads(arguments)}}
            for _, name, arguments in (PARIS, ROME)
        ],
    },
    *({"role": "tool", "tool_name": name, "content": RESULTS[id_]} for id_, name, _ in (PARIS, ROME)),
]
_FIELDS: dict[str, Fields] = {
    "text": _said(),
    "stream": _said(),
    "usage": _said(),
    "tools": _said(CALLING, tools=_TOOLS),
    "parallel tools": _said(CALLING, tools=_TOOLS),
    "tool results": {"messages": _ANSWERED, "tools": _TOOLS},
    "image in": {"messages": [{"role": "user", "content": LOOKING, "images": [PICTURE]}]},
    "JSON schema": _said(format=SCHEMA),
    "reasoning": _said(think="high"),
    "logprobs": _said(logprobs=True, top_logprobs=2),
    "stop": _said(HALTED, options={"stop": ["END"]}),
    "seed": _said(options={"seed": 7}),
}

# How it is asked ----------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(base: str) -> AsyncGenerator[AsyncClient, None]:
    client = AsyncClient(host=base, timeout=PATIENCE)
    try:
        yield client
    finally:
        await client.close()  # type: ignore[no-untyped-call]


def _judged(ask: Callable[[AsyncClient, Fields], Awaitable[Heard]]) -> Ask:
    """The same, with errors as values. They are a status and a sentence here."""

    async def asked(client: AsyncClient, fields: Fields) -> Heard | Refused:
        try:
            return await ask(client, fields)
        except ollama.ResponseError as failed:
            return Refused(failed.status_code)

    return asked


async def _whole(client: AsyncClient, fields: Fields) -> Heard:
    return _heard([await client.chat(**fields)])


async def _stream(client: AsyncClient, fields: Fields) -> Heard:
    stream: Any = await client.chat(**fields, stream=True)
    return _heard([line async for line in stream])


# What is heard ------------------------------------------------------------------------------------


def _heard(lines: Sequence[ChatResponse]) -> Heard:
    choice = Choice()
    for line in lines:
        message = line.message
        choice.say(message.content)
        choice.reasoning += message.thinking or ""
        for call in message.tool_calls or ():
            # This client does not read the ids of calls.
            id_ = f"call_{len(choice.calls)}"
            choice.calls.append([id_, call.function.name, json.dumps(call.function.arguments)])
        choice.tokens += [(one.token, len(one.top_logprobs or ())) for one in line.logprobs or ()]
    last = lines[-1]
    assert last.done
    choice.finish = "tool_calls" if choice.calls else last.done_reason
    read, said = last.prompt_eval_count or 0, last.eval_count or 0
    return Heard([choice], Spent(input=read, cached=0, output=said, thought=None, total=read + said))


FACE = Face(
    "ollama",
    "Ollama chat",
    _opened,
    _FIELDS,
    {"whole": _judged(_whole), "streamed": _judged(_stream)},
    ("options", "num_predict"),
    # Calls cannot be forced, and have no ids that this client reads.
    means={"tools": "offered tools", "parallel tools": "offered tools", "tool results": "named results"},
)
