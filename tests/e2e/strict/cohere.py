"""What api.cohere.com refuses of a chat request.

https://docs.cohere.com/reference/chat, the types of the client `cohere`, errors seen in the field: unknown
members agno-agi/agno#3503, calls without results oracle/langchain-oracle#10.
"""

from __future__ import annotations

import inspect
from typing import Any

from cohere import AsyncClientV2
from cohere.types import ChatMessageV2, CitationOptions, Document, ResponseFormatV2, Thinking, ToolV2

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import data_url
from tests.e2e.strict.typed import Types, demand, within

MEMBERS = {*inspect.signature(AsyncClientV2.chat).parameters, "stream"} - {"self", "request_options"}
TYPES = {
    "messages": Types(list[ChatMessageV2]),
    "tools": Types(list[ToolV2]),
    "response_format": Types(ResponseFormatV2),
    "thinking": Types(Thinking),
    "citation_options": Types(CitationOptions),
    "documents": Types(list[str | Document]),
}
_RANGES = {
    "temperature": (0, 100),
    "p": (0.01, 0.99),
    "k": (0, 500),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
    "max_tokens": (0, 1_000_000),
    "seed": (0, 2**63),
}
PATH = "/v2/chat"


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(seen.headers.get("authorization", "").startswith("Bearer "), "no api key supplied", status=401)
    demand(seen.path == PATH, "invalid path", status=404)
    body = seen.body
    for member in body:
        demand(member in MEMBERS, f"unknown field: parameter '{member}' is not a valid field", status=422)
    demand(type(body.get("stream")) is bool, "stream must be a boolean", "stream")
    for member, types in TYPES.items():
        if body.get(member) is not None:
            types.hold(body[member])
    for key, (least, most) in _RANGES.items():
        within(body, key, least, most)
    demand(len(body.get("stop_sequences") or ()) <= 5, "too many stop sequences", "stop_sequences")
    _tools(body)
    _messages(body["messages"])


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    choice = body.get("tool_choice")
    demand(choice in {None, "REQUIRED", "NONE"}, "invalid tool_choice", "tool_choice")
    demand(choice != "REQUIRED" or tools, "tool_choice requires tools", "tool_choice")
    form = (body.get("response_format") or {}).get("type", "text")
    demand(
        form == "text" or not (tools or body.get("documents")),
        "cannot specify response_format with tools or documents",
        "response_format",
    )
    if body.get("strict_tools"):
        fit = all((tool["function"]["parameters"]).get("required") for tool in tools or ())
        demand(tools and fit, "strict tools need at least one required parameter", "tools")


def _messages(messages: list[dict[str, Any]]) -> None:
    demand(messages, "messages must not be empty", "messages")
    waiting: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message["role"] == "tool":
            id_ = message["tool_call_id"]
            demand(id_ in waiting, f"no preceding tool call with the id {id_}", where)
            waiting.remove(id_)
        else:
            said = "An assistant message with 'tool_calls' must be followed by tool messages"
            demand(not waiting, f"{said} responding to each 'tool_call_id'", where)
        if message["role"] == "assistant":
            waiting = [call["id"] for call in message.get("tool_calls") or ()]
            something = message.get("content") or message.get("tool_plan") or waiting
            demand(something, "an assistant message must not be empty", where)
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "image_url" and part["image_url"]["url"].startswith("data:"):
                data_url(part["image_url"]["url"], where)
    demand(not waiting, "tool calls without results", "messages")
