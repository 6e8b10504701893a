"""What api.mistral.ai refuses of a chat request.

https://docs.mistral.ai/api/#tag/chat, the types of the client `mistralai`, errors seen in the field: ids
pydantic/pydantic-ai#3733, order of roles BerriAI/litellm#17761.
"""

from __future__ import annotations

import re
from typing import Any

from mistralai.client.models import ChatCompletionRequest

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import base64_of, data_url
from tests.e2e.strict.typed import Types, demand, within

TYPES = Types(ChatCompletionRequest)
ID = re.compile(r"[A-Za-z0-9]{9}")
NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
ORDER = "3230"
_RANGES = {
    "temperature": (0, 1.5),
    "top_p": (0, 1),
    "n": (1, 128),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "max_tokens": (0, 1_000_000),
    "random_seed": (0, 2**63),
}
_BEFORE: dict[str, set[str | None]] = {
    "user": {None, "system", "user", "assistant"},  # since a while also tool, by some models
    "assistant": {None, "system", "user", "assistant", "tool"},
    "tool": {"assistant", "tool"},
    "system": {None, "system", "user"},
}
"""By role, the roles that it may follow, as mistral-common has it (https://github.com/mistralai/mistral-common)."""
_MEMBERS = {
    "text": ("text",),
    "image_url": ("image_url",),
    "document_url": ("document_url", "document_name"),
    "input_audio": ("input_audio",),
    "file": ("file_id",),
    "reference": ("reference_ids",),
    "thinking": ("thinking", "signature", "closed"),
}
_CHOICES = {"auto", "none", "any", "required"}


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(seen.headers.get("authorization", "").startswith("Bearer "), "Unauthorized", status=401)
    demand(seen.path == "/v1/chat/completions", "no Route matched with those values", status=404)
    body = seen.body
    TYPES.hold(body)
    for key, (least, most) in _RANGES.items():
        within(body, key, least, most)
    _tools(body)
    form = (body.get("response_format") or {}).get("type", "text")
    demand(form in {"text", "json_object", "json_schema"}, "unknown response format", "response_format.type")
    _messages(body["messages"])


def _tools(body: dict[str, Any]) -> None:
    names = [tool["function"]["name"] for tool in body.get("tools") or () if "function" in tool]
    for index, name in enumerate(names):
        demand(
            NAME.fullmatch(name),
            "Function name must be a-z, A-Z, 0-9, or contain underscores",
            f"tools[{index}]",
        )
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        demand(choice in _CHOICES, "unknown tool choice", "tool_choice")
    elif choice is not None:
        demand(choice["function"]["name"] in names, "tool choice names no tool", "tool_choice.function.name")
    forced = choice not in {None, "auto", "none"} if not isinstance(choice, dict) else True
    demand(names or not forced, "tool_choice needs tools", "tool_choice")


def _messages(messages: list[dict[str, Any]]) -> None:
    demand(messages, "Conversation must have at least one message", "messages", ORDER)
    before: str | None = None
    waiting: list[str] = []
    for index, message in enumerate(messages):
        role = message["role"]
        where = f"messages[{index}]"
        demand(before in _BEFORE[role], f"Unexpected role '{role}' after role '{before}'", where, ORDER)
        if role == "tool":
            id_ = message.get("tool_call_id") or ""
            _identity(id_)
            demand(id_ in waiting, f"Unexpected tool call id {id_} in tool results", where, ORDER)
            waiting.remove(id_)
        else:
            demand(not waiting, "Not the same number of function calls and responses", where, ORDER)
        if role == "assistant":
            waiting = _assistant(message, where)
        _parts(message, where)
        before = role
    demand(not waiting, "Not the same number of function calls and responses", "messages", ORDER)
    last = messages[-1]
    demand(
        last["role"] in {"user", "tool"} or last.get("prefix"),
        f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last['role']}",
        "messages",
        ORDER,
    )


def _identity(id_: str) -> None:
    demand(
        ID.fullmatch(id_),
        f"Tool call id was {id_} but must be a-z, A-Z, 0-9, with a length of 9.",
        code="3280",
    )


def _assistant(message: dict[str, Any], where: str) -> list[str]:
    calls = message.get("tool_calls") or []
    demand(
        message.get("content") or calls,
        "Assistant message must have either content or tool_calls, but not none.",
        where,
        "3240",
    )
    for call in calls:
        _identity(call.get("id") or "")
    return [call["id"] for call in calls]


def _parts(message: dict[str, Any], where: str) -> None:
    content = message.get("content")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        path = f"{where}.content[{index}]"
        members = _MEMBERS.get(part["type"])
        demand(members is not None, f"unknown chunk {part['type']!r}", f"{path}.type")
        demand(set(part) <= {"type", *(members or ())}, "Extra inputs are not permitted", path)
        if part["type"] == "image_url":
            stated: Any = part["image_url"]
            url: str = stated["url"] if isinstance(stated, dict) else stated
            demand(url.startswith(("http://", "https://", "data:image/")), "Invalid image URL", path)
            if url.startswith("data:"):
                data_url(url, path)
        elif part["type"] == "input_audio":
            stated = part["input_audio"]
            sound: str = stated["data"] if isinstance(stated, dict) else stated
            if not sound.startswith("http"):
                base64_of(sound, path)
