"""What clients ask, as bytes: small questions, and those of coding agents.

Sizes, shapes and headers are those of the official clients and of coding agents. Nothing here may depend on
anything but the arguments: equal ones give equal bytes.
"""

from __future__ import annotations

import base64
import functools
import json
import random
from collections.abc import Callable
from typing import Any, Literal

from bench.load import Shot

CLIENT_KEY = "bench-client-key-0123456789abcdef"
"""The key that the gateway asks of its clients in the benchmark."""

Question = Literal["small", "long", "agent", "tools", "image"]
"""`small`: some sentences. `long`: a prompt of 100 kB. `agent`: a coding agent's session, 200 kB of files
that it read. `tools`: a small question with 40 tools, 25 kB. `image`: a picture in the body, 8 MB."""

LONG_PROMPT = 100_000
SESSION = 200_000
TOOLS = 40
IMAGE = 8_000_000
"""Bytes of a long prompt, of an agent's whole body and of an image's, about; and a number of tools."""

Json = dict[str, Any]

_BEGIN = "accept: application/json\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
_MACHINE = (
    "x-stainless-os: Linux\r\n"
    "x-stainless-arch: x64\r\n"
    "x-stainless-runtime: CPython\r\n"
    "x-stainless-runtime-version: 3.11.7\r\n"
    "x-stainless-async: async:asyncio\r\n"
    "x-stainless-retry-count: 0\r\n"
)
"""Lines that the official Python clients of OpenAI and Anthropic have in common."""

_CLIENT_HEADERS = (
    f"{_BEGIN}user-agent: OpenAI/Python 3.54.0\r\n"
    "x-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\n"
    f"{_MACHINE}x-stainless-read-timeout: 600\r\n"
    f"authorization: Bearer {CLIENT_KEY}\r\n"
)
"""What the official Python client of OpenAI sends with each request."""

_MESSAGES_HEADERS = (
    f"{_BEGIN}user-agent: AsyncAnthropic/Python 2.12.0\r\n"
    "x-stainless-lang: python\r\nx-stainless-package-version: 2.12.0\r\n"
    f"{_MACHINE}x-stainless-timeout: 600\r\n"
    "anthropic-version: 2023-06-01\r\n"
    f"x-api-key: {CLIENT_KEY}\r\n"
)
"""The same of Anthropic's."""


def chat_request(model: str, question: Question = "small") -> Json:
    """A chat request; a small one is of a usual size."""
    return {
        **_QUESTIONS[question](),
        "model": model,
        "max_completion_tokens": 512,
        "temperature": 0.7,
    }


def shot(
    port: int, model: str, *, stream: bool = False, usage: bool = False, question: Question = "small"
) -> Shot:
    """`chat_request` for `model` over HTTP; `usage` asks for the stream's usage chunk."""
    body = chat_request(model, question)
    if stream:
        body["stream"] = True
    if usage:
        body["stream_options"] = {"include_usage": True}
    return _posted(port, "/v1/chat/completions", _CLIENT_HEADERS, body)


def responses_shot(port: int, model: str, *, stream: bool = False, store: bool = False) -> Shot:
    """The same words as `chat_request`'s, asked of the Responses API. store: the answer is to be kept."""
    chat = chat_request(model)
    system, user = (message["content"] for message in chat["messages"])
    body = {
        "input": [{"role": "user", "content": user}],
        "instructions": system,
        "model": model,
        "max_output_tokens": chat["max_completion_tokens"],
        "temperature": chat["temperature"],
        "store": store,
    }
    if stream:
        body["stream"] = True
    return _posted(port, "/v1/responses", _CLIENT_HEADERS, body)


def messages_shot(port: int, model: str, *, stream: bool = False) -> Shot:
    """The same words, asked of the Messages API."""
    chat = chat_request(model)
    system, user = (message["content"] for message in chat["messages"])
    body = {
        "max_tokens": chat["max_completion_tokens"],
        "messages": [{"role": "user", "content": user}],
        "model": model,
        "system": system,
        "temperature": chat["temperature"],
    }
    if stream:
        body["stream"] = True
    return _posted(port, "/v1/messages", _MESSAGES_HEADERS, body)


def _posted(port: int, path: str, headers: str, body: Json) -> Shot:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{headers}content-length: {len(encoded)}\r\n\r\n"
    )
    return Shot(port, head.encode() + encoded)


def _small() -> Json:
    return {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say some words that flow past, then some more. " * 4},
        ]
    }


def _long() -> Json:
    line = 'Of all that was said here, this sentence says the least; "so it seems", they wrote.\n'
    return {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": line * (LONG_PROMPT // len(line))},
        ]
    }


def _agent() -> Json:
    """A coding agent reads one file after another, with the answers of its tools in the conversation."""
    file = 'def total(rows: list[dict[str, int]]) -> int:\n    return sum(row["n"] for row in rows)\n\n' * 40
    messages: list[Json] = [
        {"role": "system", "content": "You are a coding agent. Work in small steps and test each.\n" * 150},
        {"role": "user", "content": "Make the totals right."},
    ]
    for number in range(SESSION // (len(file) + 500)):
        call = {"name": "tool_0", "arguments": json.dumps({"path": f"src/part_{number}.py", "depth": 2})}
        messages += [
            {
                "role": "assistant",
                "content": f"I read part {number}.",
                "tool_calls": [{"id": f"call_{number:024d}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{number:024d}", "content": file},
        ]
    return {"messages": messages, "tools": _tools(12)}


def _with_tools() -> Json:
    return {**_small(), "tools": _tools(TOOLS), "tool_choice": "auto"}


def _tools(number: int) -> list[Json]:
    return [
        {
            "type": "function",
            "function": {
                "name": f"tool_{i}",
                "description": f"Reads, searches or changes files of the project, in way {i}. " * 4,
                "parameters": {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string", "description": "Where, from the project's folder."},
                        "depth": {"type": "integer", "description": "How many folders down.", "minimum": 0},
                        "kind": {"type": "string", "enum": ["file", "folder", "link"]},
                        "names": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["path"],
                    "additionalProperties": False,
                },
            },
        }
        for i in range(number)
    ]


@functools.cache
def _picture() -> str:
    """A data URL of random bytes behind the signature of PNG."""
    data = b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(IMAGE * 3 // 4)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _image() -> Json:
    asked = [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": _picture()}},
    ]
    return {"messages": [{"role": "user", "content": asked}]}


_QUESTIONS: dict[Question, Callable[[], Json]] = {
    "small": _small,
    "long": _long,
    "agent": _agent,
    "tools": _with_tools,
    "image": _image,
}
