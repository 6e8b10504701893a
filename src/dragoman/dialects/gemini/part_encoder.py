"""Encodes IR blocks as parts of requests, answers and streams.

Specification: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.gemini.draft import SIGNATURE, Draft, finish
from dragoman.dialects.gemini.media import encode_source, resolve
from dragoman.dialects.gemini.part_decoder import CODE_EXECUTION, keep_whole
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.loss import Report
from dragoman.errors import WireError

_Wire = dict[str, Any]
_encode_json = msgspec.json.Encoder().encode


def bare_text(block: ir.Block) -> _Wire | None:
    """Return the part `{"text": …}` for a text block without seal, citations, log probabilities, cache mark,
    item and leftovers. None for any other block, and for a text whose client wrote no member `text` (form
    "bare"); `encode_part` encodes these.
    """
    if type(block) is not ir.Text:
        return None
    if block.sealed or block.citations or block.logprobs or block.cache or block.item or block.extra:
        return None
    return {"text": block.text} if block.form != "bare" else None


def encode_part(block: ir.Block, draft: Draft, where: str) -> _Wire | None:
    """Encode one block as a part, and report losses and changes to `draft.report`. None = the block is left
    out, which is reported as a loss. where: the block's IR path. In a request, may raise WireError: for media
    with a file id that is not Google's, for media at a URL that the provider cannot read, and for calls of
    free-text tools.
    """
    return _ENCODE[type(block)](block, draft, where)


def _text_out(block: ir.Text, draft: Draft, where: str) -> _Wire | None:
    out: _Wire = {} if draft.own and block.form == "bare" else {"text": block.text}
    if not draft.answer:
        for index in range(len(block.citations)):
            why = "messages of the Gemini API cannot contain citations"
            draft.report.lose(f"{where}.citations[{index}]", why, "hint")
        _lose_logprobs(block, draft, where)
    return finish(out, block, draft, where)


def _lose_logprobs(block: ir.Text | ir.Refusal, draft: Draft, where: str) -> None:
    if block.logprobs is not None:
        why = "messages of the Gemini API cannot contain log probabilities"
        draft.report.lose(f"{where}.logprobs", why, "hint")


def _refusal_out(block: ir.Refusal, draft: Draft, where: str) -> _Wire | None:
    draft.report.change(where, draft.to("text"), "the refusal is written as plain text")
    if not draft.answer:
        _lose_logprobs(block, draft, where)
    out = {"text": block.text}
    restore(out, block.extra, draft.report, where)
    return out


def _thinking_out(block: ir.Thinking, draft: Draft, where: str) -> _Wire | None:
    sealed = block.sealed
    known = sealed is not None and sealed.origin == NAME
    text = block.text or "\n\n".join(block.summary)
    if not draft.own:
        # Thoughts without a signature are accepted as they were shown: recorded in pydantic-ai-0ee870479830.
        if not draft.answer and not known and (sealed is not None or not text):
            why = "reasoning of another provider cannot be sent to the Gemini API"
            draft.report.lose(where, why, "quality")
            return None
        if draft.answer and not known and (block.redacted or not (text or sealed)):
            draft.report.lose(where, "the reasoning has no text to show", "hint")
            return None
    out: _Wire = {} if draft.own and block.form == "bare" else {"text": text}
    out["thought"] = True
    return finish(out, block, draft, where)


def _call_out(block: ir.ToolCall, draft: Draft, where: str) -> _Wire | None:
    if block.by != "client" and not draft.own:
        why = f"a tool call that the {block.by} ran cannot be sent back in the Gemini API"
        draft.report.lose(where, why, "quality")
        return None
    if block.kind == "custom" and not draft.answer:
        raise WireError("the Gemini API has no calls of free-text tools", where, "unsupported_value")
    arguments = parse_arguments(block.arguments)
    if arguments is None:
        arguments = {"_raw": block.arguments}
        said = "tool call arguments that are not a JSON object are wrapped in one"
        draft.report.change(where, draft.to("functionCall.args._raw"), said)
    call: _Wire = {}
    if block.id is not None and (draft.quirks.call_ids or block.by != "client"):
        call["id"] = block.id
    if block.by == "client":
        key = "functionCall"
        call["name"] = block.name
    elif block.name == CODE_EXECUTION:
        return finish({"executableCode": {**call, **arguments}}, block, draft, where)
    else:
        key = "toolCall"
        call["toolType"] = block.name.upper()
    if block.arguments or not draft.own:
        call["args"] = arguments
    if block.namespace is not None:
        draft.report.lose(f"{where}.namespace", "the Gemini API has no namespaces of tool calls", "hint")
    out: _Wire = {key: call}
    if draft.own and block.form is not None and block.sealed is None:
        out[SIGNATURE] = block.form
    return finish(out, block, draft, where)


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
        return finish(out, block, draft, where)
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
    return finish(out, block, draft, where)


def _provided_out(block: ir.ToolResult, draft: Draft, where: str) -> _Wire | None:
    if not draft.own:
        why = f"a tool result of the {block.by} cannot be sent back in the Gemini API"
        draft.report.lose(where, why, "quality")
        return None
    result: _Wire = {} if block.id is None else {"id": block.id}
    value = next((inside.value for inside in block.content if isinstance(inside, ir.Json)), None)
    if block.kind == "codeExecutionResult":
        return finish({"codeExecutionResult": {**result, **(value or {})}}, block, draft, where)
    result["toolType"] = (block.name or "").upper()
    if value is not None:
        result["response"] = value
    return finish({"toolResponse": result}, block, draft, where)


def _response(block: ir.ToolResult, said: list[tuple[ir.Block, str]], draft: Draft) -> _Wire:
    key = "error" if block.error else "output"
    if len(said) == 1 and isinstance(said[0][0], ir.Json):
        value = said[0][0].value
        restore({}, said[0][0].extra, draft.report, said[0][1])
        if isinstance(value, dict) and not block.error and block.form != "output":
            return value
        return {key: value}
    texts = [text for inside, place in said if (text := _plain(inside, draft, place)) is not None]
    return {key: "\n".join(texts)}


def _json_out(block: ir.Json, draft: Draft, where: str) -> _Wire:
    out = {"text": _encode_json(block.value).decode()}
    restore(out, block.extra, draft.report, where)
    return out


def _native_out(block: ir.Native, draft: Draft, where: str) -> _Wire | None:
    if block.dialect == NAME:
        return finish(dict(block.value), block, draft, where)
    draft.report.lose(where, f"`{block.kind}` exists only in its own protocol", "meaning")
    return None


def _media_out(block: ir.Media, draft: Draft, where: str) -> _Wire | None:
    words = _spoken(block, draft, where)
    try:
        out = encode_source(block, draft, where) if words is None else {"text": words}
    except WireError as error:
        if not draft.answer:
            raise
        draft.report.lose(where, error.message, "meaning")  # the rest of the answer is told
        return None
    if out is None:
        draft.report.lose(where, f"the {block.kind} has no content", "meaning")
        return None
    if block.detail is not None:
        resolve(out, block.detail, draft, where)
    for field in ("context", "citable"):
        if getattr(block, field) is not None:
            draft.report.lose(f"{where}.{field}", f"media in the Gemini API have no {field}", "hint")
    return finish(out, block, draft, where)


def _spoken(block: ir.Media, draft: Draft, where: str) -> str | None:
    """Return the text that is sent in place of a medium, and report this change. It is the text of a document
    that consists of text or of content blocks, or the transcript of audio without data. None = the medium
    itself is sent. The name of such a document, and the transcript of audio with data, are reported as lost.
    where: the block's IR path.
    """
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


def _plain(block: ir.Block, draft: Draft, where: str) -> str | None:
    """Return the text of the part for a block inside a tool result or a document; a JSON block gives its
    JSON. None = the block is left out, or its part has no text, which is reported as a loss. In a request,
    raises WireError for media that cannot be sent. where: the block's IR path.
    """
    part = encode_part(block, draft, where)
    if part is None:
        return None
    text = part.get("text")
    if not isinstance(text, str):
        draft.report.lose(where, "a tool result of the Gemini API cannot contain it", "meaning")
        return None
    return text


def native(block: ir.Block) -> ir.Native:
    """Return a block as an ir.Native whose value is Gemini's part, so that a history in another dialect can
    hold it. block: a block that was decoded from this dialect; an ir.Native is returned unchanged.
    """
    if isinstance(block, ir.Native):
        return block
    part = encode_part(block, Draft(Report(NAME), own=True), "")
    assert part is not None  # blocks of this dialect are never left out
    return keep_whole(part)


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
