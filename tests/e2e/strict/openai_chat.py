"""What api.openai.com refuses of a chat request; a model with a slash stands for OpenRouter.

https://platform.openai.com/docs/api-reference/chat/create, types of the client `openai`, errors seen there.
OpenRouter takes and gives images beyond the specification: https://openrouter.ai/docs/features/images
"""

from __future__ import annotations

import json
import re
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParams

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import base64_of, data_url
from tests.e2e.strict.typed import Types, demand, within

TYPES = Types(CompletionCreateParams)
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "n": (1, 128),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "top_logprobs": (0, 20),
}
_THINKS = re.compile(r"(o\d|gpt-5)")
VOICES = {
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
}


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(
        seen.headers.get("authorization", "").startswith("Bearer "),
        "You didn't provide an API key.",
        status=401,
    )
    body = seen.body
    root = "/api/v1" if "/" in body.get("model", "") else "/v1"
    demand(seen.path == f"{root}/chat/completions", f"Invalid URL (POST {seen.path})", status=404)
    TYPES.hold(_specified(body))
    for key, (least, most) in _RANGES.items():
        within(body, key, least, most)
    _combinations(body)
    _model(body)
    _tools(body)
    _form(body)
    _messages(body["messages"])


def _specified(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what is taken beyond the types.

    Nulls, OpenRouter's images, the name of a tool beside its result (recorded: taken with 200), and what an
    answer has in the client's hands: annotations, parsed values.
    """
    body = {key: value for key, value in body.items() if value is not None}
    tolerated = {"annotations", "parsed"}
    if "/" in body.get("model", ""):
        tolerated.add("images")
        body["modalities"] = [one for one in body.get("modalities", ()) if one != "image"]
    body["messages"] = [
        {
            key: [_unparsed(call) for call in value] if key == "tool_calls" else value
            for key, value in message.items()
            if key not in tolerated and (key, message.get("role")) != ("name", "tool")
        }
        for message in body.get("messages", ())
    ]
    return body


def _unparsed(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    plain = {key: value for key, value in function.items() if key != "parsed_arguments"}
    return {**call, "function": plain} if function else call


def _combinations(body: dict[str, Any]) -> None:
    demand(body["messages"], "Invalid 'messages': empty array.", "messages", "empty_array")
    stop = body.get("stop")
    demand(not isinstance(stop, list) or len(stop) <= 4, "Expected at most 4 stop sequences.", "stop")
    both = body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None
    demand(not both, "max_tokens and max_completion_tokens exclude each other.", "max_tokens")
    demand(not body.get("stream_options") or body.get("stream"), "Only with 'stream'.", "stream_options")
    demand(body.get("top_logprobs") is None or body.get("logprobs"), "Needs 'logprobs'.", "top_logprobs")


def _model(body: dict[str, Any]) -> None:
    model = body["model"]
    if _THINKS.match(model):
        code = "unsupported_parameter"
        demand("max_tokens" not in body, "Use 'max_completion_tokens' instead.", "max_tokens", code)
        temperature = body.get("temperature")
        demand(
            temperature in {None, 1}, "Only the default (1) is supported.", "temperature", "unsupported_value"
        )
    else:
        demand("reasoning_effort" not in body or "/" in model, "Unrecognized argument.", "reasoning_effort")
    if "audio" in (body.get("modalities") or ()):
        demand("audio" in model, "This model does not speak.", "modalities")
        demand("text" in body["modalities"], "Supported: ['text'] and ['text', 'audio'].", "modalities")
        demand(body.get("audio"), "Needs 'audio'.", "audio")
        demand(body["audio"]["voice"] in VOICES, "No such voice.", "audio.voice")
        wanted = "pcm16" if body.get("stream") else body["audio"]["format"]
        demand(body["audio"]["format"] == wanted, "Streams have the format pcm16.", "audio.format")


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    choice = body.get("tool_choice")
    demand(tools != [], "[] is too short - 'tools'", "tools")
    demand(
        choice is None or tools, "'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"
    )
    demand(
        body.get("parallel_tool_calls") is None or tools,
        "'parallel_tool_calls' is only allowed when 'tools' are specified.",
        "parallel_tool_calls",
    )
    names = [tool[tool["type"]]["name"] for tool in tools or ()]
    for index, (tool, name) in enumerate(zip(tools or (), names, strict=True)):
        path = f"tools[{index}].{tool['type']}"
        demand(NAME.fullmatch(name), "does not match pattern '^[a-zA-Z0-9_-]+$'", f"{path}.name")
        if tool["type"] == "function" and tool["function"].get("strict"):
            closed(tool["function"]["parameters"], f"{path}.parameters")
    if isinstance(choice, dict) and choice["type"] == "function":
        demand(choice["function"]["name"] in names, "Tool choice not found in 'tools'.", "tool_choice")


def closed(schema: Any, path: str) -> None:
    """The rules of strict schemas: every object closed, every property required."""
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            closed(one, f"{path}[{index}]")
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            demand(schema.get("additionalProperties") is False, "'additionalProperties' must be false", path)
            missing = set(schema.get("properties", {})) - set(schema.get("required", ()))
            demand(not missing, f"'required' must include {sorted(missing)}", path)
        for key, value in schema.items():
            closed(value, f"{path}.{key}")


def _form(body: dict[str, Any]) -> None:
    form: dict[str, Any] = body.get("response_format") or {"type": "text"}
    if form["type"] == "json_object":
        said = json.dumps(body["messages"]).lower()
        demand("json" in said, "'messages' must contain the word 'json' in some form.", "messages")
    elif form["type"] == "json_schema":
        inner = form["json_schema"]
        demand(NAME.fullmatch(inner["name"]), "does not match pattern", "response_format.json_schema.name")
        if inner.get("strict"):
            closed(inner["schema"], "response_format.json_schema.schema")


def _messages(messages: list[dict[str, Any]]) -> None:
    waiting: dict[str, int] = {}
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message["role"] == "tool":
            known = waiting.pop(message["tool_call_id"], None)
            demand(
                known is not None,
                "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                f"{path}.role",
            )
        else:
            _answered(waiting, path)
        if message["role"] == "assistant":
            _assistant(message, path)
            waiting = {call["id"]: index for call in message.get("tool_calls") or ()}
        for place, part in enumerate(_parts(message)):
            _part(part, f"{path}.content[{place}]")
    _answered(waiting, "messages")


def _answered(waiting: dict[str, int], path: str) -> None:
    demand(
        not waiting,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
        path,
    )


def _assistant(message: dict[str, Any], path: str) -> None:
    says = message.get("content") is not None or message.get("refusal") or message.get("audio")
    calls = message.get("tool_calls")
    demand(calls != [], "[] is too short", f"{path}.tool_calls")
    demand(says or calls or message.get("function_call"), "Expected 'content' or 'tool_calls'.", path)
    for place, call in enumerate(calls or ()):
        name = call[call["type"]]["name"]
        demand(NAME.fullmatch(name), "does not match pattern", f"{path}.tool_calls[{place}].function.name")


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _part(part: dict[str, Any], path: str) -> None:
    if part["type"] == "image_url":
        url = part["image_url"]["url"]
        demand(url.startswith(("http://", "https://", "data:image/")), "Invalid image URL.", path)
        if url.startswith("data:"):
            data_url(url, path)
    elif part["type"] == "input_audio":
        base64_of(part["input_audio"]["data"], f"{path}.input_audio.data")
