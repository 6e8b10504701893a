"""Decodes parts of requests, answers and streams to IR blocks. A part of an unknown kind or form becomes
ir.Native.

Specification: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.draft import SIGNATURE
from dragoman.dialects.gemini.enums import OUTCOMES, in_words
from dragoman.dialects.gemini.media import DETAILS, STORED, YOUTUBE
from dragoman.dialects.gemini.signatures import read_signature
from dragoman.dialects.gemini.terms import NAME, leftovers, stated
from dragoman.dialects.typed import read_block

_Wire = dict[str, Any]
_encode_json = msgspec.json.Encoder().encode

CODE_EXECUTION = "code_execution"
"""The name, in the IR, of the tool that `executableCode` calls and `codeExecutionResult` answers."""
SKIP_SIGNATURE = "skip_thought_signature_validator"
"""A signature for calls that Gemini did not make: https://ai.google.dev/gemini-api/docs/thought-signatures"""
_PLACEHOLDERS = frozenset(
    form
    for text in (SKIP_SIGNATURE, "context_engineering_is_the_way_to_go")
    for form in (text, b64encode(text.encode()).decode())
)
"""The documented placeholders for signatures, plain and in base64. On a call, a placeholder becomes the
call's `form`, not a seal."""
_TEXT = frozenset({"text", "thought", SIGNATURE})
_INLINE = frozenset({"inlineData", "mediaResolution", SIGNATURE})
_BLOB = frozenset({"data", "mimeType", "displayName"})
_FILE = frozenset({"fileData", "mediaResolution", SIGNATURE})
_FILE_DATA = frozenset({"fileUri", "mimeType", "displayName"})
_CALL = frozenset({"functionCall", SIGNATURE})
_CALL_DATA = frozenset({"id", "name", "args"})
_RESULT = frozenset({"functionResponse", SIGNATURE})
_RESULT_DATA = frozenset({"id", "name", "response", "parts"})
_CODE = frozenset({"executableCode", SIGNATURE})
_CODE_RESULT = frozenset({"codeExecutionResult", SIGNATURE})
_TOOL_CALL = frozenset({"toolCall", SIGNATURE})
_TOOL_CALL_DATA = frozenset({"id", "toolType", "args"})
_TOOL_RESPONSE = frozenset({"toolResponse", SIGNATURE})
_TOOL_RESPONSE_DATA = frozenset({"id", "toolType", "response"})


def decode_part(part: _Wire) -> ir.Block:
    """Decode one part, whose keys are in camelCase or snake_case. A part of an unknown kind or form becomes
    ir.Native (`keep_whole`), which holds the part's members without those that are null. Only the names of
    the part's own members are made camelCase.
    """
    text = part.get("text")
    if type(text) is str and len(part) == 1:
        return ir.Text(text)
    part = stated(part)
    kinds = _DECODE.keys() & part.keys()
    if len(kinds) == 1:
        return read_block(_DECODE[kinds.pop()], part, keep_whole)
    if not kinds and SIGNATURE in part and part.keys() <= _TEXT:
        return read_block(_words, part, keep_whole)
    return keep_whole(part)


def keep_whole(part: _Wire) -> ir.Native:
    """Decode a part to ir.Native, the block for parts that the IR cannot express. A signature that is a
    string becomes the block's seal (an empty one is dropped). All other members stay unchanged, also a
    signature of another type.
    """
    kind = next((key for key in part if key != SIGNATURE), "")
    if SIGNATURE in part and type(part[SIGNATURE]) is not str:
        return ir.Native(NAME, kind, part)
    value = {key: kept for key, kept in part.items() if key != SIGNATURE}
    return ir.Native(NAME, kind, value, _sealed(part))


def _sealed(part: _Wire) -> ir.Sealed | None:
    signature = part.get(SIGNATURE)
    return read_signature(signature) if signature else None


def _words(part: _Wire) -> ir.Block:
    text = part.get("text", "")
    if type(text) is not str:
        raise TypeError
    form = None if "text" in part else "bare"
    thought = part.get("thought")
    extra = leftovers(part, _TEXT)
    if thought is True:
        return ir.Thinking(text, sealed=_sealed(part), extra=extra, form=form)
    if thought is not None:
        extra = ir.merge(extra, {NAME: {"thought": thought}})
    return ir.Text(text, sealed=_sealed(part), extra=extra, form=form)


def _kind(mime: str | None) -> Literal["image", "audio", "video", "document"]:
    match (mime or "").partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "document"


def _detail(part: _Wire) -> tuple[str | None, ir.Extra]:
    resolution = part.get("mediaResolution")
    if resolution is None:
        return None, None
    if resolution.keys() == {"level"} and (word := DETAILS.get(resolution["level"])) is not None:
        return word, None
    return None, {NAME: {"mediaResolution": resolution}}


def _inline(part: _Wire) -> ir.Block:
    blob = stated(part["inlineData"])
    data = blob["data"]
    if type(data) is not str:
        raise TypeError
    form = None
    if "-" in data or "_" in data:  # Google's clients write base64url, which other providers do not read
        form = "urlsafe"
        data = data.replace("-", "+").replace("_", "/")
    if len(data) % 4:
        data += "=" * (-len(data) % 4)
    detail, extra = _detail(part)
    mime = blob.get("mimeType")
    return ir.Media(
        _kind(mime),
        mime,
        data,
        name=blob.get("displayName"),
        detail=detail,
        sealed=_sealed(part),
        extra=ir.merge(ir.merge(extra, leftovers(blob, _BLOB, "inlineData")), leftovers(part, _INLINE)),
        form=form,
    )


def _file(part: _Wire) -> ir.Block:
    data = stated(part["fileData"])
    uri = data["fileUri"]
    mime = data.get("mimeType")
    stored = uri.startswith(STORED)
    detail, extra = _detail(part)
    return ir.Media(
        "video" if mime is None and uri.startswith(YOUTUBE) else _kind(mime),
        mime,
        url=None if stored else uri,
        file=uri if stored else None,
        name=data.get("displayName"),
        detail=detail,
        sealed=_sealed(part),
        extra=ir.merge(ir.merge(extra, leftovers(data, _FILE_DATA, "fileData")), leftovers(part, _FILE)),
    )


def _arguments(value: _Wire) -> str:
    arguments = value.get("args")
    return "" if arguments is None else _encode_json(arguments).decode()


def _call(part: _Wire) -> ir.Block:
    call = stated(part["functionCall"])
    extra = leftovers(call, _CALL_DATA, "functionCall")
    if len(part) > 1:
        extra = ir.merge(extra, leftovers(part, _CALL))
    form = signature if (signature := part.get(SIGNATURE)) in _PLACEHOLDERS else None
    sealed = _sealed(part) if form is None else None
    return ir.ToolCall(call.get("id"), call["name"], _arguments(call), sealed=sealed, extra=extra, form=form)


def _result(part: _Wire) -> ir.Block:
    result = stated(part["functionResponse"])
    content, error, form = _result_of(result.get("response"))
    if (parts := result.get("parts")) is not None:
        content += tuple(decode_part(one) for one in parts)
    return ir.ToolResult(
        result.get("id"),
        content,
        result["name"],
        error,
        extra=ir.merge(leftovers(result, _RESULT_DATA, "functionResponse"), leftovers(part, _RESULT)),
        form=form,
        sealed=_sealed(part),
    )


def _result_of(response: Any) -> tuple[tuple[ir.Block, ...], bool | None, str | None]:
    """Decode the value of a function result's `response`. Returns (its blocks, True = it is an error and None
    = not stated, the form for ir.ToolResult). There is one block, or none if `response` is None. If `output`
    or `error` is the only member, the block is this member's value, otherwise the whole object.
    """
    if response is None:
        return (), None, "bare"
    if len(response) == 1:
        [(key, value)] = response.items()
        if key in {"output", "error"}:
            block = ir.Text(value) if type(value) is str else ir.Json(value)
            failed = True if key == "error" else None
            return (block,), failed, None if failed or type(block) is ir.Text else "output"
    return (ir.Json(response),), None, None


def _code(part: _Wire) -> ir.Block:
    code = part["executableCode"]
    arguments = {key: kept for key, kept in code.items() if key != "id"}
    return ir.ToolCall(
        code.get("id"),
        CODE_EXECUTION,
        _encode_json(arguments).decode(),
        "builtin",
        "provider",
        sealed=_sealed(part),
        extra=leftovers(part, _CODE),
    )


def _code_result(part: _Wire) -> ir.Block:
    result = part["codeExecutionResult"]
    return ir.ToolResult(
        result.get("id"),
        (ir.Json({key: kept for key, kept in result.items() if key != "id"}),),
        CODE_EXECUTION,
        in_words(result.get("outcome", "OUTCOME_OK"), OUTCOMES) != "OUTCOME_OK",
        "codeExecutionResult",
        "provider",
        extra=leftovers(part, _CODE_RESULT),
        sealed=_sealed(part),
    )


def _tool_type(value: _Wire) -> str:
    kind = value["toolType"]
    name: str = kind.lower()
    if name.upper() != kind or name == CODE_EXECUTION:
        raise KeyError(kind)
    return name


def _tool_call(part: _Wire) -> ir.Block:
    call = stated(part["toolCall"])
    return ir.ToolCall(
        call.get("id"),
        _tool_type(call),
        _arguments(call),
        "builtin",
        "provider",
        sealed=_sealed(part),
        extra=ir.merge(leftovers(call, _TOOL_CALL_DATA, "toolCall"), leftovers(part, _TOOL_CALL)),
    )


def _tool_response(part: _Wire) -> ir.Block:
    result = stated(part["toolResponse"])
    response = result.get("response")
    return ir.ToolResult(
        result.get("id"),
        () if response is None else (ir.Json(response),),
        _tool_type(result),
        None,
        "toolResponse",
        "provider",
        extra=ir.merge(
            leftovers(result, _TOOL_RESPONSE_DATA, "toolResponse"), leftovers(part, _TOOL_RESPONSE)
        ),
        sealed=_sealed(part),
    )


_DECODE: dict[str, Callable[[_Wire], ir.Block]] = {
    "text": _words,
    "inlineData": _inline,
    "fileData": _file,
    "functionCall": _call,
    "functionResponse": _result,
    "executableCode": _code,
    "codeExecutionResult": _code_result,
    "toolCall": _tool_call,
    "toolResponse": _tool_response,
}
