"""What api.openai.com refuses of a request for an answer.

https://platform.openai.com/docs/api-reference/responses/create, types of the client `openai`, errors seen
there.
"""

from __future__ import annotations

import re
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParams

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import data_url
from tests.e2e.strict.openai_chat import NAME, closed
from tests.e2e.strict.typed import Types, demand, within

TYPES = Types(ResponseCreateParams)
SEALED = "reasoning.encrypted_content"
_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "top_logprobs": (0, 20), "max_output_tokens": (16, 2**31)}
_THINKS = re.compile(r"(o\d|gpt-5)")
_IDS = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_"}
_OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(
        seen.headers.get("authorization", "").startswith("Bearer "),
        "You didn't provide an API key.",
        status=401,
    )
    demand(seen.path == "/v1/responses", f"Invalid URL (POST {seen.path})", status=404)
    body = seen.body
    TYPES.hold(_typed(body))
    for key, (least, most) in _RANGES.items():
        within(body, key, least, most)
    demand(body.get("input"), "Missing required parameter: 'input'.", "input", "missing_required_parameter")
    _model(body)
    _tools(body)
    _items(body["input"])


def _typed(body: dict[str, Any]) -> dict[str, Any]:
    """The body without the ids of its messages: the API lists them with ids and takes them back, which the
    types of messages do not know. Thoughts that are sealed and an assistant's words need none, as the
    recordings of Codex and Vercel's client show (200, not stored); the types demand it. So they do of
    `strict`, which recorded functions lack.
    """
    if body.get("tools"):
        body = {**body, "tools": [_stated(tool) for tool in body["tools"]]}
    if isinstance(body.get("input"), str):
        return body
    items = [
        {key: value for key, value in item.items() if key != "id"}
        if item.get("role") == "user"
        else _named(item)
        for item in body.get("input") or ()
    ]
    return {**body, "input": items}


def _stated(tool: dict[str, Any]) -> dict[str, Any]:
    return {"strict": None, **tool} if tool.get("type") == "function" else tool


def _named(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("type") == "reasoning" and "encrypted_content" in item:
        return {"id": "rs_1", **item}
    if item.get("role") == "assistant" and isinstance(item.get("content"), list):
        return {"id": "msg_1", "type": "message", "status": "completed", **item}
    return item


def _model(body: dict[str, Any]) -> None:
    if not _THINKS.match(body["model"]):
        demand(SEALED not in body.get("include", ()), "Encrypted content is not supported with this model.")
        demand("reasoning" not in body, "Unsupported parameter.", "reasoning", "unsupported_parameter")


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools") or []
    names = [tool["name"] for tool in tools if "name" in tool]
    for index, tool in enumerate(tools):
        if tool["type"] == "function":
            demand(NAME.fullmatch(tool["name"]), "does not match pattern", f"tools[{index}].name")
            if tool.get("strict"):
                closed(tool["parameters"], f"tools[{index}].parameters")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and "name" in choice:
        demand(choice["name"] in names, "Tool choice not found in 'tools' parameter.", "tool_choice")
    form = (body.get("text") or {}).get("format") or {}
    if form.get("strict"):
        closed(form["schema"], "text.format.schema")


def _items(items: Any) -> None:
    """Every output has a call before it, every call an output after it; ids have the form of its own."""
    if isinstance(items, str):
        return
    for index, item in enumerate(items):
        kind, stated = item.get("type", "message"), item.get("id")
        known = stated is None or kind not in _IDS or stated.startswith(_IDS[kind])
        demand(known, f"Invalid 'input[{index}].id': '{stated}'.", f"input[{index}].id")
        sealed = kind != "reasoning" or item.get("encrypted_content")
        demand(sealed, f"Item with id '{stated}' not found.", f"input[{index}]", status=404)
    waiting: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        if kind in _OUTPUTS.values():
            waiting[kind, item["call_id"]] = index
        elif kind in _OUTPUTS:
            known = waiting.pop((_OUTPUTS[kind], item["call_id"]), None)
            said = f"No tool call found for function call output with call_id {item['call_id']}."
            demand(known is not None, said, f"input[{index}]")
        elif isinstance(item.get("content"), list):
            for place, part in enumerate(item["content"]):
                if part.get("image_url", "").startswith("data:"):
                    data_url(part["image_url"], f"input[{index}].content[{place}].image_url")
    demand(not waiting, f"No tool output found for function call {[id_ for _, id_ in waiting]}.", "input")
