"""What api.anthropic.com refuses of a request for messages.

https://platform.claude.com/docs/en/api/messages, types of the client `anthropic`, errors seen in the field.
"""

from __future__ import annotations

import re
from typing import Any

from anthropic.types import message_create_params as plain
from anthropic.types.beta import message_create_params as beta

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import base64_of
from tests.e2e.strict.typed import Types, demand, within

TYPES = Types(plain.MessageCreateParams)
BETA_TYPES = Types(beta.MessageCreateParams)
"""What is taken of those who name a beta."""
_BETAS = {
    "mcp_servers": ("mcp-client-",),
    "context_management": ("context-management-", "compact-"),
}
"""Members that are taken of those alone who name one of these betas."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
ID = re.compile(r"[A-Za-z0-9_-]+")
VERSIONS = {"2023-06-01", "2026-10-21"}
IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_SAMPLING = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 500)}
# What single generations refuse: platform.claude.com, the pages of models, thinking and structured outputs.
_NEWEST = re.compile(r"claude-(opus-4-[78]|opus-5|sonnet-5|fable-5)")
_NO_PREFILL = re.compile(r"claude-(opus-4-[678]|sonnet-4-6|opus-5|sonnet-5|fable-5)")
_NO_FORCE = re.compile(r"claude-(opus-5-5|sonnet-5-5|fable-5-1)")
_NO_FORM = re.compile(r"claude-(3|sonnet-4-2|opus-4-2)")


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(seen.headers.get("x-api-key"), "x-api-key header is required", status=401)
    version = seen.headers.get("anthropic-version")
    demand(version in VERSIONS, "anthropic-version: header is required")
    demand(seen.path == "/v1/messages", "Not Found", status=404)
    body = seen.body
    for key, (least, most) in _SAMPLING.items():
        within(body, key, least, most)
    old = version == "2023-06-01"  # the newer version has no sampling parameters, and so have the types
    named = seen.headers.get("anthropic-beta")
    demand("betas" not in body, "betas: Extra inputs are not permitted", "betas")
    (TYPES if named is None else BETA_TYPES).hold(
        {key: value for key, value in body.items() if not (old and key in _SAMPLING)}
    )
    for member, words in _BETAS.items():
        allowed = member not in body or any(word in (named or "") for word in words)
        demand(allowed, f"{member}: Extra inputs are not permitted", member)
    within(body, "max_tokens", 0, 128_000)
    for index, text in enumerate(body.get("stop_sequences") or ()):
        demand(text.strip(), "each stop sequence must contain non-whitespace", f"stop_sequences[{index}]")
    _tools(body)
    _thinking(body)
    if form := (body.get("output_config") or {}).get("format"):
        closed(form["schema"], "output_config.format.schema")
    system = body.get("system")
    for index, block in enumerate(system if isinstance(system, list) else ()):
        demand(block["text"].strip(), "text content blocks must be non-empty", f"system[{index}].text")
    _messages(body["messages"])
    _generation(body)


def _tools(body: dict[str, Any]) -> None:
    names = []
    for index, tool in enumerate(body.get("tools") or ()):
        names.append(tool["name"])
        demand(NAME.fullmatch(tool["name"]), "String should match pattern", f"tools[{index}].name")
        if "input_schema" in tool:
            kind = tool["input_schema"].get("type")
            demand(kind == "object", "Input should be 'object'", f"tools[{index}].input_schema.type")
    demand(len(names) == len(set(names)), "Tool names must be unique.", "tools")
    choice = body.get("tool_choice")
    demand(choice is None or names, "tool_choice may only be specified while providing tools.", "tool_choice")
    if choice is not None and choice["type"] == "tool":
        demand(choice["name"] in names, "Tool not found in provided tools", "tool_choice.name")


def _thinking(body: dict[str, Any]) -> None:
    thinking: dict[str, Any] = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking["budget_tokens"]
        demand(budget >= 1024, "Input should be greater than or equal to 1024", "thinking.budget_tokens")
        demand(budget < body["max_tokens"], "`max_tokens` must be greater than the budget", "max_tokens")
        forced = (body.get("tool_choice") or {}).get("type") in {"any", "tool"}
        demand(not forced, "Thinking may not be enabled when tool_choice forces tool use.", "thinking")
        demand(body.get("temperature") in {None, 1}, "`temperature` may only be set to 1", "temperature")


def _generation(body: dict[str, Any]) -> None:
    """What this model refuses and others take."""
    model = body["model"]
    if _NEWEST.match(model):
        sampling = sorted(_SAMPLING.keys() & body.keys())
        demand(not sampling, f"`{sampling}` is not supported by this model", "".join(sampling[:1]))
        kind = (body.get("thinking") or {}).get("type")
        demand(kind != "enabled", "`thinking.type: enabled` is not supported", "thinking.type")
    last = body["messages"][-1]["role"]
    prefills = last == "assistant" and _NO_PREFILL.match(model)
    demand(not prefills, "This model does not support assistant message prefill.", "messages")
    forced = (body.get("tool_choice") or {}).get("type") in {"any", "tool"} and _NO_FORCE.match(model)
    demand(not forced, "Forced tool use is not supported by this model.", "tool_choice")
    form = (body.get("output_config") or {}).get("format")
    demand(not form or not _NO_FORM.match(model), "does not support output format", "output_config.format")


def closed(schema: Any, path: str) -> None:
    """The rules of schemas for answers: every object closed, no ranges and lengths."""
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            closed(one, f"{path}[{index}]")
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            demand(schema.get("additionalProperties") is False, "additionalProperties must be false", path)
        for key in ("minimum", "maximum", "minLength", "maxLength", "maxItems", "oneOf", "not"):
            demand(not isinstance(schema.get(key), int | float | list), f"'{key}' is not supported", path)
        for key, value in schema.items():
            closed(value, f"{path}.{key}")


# Messages -----------------------------------------------------------------------------------------


def _messages(messages: list[dict[str, Any]]) -> None:
    demand(messages, "messages: at least one message is required", "messages")
    called: list[str] = []
    for index, (role, blocks) in enumerate(_turns(messages)):
        path = f"messages[{index}]"
        _results(blocks, called, path)
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        demand(len(set(called)) == len(called), "`tool_use` ids must be unique", path)
        for id_ in called:
            demand(ID.fullmatch(id_), "String should match pattern '^[a-zA-Z0-9_-]+$'", path)
        wrong = "tool_use" if role == "user" else "tool_result"
        allowed = not any(block["type"] == wrong for block in blocks)
        demand(allowed, f"`{wrong}` blocks are not allowed in this role", path)
    demand(not called, "`tool_use` ids were found without `tool_result` blocks immediately after", "messages")
    last = messages[-1]
    if last["role"] == "assistant":
        text = last["content"] if isinstance(last["content"], str) else last["content"][-1].get("text", "")
        demand(
            text == text.rstrip(), "final assistant content cannot end with trailing whitespace", "messages"
        )


def _turns(messages: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The blocks by turn: messages of one role that follow each other are one."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        blocks = _blocks(message, f"messages[{index}]")
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], [*blocks]))
    return turns


def _blocks(message: dict[str, Any], path: str) -> list[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    demand(content, "content must not be empty", f"{path}.content")
    for index, block in enumerate(content):
        _block(block, message["role"], f"{path}.content[{index}]")
    return content


def _block(block: dict[str, Any], role: str, path: str) -> None:
    kind = block["type"]
    if kind == "text":
        demand(block["text"].strip(), "text content blocks must contain non-whitespace text", path)
    elif kind == "image":
        demand(role == "user", "images are only allowed in user turns", path)
        source = block["source"]
        if source["type"] == "base64":
            demand(source["media_type"] in IMAGES, "unknown media type", f"{path}.source.media_type")
            base64_of(source["data"], f"{path}.source.data")
    elif kind == "thinking":
        demand(role == "assistant", "thinking is only allowed in assistant turns", path)
        demand(block["signature"], "Invalid `signature` in `thinking` block", path)
    elif kind == "tool_result" and isinstance(block.get("content"), list):
        for index, inner in enumerate(block["content"]):
            _block(inner, role, f"{path}.content[{index}]")


def _results(blocks: list[dict[str, Any]], called: list[str], path: str) -> None:
    """Every call of the turn before is answered, first of all and nothing else."""
    answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    foreign = set(answered) - set(called)
    demand(not foreign, f"unexpected `tool_use_id` found in `tool_result` blocks: {sorted(foreign)}", path)
    demand(len(answered) == len(set(answered)), "each tool_use must have a single result", path)
    missing = set(called) - set(answered)
    demand(
        not missing,
        f"`tool_use` ids were found without `tool_result` blocks immediately after: {sorted(missing)}",
        path,
    )
    first = [block["type"] == "tool_result" for block in blocks]
    demand(first == sorted(first, reverse=True), "`tool_result` blocks must come first", path)
