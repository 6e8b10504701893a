"""Checks a client's request. The error names the place of the first mistake that is found.

Unknown members, and unknown types of blocks in messages, are accepted, because the API grows: the API's own
error about such a member is better than a guess of the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from dragoman.dialects.anthropic.terms import BETA_HEADER
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import OUT_OF_RANGE, complaint
from dragoman.dialects.schema import mistake
from dragoman.errors import WireError

_Block = dict[str, Any]


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block] | None = None
    output_config: dict[str, Any] | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: Annotated[int, msgspec.Meta(ge=1024)] | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Metadata(msgspec.Struct):
    """The members of the object `metadata` that are checked. All other members are accepted."""

    user_id: str | None = None


class _CacheControl(msgspec.Struct):
    type: str
    ttl: str | None = None


class _Request(msgspec.Struct):
    max_tokens: Annotated[int, msgspec.Meta(ge=0)]
    messages: list[_Message]
    model: str | None = None
    system: str | list[_Block] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _ToolChoice | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    cache_control: _CacheControl | None = None


MEMBERS = frozenset(_Request.__struct_fields__)
"""The top-level members of a request that have a field in the IR. All other members become leftovers."""

_MISSING = re.compile(r"Object missing required field `(\w+)`")
_SIDES = {">=": "greater", "<=": "less"}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FREE_BUDGET = "interleaved-thinking"
"""A part of a beta's name. With this beta, `thinking.budget_tokens` may reach or exceed `max_tokens`."""


def check(wire: WireRequest) -> None:
    """Raise WireError for the first mistake in a chat request. Its path is the JSON path of the mistake,
    without `$.` (`messages[0].content`).
    """
    body = wire.body
    try:
        request = msgspec.convert(body, _Request)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    _check_messages(request.messages)
    if request.system is not None and not isinstance(request.system, str):
        for index, block in enumerate(request.system):
            if block.get("type") != "text":
                raise WireError(
                    "system blocks must be of type text", f"system[{index}].type", "invalid_value"
                )
            check_block(block, f"system[{index}]")
    names = None if request.tools is None else _check_tools(request.tools)
    if request.tool_choice is not None:
        _check_choice(request.tool_choice, names, body)
    if request.stop_sequences is not None:
        for index, text in enumerate(request.stop_sequences):
            if not text.strip():
                raise WireError(
                    "must contain more than white space", f"stop_sequences[{index}]", "invalid_value"
                )
    if request.thinking is not None:
        _check_thinking(request.thinking, request.max_tokens, wire)
    wanted = None if request.output_config is None else request.output_config.format
    if wanted is not None or request.output_format is not None:
        _check_formats(wanted, request.output_format)


def explained(text: str) -> WireError:
    """Return the WireError for the text of a msgspec.ValidationError. Its path is that of the wrong or
    missing member; for an unknown member it is that of the object, "" = the body. For a number out of range,
    the error has the API's wording.
    """
    what, path = complaint(text)
    if (missing := _MISSING.fullmatch(what)) is not None:
        path = f"{path}.{missing[1]}" if path else missing[1]
        return WireError(f"{missing[1]} is required", path, "missing_required_parameter")
    code = "invalid_type" if ", got " in what else "invalid_value"
    if (limit := OUT_OF_RANGE.fullmatch(what)) is not None:
        what = _outside(_SIDES[limit[1]], float(limit[2]))
    return WireError(what.replace("`", ""), path, code)


def _outside(side: str, limit: float) -> str:
    """Return the API's message for a number out of range: "Input should be less than or equal to 1". side:
    "greater" or "less". limit: the number at the end.
    """
    return f"Input should be {side} than or equal to {limit:g}"


# --- Messages ------------------------------------------------------------------------------------


def _check_messages(messages: list[_Message]) -> None:
    if not messages:
        raise WireError("at least one message is required", "messages", "invalid_value")
    if messages[0].role == "system":
        raise WireError(
            "the first message cannot be system: use the field 'system'", "messages[0].role", "invalid_value"
        )
    last = len(messages) - 1
    for index, message in enumerate(messages):
        content = message.content
        if not content and not message.output_config:
            _check_empty(message, f"messages[{index}].content", last=index == last)
        if type(content) is list:
            for number, block in enumerate(content):
                if type(block.get("type")) is not str:
                    raise WireError(
                        "must be a string", f"messages[{index}].content[{number}].type", "invalid_type"
                    )
                check_block(block, f"messages[{index}].content[{number}]")


def _check_empty(message: _Message, where: str, *, last: bool) -> None:
    """Raise WireError for a message without content if it must have one. The caller has found that the
    content is missing, null, "" or []. The API accepts an assistant's message with an empty string or an
    empty list, and as the last message also one whose content is missing or null. where: the JSON path of the
    content.
    """
    assistant = message.role == "assistant"
    if message.content is None and not (assistant and last):
        raise WireError("content is required", where, "missing_required_parameter")
    if not assistant:
        raise WireError("messages must have content", where, "invalid_value")


def check_block(block: _Block, where: str) -> None:
    """Raise WireError for the first mistake in a block and in the blocks inside it. If the type is unknown
    but ends in `_tool_result`, only the block's content is checked; a block of any other unknown type is
    accepted. The caller has checked that the type is a string. where: the block's JSON path.
    """
    kind = block["type"]
    if (members := _BLOCKS.get(kind)) is None:
        if kind.endswith("_tool_result"):  # of a tool that the provider runs; one type for each tool
            _check_found(block.get("content"), f"{where}.content")
        return
    _check_members(block, members, where)
    if "cache_control" in block:
        _check_mark(block["cache_control"], f"{where}.cache_control")
    if (more := _MORE.get(kind)) is not None:
        more(block, where)


_Member = tuple[str, bool, type | tuple[type, ...], str]
"""A checked member: (its name, whether it is required, its Python types, the name of these types in
errors)."""


def _check_members(value: dict[str, Any], members: tuple[_Member, ...], where: str) -> None:
    for key, required, kinds, word in members:
        if (stated := value.get(key)) is None:
            if required:
                raise WireError(f"{key} is required", f"{where}.{key}", "missing_required_parameter")
        elif not isinstance(stated, kinds):
            raise WireError(f"must be {word}", f"{where}.{key}", "invalid_type")


_MARK: tuple[_Member, ...] = (("type", True, str, "a string"), ("ttl", False, str, "a string"))


def _check_mark(mark: Any, where: str) -> None:
    """Raise WireError for a mistake in `mark`, the value of the `cache_control` of a block or a tool. null is
    accepted. where: the JSON path of the `cache_control`.
    """
    if mark is None:
        return
    if type(mark) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    _check_members(mark, _MARK, where)


_SOURCE: tuple[_Member, ...] = (("source", True, dict, "an object"),)
_BLOCKS: dict[str, tuple[_Member, ...]] = {
    "text": (("text", True, str, "a string"), ("citations", False, list, "an array")),
    "image": _SOURCE,
    "document": (
        *_SOURCE,
        ("title", False, str, "a string"),
        ("context", False, str, "a string"),
        ("citations", False, dict, "an object"),
    ),
    "thinking": (("thinking", True, str, "a string"), ("signature", False, str, "a string")),
    "redacted_thinking": (("data", True, str, "a string"),),
    "tool_use": (
        ("id", True, str, "a string"),
        ("name", True, str, "a string"),
        ("input", True, dict, "an object"),
    ),
    "tool_result": (
        ("tool_use_id", True, str, "a string"),
        ("content", False, (str, list), "a string or an array"),
        ("is_error", False, bool, "a boolean"),
    ),
    "search_result": (
        ("source", True, str, "a string"),
        ("title", True, str, "a string"),
        ("content", True, list, "an array"),
        ("citations", False, dict, "an object"),
    ),
    "tool_reference": (("tool_name", True, str, "a string"),),
}

_WORD = "-"
"""Stands in a copy for an empty text, so that the rest of its block is checked."""
_SOURCES = {"base64": "data", "url": "url", "file": "file_id", "text": "data", "content": "content"}


def _check_text(block: _Block, where: str) -> None:
    if not block["text"]:
        raise WireError("text must not be empty", f"{where}.text", "invalid_value")


def _check_source(block: _Block, where: str) -> None:
    source = block["source"]
    kind = source.get("type")
    if not isinstance(kind, str):
        raise WireError("must be a string", f"{where}.source.type", "invalid_type")
    key = _SOURCES.get(kind)
    if key is not None and source.get(key) is None:
        raise WireError(f"{key} is required", f"{where}.source.{key}", "missing_required_parameter")
    if kind == "base64" and not isinstance(source.get("media_type"), str):
        path = f"{where}.source.media_type"
        raise WireError("media_type is required", path, "missing_required_parameter")
    if key == "content":
        _check_text_or_blocks(source[key], f"{where}.source.{key}")
    elif key is not None and not isinstance(source[key], str):
        raise WireError("must be a string", f"{where}.source.{key}", "invalid_type")


def _check_content(block: _Block, where: str) -> None:
    if type(content := block.get("content")) is list:
        _check_inner(content, f"{where}.content", may_be_empty=True)


def _check_found(content: Any, where: str) -> None:
    """Raise WireError for the first mistake in the content of a result of the provider's own tool: it may be
    null, an object, a string or a list of blocks. An object is accepted unchecked.
    """
    if content is not None and type(content) is not dict:
        _check_text_or_blocks(content, where)


def _check_text_or_blocks(content: Any, where: str) -> None:
    if type(content) is list:
        _check_inner(content, where)
    elif type(content) is not str:
        raise WireError("must be a string or an array", where, "invalid_type")


def _check_inner(blocks: list[Any], where: str, *, may_be_empty: bool = False) -> None:
    """Raise WireError for the first mistake in `blocks`, the list of blocks inside another block. Each must
    be an object whose `type` is a string; `check_block` checks the rest. where: the JSON path of the list.
    may_be_empty: True = the text of a text block may be empty, as the API accepts it in the result of a tool
    that has printed nothing.
    """
    for number, inner in enumerate(blocks):
        place = f"{where}[{number}]"
        if type(inner) is not dict:
            raise WireError("must be an object", place, "invalid_type")
        if type(inner.get("type")) is not str:
            raise WireError("must be a string", f"{place}.type", "invalid_type")
        check_block({**inner, "text": _WORD} if may_be_empty and inner.get("text") == "" else inner, place)


_MORE: dict[str, Callable[[_Block, str], None]] = {
    "text": _check_text,
    "image": _check_source,
    "document": _check_source,
    "tool_result": _check_content,
    "search_result": _check_content,
}

# --- Tools ---------------------------------------------------------------------------------------


def _check_tools(tools: list[dict[str, Any]]) -> set[str] | None:
    """Raise WireError for the first mistake in the tools. Returns the names that `tool_choice` may state;
    None = any name, because one of the provider's own tools states no name.
    """
    names: set[str] = set()
    open_ended = False
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        kind = tool.get("type")
        if kind is not None and not isinstance(kind, str):
            raise WireError("must be a string", f"{where}.type", "invalid_type")
        if "cache_control" in tool:
            _check_mark(tool["cache_control"], f"{where}.cache_control")
        name = tool.get("name")
        if kind is None or kind == "custom":
            _check_function(tool, where)
        else:
            _check_numbers(tool, where)
            if not isinstance(name, str):
                if name is not None:
                    raise WireError("must be a string", f"{where}.name", "invalid_type")
                open_ended = True
                continue
        if name in names:
            raise WireError(f"tool names must be unique: {name!r}", f"{where}.name", "invalid_value")
        names.add(str(name))
    return None if open_ended else names


_POSITIVE = ("max_uses", "max_content_tokens", "max_characters", "display_width_px", "display_height_px")
"""Members of the provider's own tools that must be integers of at least 1."""


def _check_numbers(tool: dict[str, Any], where: str) -> None:
    for member in _POSITIVE:
        if (value := tool.get(member)) is None:
            continue
        if type(value) is not int:
            raise WireError("Input should be a valid integer", f"{where}.{member}", "invalid_type")
        if value < 1:
            raise WireError(_outside("greater", 1), f"{where}.{member}", "invalid_value")


_NAMED: tuple[_Member, ...] = (("name", True, str, "a string"),)
_DECLARED: tuple[_Member, ...] = (
    ("description", False, str, "a string"),
    ("strict", False, bool, "a boolean"),
    ("input_schema", True, dict, "an object"),
)


def _check_function(tool: dict[str, Any], where: str) -> None:
    _check_members(tool, _NAMED, where)
    if _NAME.fullmatch(tool["name"]) is None:
        raise WireError("must match ^[A-Za-z0-9_-]{1,128}$", f"{where}.name", "invalid_value")
    _check_members(tool, _DECLARED, where)
    schema = tool["input_schema"]
    if schema.get("type") != "object":
        raise WireError("must be 'object'", f"{where}.input_schema.type", "invalid_value")
    _check_schema(schema, f"{where}.input_schema", "invalid_function_parameters")


def _check_schema(schema: dict[str, Any], where: str, code: str) -> None:
    if (found := mistake(schema)) is not None:
        joint = "." if found.path and not found.path.startswith("[") else ""
        raise WireError(f"invalid schema: {found.message}", f"{where}{joint}{found.path}", code)


_CHOICES = frozenset({"auto", "any", "tool", "none"})


def _check_choice(choice: _ToolChoice, names: set[str] | None, body: dict[str, Any]) -> None:
    if choice.type not in _CHOICES:
        raise WireError(f"unknown tool choice {choice.type!r}", "tool_choice.type", "invalid_value")
    has_tools = bool(body.get("tools")) or "mcp_servers" in body
    if not has_tools and choice.type in {"any", "tool"}:
        raise WireError("tool_choice needs tools", "tool_choice", "invalid_value")
    if choice.type != "tool":
        return
    if choice.name is None:
        raise WireError("name is required", "tool_choice.name", "missing_required_parameter")
    if names is not None and choice.name not in names and "mcp_servers" not in body:
        raise WireError(
            f"there is no tool named {choice.name!r} in tools", "tool_choice.name", "invalid_value"
        )


# --- The rest ------------------------------------------------------------------------------------


def _check_thinking(thinking: _Thinking, max_tokens: int, wire: WireRequest) -> None:
    if thinking.type != "enabled":
        return
    where = "thinking.budget_tokens"
    if thinking.budget_tokens is None:
        raise WireError("budget_tokens is required", where, "missing_required_parameter")
    if thinking.budget_tokens >= max_tokens and _FREE_BUDGET not in wire.headers.get(BETA_HEADER, ""):
        raise WireError("must be less than max_tokens", where, "invalid_value")


def _check_formats(wanted: _Format | None, old: _Format | None) -> None:
    """Raise WireError for a mistake in `output_config.format` (`wanted`) or in the older `output_format`
    (`old`), and if both are stated. None = the member is missing.
    """
    if wanted is not None:
        _check_format(wanted, "output_config.format")
    if old is not None:
        _check_format(old, "output_format")
        if wanted is not None:
            what = "output_format and output_config.format exclude each other"
            raise WireError(what, "output_format", "invalid_value")


def _check_format(wanted: _Format, where: str) -> None:
    if wanted.type != "json_schema":
        raise WireError("must be 'json_schema'", f"{where}.type", "invalid_value")
    if wanted.schema is None:
        raise WireError("schema is required", f"{where}.schema", "missing_required_parameter")
    _check_schema(wanted.schema, f"{where}.schema", "invalid_value")
