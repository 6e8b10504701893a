"""Parts and blocks, both ways: of requests, answers and streams alike.

A part holds one kind of data. One that holds none that is known, or a known kind in an unknown shape, is kept
whole as Native. Never merges parts: a signature belongs to the part that it came on.

Specification: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.enums import OUTCOMES, in_words
from dragoman.dialects.gemini.signatures import read_signature, write_signature
from dragoman.dialects.gemini.terms import NAME, leftovers, restore, spelled
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.typed import read_block
from dragoman.errors import WireError

_Wire = dict[str, Any]

_encode_json = msgspec.json.Encoder().encode

CODE_EXECUTION = "code_execution"
"""What calls of `executableCode` are named."""
SKIP_SIGNATURE = "skip_thought_signature_validator"
"""What stands for the signature of a call that Gemini did not make.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""
_PLACEHOLDERS = frozenset(
    form
    for text in (SKIP_SIGNATURE, "context_engineering_is_the_way_to_go")
    for form in (text, b64encode(text.encode()).decode())
)
"""What the documentation names, also as the official clients write bytes. Such a call has no seal to lose:
its `form` is the placeholder."""

# --- Wire to IR ----------------------------------------------------------------------------------

_SIGNATURE = "thoughtSignature"
_TEXT = frozenset({"text", "thought", _SIGNATURE})
_INLINE = frozenset({"inlineData", "mediaResolution", _SIGNATURE})
_BLOB = frozenset({"data", "mimeType", "displayName"})
_FILE = frozenset({"fileData", "mediaResolution", _SIGNATURE})
_FILE_DATA = frozenset({"fileUri", "mimeType", "displayName"})
_CALL = frozenset({"functionCall", _SIGNATURE})
_CALL_DATA = frozenset({"id", "name", "args"})
_RESULT = frozenset({"functionResponse", _SIGNATURE})
_RESULT_DATA = frozenset({"id", "name", "response", "parts"})
_CODE = frozenset({"executableCode", _SIGNATURE})
_CODE_RESULT = frozenset({"codeExecutionResult", _SIGNATURE})
_TOOL_CALL = frozenset({"toolCall", _SIGNATURE})
_TOOL_CALL_DATA = frozenset({"id", "toolType", "args"})
_TOOL_RESPONSE = frozenset({"toolResponse", _SIGNATURE})
_TOOL_RESPONSE_DATA = frozenset({"id", "toolType", "response"})

_DETAILS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}
_DETAIL_WORDS = {word: level for level, word in _DETAILS.items()}


def decode_part(part: _Wire) -> ir.Block:
    """One part, in either spelling."""
    text = part.get("text")
    if type(text) is str and len(part) == 1:
        return ir.Text(text)
    part = spelled(part)
    kinds = _DECODE.keys() & part.keys()
    if len(kinds) == 1:
        return read_block(_DECODE[kinds.pop()], part, _native)
    if not kinds and _SIGNATURE in part and part.keys() <= _TEXT:
        return read_block(_words, part, _native)
    return _native(part)


def _native(part: _Wire) -> ir.Native:
    kind = next((key for key in part if key != _SIGNATURE), "")
    if _SIGNATURE in part and type(part[_SIGNATURE]) is not str:
        return ir.Native(NAME, kind, part)
    value = {key: kept for key, kept in part.items() if key != _SIGNATURE}
    return ir.Native(NAME, kind, value, _sealed(part))


def _sealed(part: _Wire) -> ir.Sealed | None:
    signature = part.get(_SIGNATURE)
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
    if resolution.keys() == {"level"} and (word := _DETAILS.get(resolution["level"])) is not None:
        return word, None
    return None, {NAME: {"mediaResolution": resolution}}


def _inline(part: _Wire) -> ir.Block:
    blob = spelled(part["inlineData"])
    data = blob["data"]
    if type(data) is not str:
        raise TypeError
    form = None
    if "-" in data or "_" in data:  # Google's clients write the alphabet of URLs, which nobody else reads
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


FILES_API = "https://generativelanguage.googleapis.com/"
_YOUTUBE = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
_STORED = (FILES_API, "gs://")


def reads(media: ir.Media) -> bool:
    """Whether Google's servers read a medium at its address: what they store, and videos on YouTube."""
    return (media.file or media.url or "").startswith((*_STORED, *_YOUTUBE))


def _file(part: _Wire) -> ir.Block:
    data = spelled(part["fileData"])
    uri = data["fileUri"]
    mime = data.get("mimeType")
    stored = uri.startswith(_STORED)
    detail, extra = _detail(part)
    return ir.Media(
        "video" if mime is None and uri.startswith(_YOUTUBE) else _kind(mime),
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
    call = spelled(part["functionCall"])
    extra = leftovers(call, _CALL_DATA, "functionCall")
    if len(part) > 1:
        extra = ir.merge(extra, leftovers(part, _CALL))
    form = signature if (signature := part.get(_SIGNATURE)) in _PLACEHOLDERS else None
    sealed = _sealed(part) if form is None else None
    return ir.ToolCall(call.get("id"), call["name"], _arguments(call), sealed=sealed, extra=extra, form=form)


def _result(part: _Wire) -> ir.Block:
    result = spelled(part["functionResponse"])
    content, error, form = _said(result.get("response"))
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


def _said(response: Any) -> tuple[tuple[ir.Block, ...], bool | None, str | None]:
    """The content of a result, whether it is an error, and its form.

    `output` and `error` alone are the API's own words for what a function gave back; any other object is
    the value itself.
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
    call = spelled(part["toolCall"])
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
    result = spelled(part["toolResponse"])
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

# --- IR to wire ----------------------------------------------------------------------------------


class Draft(msgspec.Struct):
    """What parts are written into.

    own: the IR came from this dialect, so nothing needs repair. answer: it is an answer for a client, not a
    request.
    """

    report: Report
    own: bool
    answer: bool = False
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN

    def to(self, place: str) -> str:
        """A place below some part, in the body that is written."""
        return f"{'candidates[].content' if self.answer else 'contents[]'}.parts[].{place}"


def bare_text(block: ir.Block) -> _Wire | None:
    """The part of a text that is nothing but words, as most blocks are; None for any other."""
    if type(block) is not ir.Text:
        return None
    if block.sealed or block.citations or block.logprobs or block.cache or block.item or block.extra:
        return None
    return {"text": block.text} if block.form != "bare" else None


def _is_bare(block: ir.ToolCall | ir.ToolResult) -> bool:
    """Whether a call or a result carries nothing beside its data."""
    return block.sealed is None and block.extra is None and block.cache is None and block.item is None


def encode_part(block: ir.Block, draft: Draft, where: str) -> _Wire | None:
    """One block as a part, None where there is nothing to write; what is lost has then been reported.

    Raises WireError for what a request cannot hold at all.
    """
    return _ENCODE[type(block)](block, draft, where)


def _finish(out: _Wire, block: Any, draft: Draft, where: str) -> _Wire:
    """What every part may carry beside its data."""
    if (sealed := getattr(block, "sealed", None)) is not None:
        if draft.answer or sealed.origin == NAME:
            out[_SIGNATURE] = write_signature(sealed)
        else:
            draft.report.lose(
                f"{where}.sealed", "encrypted reasoning can only be read by its own provider", "quality"
            )
    if block.cache is not None:
        draft.report.lose(f"{where}.cache", "the Gemini API has no cache breakpoints", "hint")
        restore({}, block.cache.extra, draft.report, f"{where}.cache")
    if block.item is not None:
        if block.item.phase is not None:
            draft.report.lose(f"{where}.item.phase", "the Gemini API has no message phase", "hint")
        restore({}, block.item.extra, draft.report, f"{where}.item")
    extra = getattr(block, "extra", None)
    if extra is not None:
        restore(out, extra, draft.report, where)
    return out


def _text_out(block: ir.Text, draft: Draft, where: str) -> _Wire | None:
    out: _Wire = {} if draft.own and block.form == "bare" else {"text": block.text}
    if not draft.answer:
        for index in range(len(block.citations)):
            draft.report.lose(
                f"{where}.citations[{index}]", "messages of the Gemini API cannot contain citations", "hint"
            )
        if block.logprobs is not None:
            draft.report.lose(
                f"{where}.logprobs", "messages of the Gemini API cannot contain log probabilities", "hint"
            )
    return _finish(out, block, draft, where)


def _refusal_out(block: ir.Refusal, draft: Draft, where: str) -> _Wire | None:
    draft.report.change(where, draft.to("text"), "the refusal is written as plain text")
    if block.logprobs is not None and not draft.answer:
        draft.report.lose(
            f"{where}.logprobs", "messages of the Gemini API cannot contain log probabilities", "hint"
        )
    out = {"text": block.text}
    restore(out, block.extra, draft.report, where)
    return out


def _thinking_out(block: ir.Thinking, draft: Draft, where: str) -> _Wire | None:
    sealed = block.sealed
    known = sealed is not None and sealed.origin == NAME
    text = block.text or "\n\n".join(block.summary)
    if not draft.own:
        if not draft.answer and not known:
            draft.report.lose(
                where, "reasoning of another provider cannot be sent to the Gemini API", "quality"
            )
            return None
        if draft.answer and not known and (block.redacted or not (text or sealed)):
            draft.report.lose(where, "the reasoning has no text to show", "hint")
            return None
    out: _Wire = {} if draft.own and block.form == "bare" else {"text": text}
    out["thought"] = True
    return _finish(out, block, draft, where)


def _call_out(block: ir.ToolCall, draft: Draft, where: str) -> _Wire | None:
    if block.by != "client" and not draft.own:
        draft.report.lose(
            where, f"a tool call that the {block.by} ran cannot be sent back in the Gemini API", "quality"
        )
        return None
    if block.kind == "custom" and not draft.answer:
        raise WireError("the Gemini API has no calls of free-text tools", where, "unsupported_value")
    arguments = parse_arguments(block.arguments)
    if arguments is None:
        arguments = {"_raw": block.arguments}
        draft.report.change(
            where,
            draft.to("functionCall.args._raw"),
            "tool call arguments that are not a JSON object are wrapped in one",
        )
    call: _Wire = {}
    if block.id is not None and (draft.quirks.call_ids or block.by != "client"):
        call["id"] = block.id
    if block.by == "client":
        key = "functionCall"
        call["name"] = block.name
    elif block.name == CODE_EXECUTION:
        return _finish({"executableCode": {**call, **arguments}}, block, draft, where)
    else:
        key = "toolCall"
        call["toolType"] = block.name.upper()
    if block.arguments or not draft.own:
        call["args"] = arguments
    if block.namespace is not None:
        draft.report.lose(f"{where}.namespace", "the Gemini API has no namespaces of tool calls", "hint")
    out: _Wire = {key: call}
    if draft.own and block.form is not None and block.sealed is None:
        out[_SIGNATURE] = block.form
    return out if _is_bare(block) else _finish(out, block, draft, where)


def _result_out(block: ir.ToolResult, draft: Draft, where: str) -> _Wire | None:
    if block.by != "client":
        return _provided_out(block, draft, where)
    result: _Wire = {}
    if block.id is not None and draft.quirks.call_ids:
        result["id"] = block.id
    result["name"] = block.name or block.id or "unknown"
    out: _Wire = {"functionResponse": result}
    if len(block.content) == 1 and (alone := bare_text(block.content[0])) is not None:
        result["response"] = {"error" if block.error else "output": alone["text"]}
        return out if _is_bare(block) else _finish(out, block, draft, where)
    media: list[_Wire] = []
    said: list[tuple[ir.Block, str]] = []
    for index, inside in enumerate(block.content):
        place = f"{where}.content[{index}]"
        if not isinstance(inside, ir.Media) or inside.text is not None or inside.blocks is not None:
            said.append((inside, place))
        elif (part := encode_part(inside, draft, place)) is not None:
            media.append(part)
    if said or not draft.own or block.form != "bare":
        result["response"] = _response(block, said, draft)
    if media:
        result["parts"] = media
    return _finish(out, block, draft, where)


def _provided_out(block: ir.ToolResult, draft: Draft, where: str) -> _Wire | None:
    if not draft.own:
        draft.report.lose(
            where, f"a tool result of the {block.by} cannot be sent back in the Gemini API", "quality"
        )
        return None
    result: _Wire = {} if block.id is None else {"id": block.id}
    value = next((inside.value for inside in block.content if isinstance(inside, ir.Json)), None)
    if block.kind == "codeExecutionResult":
        return _finish({"codeExecutionResult": {**result, **(value or {})}}, block, draft, where)
    result["toolType"] = (block.name or "").upper()
    if value is not None:
        result["response"] = value
    return _finish({"toolResponse": result}, block, draft, where)


def _response(block: ir.ToolResult, said: list[tuple[ir.Block, str]], draft: Draft) -> _Wire:
    """The object that a function gave back; `output` and `error` are the API's own words."""
    key = "error" if block.error else "output"
    if len(said) == 1 and isinstance(said[0][0], ir.Json):
        value = said[0][0].value
        restore({}, said[0][0].extra, draft.report, said[0][1])
        if isinstance(value, dict) and not block.error and block.form != "output":
            return value
        return {key: value}
    texts = [text for inside, place in said if (text := _plain(inside, draft, place)) is not None]
    return {key: "\n".join(texts)}


def _plain(block: ir.Block, draft: Draft, where: str) -> str | None:
    """A block of a result as text."""
    part = encode_part(block, draft, where)
    if part is None:
        return None
    text = part.get("text")
    if not isinstance(text, str):
        draft.report.lose(where, "a tool result of the Gemini API cannot contain it", "meaning")
        return None
    return text


def _json_out(block: ir.Json, draft: Draft, where: str) -> _Wire:
    out = {"text": _encode_json(block.value).decode()}
    restore(out, block.extra, draft.report, where)
    return out


def _native_out(block: ir.Native, draft: Draft, where: str) -> _Wire | None:
    if block.dialect == NAME:
        return _finish(dict(block.value), block, draft, where)
    draft.report.lose(where, f"`{block.kind}` exists only in its own protocol", "meaning")
    return None


# --- Media ---------------------------------------------------------------------------------------

_MAGIC = {
    "/9j/": "image/jpeg",
    "iVBOR": "image/png",
    "R0lGOD": "image/gif",
    "JVBERi": "application/pdf",
    "SUQz": "audio/mpeg",
    "T2dnUw": "audio/ogg",
    "ZkxhQ": "audio/flac",
}
_SUFFIXES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
}
_RIFF = "UklGR"
_SPOKEN = "audio/L16;codec=pcm;rate=24000"
"""What Google's models speak, and OpenAI's where they are asked by a client of Google's."""
_USUAL = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}


def _media_out(block: ir.Media, draft: Draft, where: str) -> _Wire | None:
    words = _spoken(block, draft, where)
    if words is not None:
        out: _Wire = {"text": words}
    elif block.data is not None:
        data = block.data
        if draft.own and block.form == "urlsafe":
            data = data.replace("+", "-").replace("/", "_")
        out = {"inlineData": _typed({"data": data}, block, data, draft, where)}
    elif (uri := _address(block, draft, where)) is not None:
        out = {"fileData": _typed({"fileUri": uri}, block, uri, draft, where)}
    else:
        draft.report.lose(where, f"the {block.kind} has no content", "meaning")
        return None
    if block.detail is not None:
        _resolve(out, block.detail, draft, where)
    for field in ("context", "citable"):
        if getattr(block, field) is not None:
            draft.report.lose(f"{where}.{field}", f"media in the Gemini API have no {field}", "hint")
    return _finish(out, block, draft, where)


def _spoken(block: ir.Media, draft: Draft, where: str) -> str | None:
    """What a medium says in words, where those are sent in its place."""
    if block.text is not None or block.blocks is not None:
        draft.report.change(where, draft.to("text"), "the text document is sent as text")
        if block.name is not None:
            draft.report.lose(f"{where}.name", "a text document has no name in the Gemini API", "hint")
        if block.text is not None:
            return block.text
        texts = [
            text
            for index, inside in enumerate(block.blocks or ())
            if (text := _plain(inside, draft, f"{where}.blocks[{index}]")) is not None
        ]
        return "\n\n".join(texts)
    if block.transcript is None:
        return None
    if block.data is not None:
        draft.report.lose(f"{where}.transcript", "audio in the Gemini API has no transcript", "hint")
        return None
    draft.report.change(where, draft.to("text"), "the audio is sent as its transcript")
    return block.transcript


def _address(block: ir.Media, draft: Draft, where: str) -> str | None:
    """The address of a medium, where the API can read it there."""
    if block.file is not None:
        if not draft.own and not block.file.startswith(_STORED):
            raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
        return block.file
    if block.url is None or draft.own or draft.answer or draft.quirks.media_urls or reads(block):
        return block.url
    raise WireError(f"{block.kind} must be sent as data, not as a URL", where, "unsupported_value")


def _typed(out: _Wire, block: ir.Media, source: str, draft: Draft, where: str) -> _Wire:
    """The data with the type that the API demands, and its name."""
    mime = block.mime
    if mime is None and not draft.own:
        if "fileUri" in out:
            suffix = source.partition("?")[0].rpartition(".")[2].lower()
            mime = _SUFFIXES.get(suffix, _USUAL[block.kind])
        else:
            found = (known for magic, known in _MAGIC.items() if source.startswith(magic))
            raw = draft.answer and block.kind == "audio" and not source.startswith(_RIFF)
            mime = next(found, _SPOKEN if raw else _USUAL[block.kind])
        inside = "fileData" if "fileUri" in out else "inlineData"
        draft.report.change(
            f"{where}.mime", draft.to(f"{inside}.mimeType"), f"no media type was given: {mime} is assumed"
        )
    if mime is not None:
        out["mimeType"] = mime
    if block.name is not None:
        if draft.own:
            out["displayName"] = block.name
        else:
            draft.report.lose(f"{where}.name", "media in the Gemini API have no names", "hint")
    return out


def _resolve(out: _Wire, detail: str, draft: Draft, where: str) -> None:
    level = _DETAIL_WORDS.get(detail)
    if level is not None and "text" not in out:
        out["mediaResolution"] = {"level": level}
    elif detail != "auto":
        draft.report.lose(
            f"{where}.detail", f"the Gemini API has no media resolution for detail {detail}", "quality"
        )


def native(block: ir.Block) -> ir.Native:
    """A block of one of our own answers as the part that it was, for a history of another dialect."""
    if isinstance(block, ir.Native):
        return block
    part = encode_part(block, Draft(Report(NAME), own=True), "")
    assert part is not None  # of the provider's own nothing is left out
    return _native(part)


_ENCODE: dict[type, Callable[[Any, Draft, str], _Wire | None]] = {
    ir.Text: _text_out,
    ir.Refusal: _refusal_out,
    ir.Thinking: _thinking_out,
    ir.ToolCall: _call_out,
    ir.ToolResult: _result_out,
    ir.Media: _media_out,
    ir.Json: _json_out,
    ir.Native: _native_out,
}
