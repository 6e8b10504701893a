"""Encodes IR blocks as content blocks of requests, answers and streams.

A seal is an opaque value, mostly a signature of reasoning, which only its origin (a dialect) can read.
Anthropic never gets a seal of another origin. In an answer, the seal of a thinking block from another origin
is written with a tag that names the origin. On a text, a tool call or a medium, no such seal is written; if
the block itself is written, the seal is reported as lost.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.terms import CITATIONS, NAME, restore
from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.leftovers import lose_about, stated_oddly
from dragoman.dialects.loss import Report
from dragoman.dialects.seals import tag_seal
from dragoman.errors import WireError
from dragoman.wire.sniff import picture_type

_Wire = dict[str, Any]

_encode_json = msgspec.json.Encoder().encode


class Scope(msgspec.Struct, frozen=True):
    """The facts about a request or an answer that the encoders of its blocks need. report: gets the changes
    and losses. own: True = the request or the answer came in this dialect. answer: True = an answer for a
    client, False = a request for a provider. signatures: True = thinking in a request must have a signature.
    """

    report: Report
    own: bool
    answer: bool = False
    signatures: bool = True


def bare_text(block: ir.Block) -> _Wire | None:
    """Return the wire form of a text block that has only its text (and its `form`, which is ignored); None
    for an empty or blank text and for any other block.
    """
    if type(block) is not ir.Text:
        return None
    text = block.text
    if not text or text.isspace() or block != ir.Text(text, form=block.form):
        return None
    return {"type": "text", "text": text}


def encode_block(block: ir.Block, scope: Scope, where: str) -> _Wire | None:
    """Encode one block; None = the block is left out, which is reported, except for some blocks without
    words. where: the block's IR path.

    In a request, raises WireError for media that the API cannot take (such as audio, a file id of another
    provider, a document of an unsupported type) and for the client's calls of free-text tools.
    """
    return _ENCODE[type(block)](block, scope, where)


def encode_blocks(blocks: Iterable[ir.Block], scope: Scope, where: str) -> list[_Wire]:
    """Encode blocks in order. A block for which `encode_block` returns None is left out. where: the IR path
    of the list of blocks. In a request, raises WireError for the first block that `encode_block` refuses,
    such as audio.
    """
    written = (encode_block(block, scope, f"{where}[{index}]") for index, block in enumerate(blocks))
    return [wire for wire in written if wire is not None]


def encode_mark(mark: ir.CacheMark, report: Report, where: str) -> _Wire:
    """Encode a cache breakpoint. A stated lifetime (`ttl`) other than 5m and 1h becomes 1h, which is reported
    as a change. where: the IR path of the breakpoint.
    """
    out: _Wire = {"type": "ephemeral"}
    if mark.ttl is not None:
        out["ttl"] = mark.ttl
        if mark.ttl not in {"5m", "1h"}:
            out["ttl"] = "1h"
            report.change(
                where,
                "cache_control.ttl",
                f"{mark.ttl} is written as 1h, the longest cache lifetime of the Messages API",
            )
    restore(out, mark.extra, report, where)
    return out


def _finish(out: _Wire, block: Any, scope: Scope, where: str) -> _Wire:
    if block.cache is not None:
        out["cache_control"] = encode_mark(block.cache, scope.report, f"{where}.cache")
    if block.extra is not None:
        restore(out, block.extra, scope.report, where)
    if block.item is not None:
        if block.item.phase is not None:
            scope.report.lose(f"{where}.item.phase", "the Messages API has no message phase", "hint")
        restore({}, block.item.extra, scope.report, f"{where}.item")
    return out


def _lose_seal(sealed: ir.Sealed | None, scope: Scope, where: str) -> None:
    if sealed is not None and sealed.origin != NAME:
        scope.report.lose(
            f"{where}.sealed",
            "encrypted reasoning of another provider cannot be sent to the Messages API",
            "quality",
        )


def _text_out(block: ir.Text, scope: Scope, where: str) -> _Wire | None:
    text = block.text
    if not scope.own and (not text or text.isspace()) and not (scope.answer and text):
        if text or block != ir.Text(text):
            scope.report.lose(where, "the Messages API rejects an empty text block", "hint")
        return None
    out: _Wire = {"type": "text", "text": text}
    citations = [
        encode_citation(one, scope, f"{where}.citations[{index}]")
        for index, one in enumerate(block.citations)
    ]
    if written := [citation for citation in citations if citation is not msgspec.UNSET]:
        out["citations"] = written
    if block.logprobs is not None:
        scope.report.lose(f"{where}.logprobs", "the Messages API has no log probabilities", "hint")
    _lose_seal(block.sealed, scope, where)
    return _finish(out, block, scope, where)


def encode_citation(citation: ir.Citation, scope: Scope, where: str) -> Any:
    """Encode a citation; UNSET = it is not written, which is reported as a loss. A citation of another
    dialect is written only in an answer and only if it has a URL: as a `web_search_result_location`. where:
    the citation's IR path.
    """
    if scope.own and (odd := stated_oddly(citation, NAME)) is not msgspec.UNSET:
        return odd
    place = citation.source
    if place is not None and citation.kind == CITATIONS.get(str(place.get("type"))):
        out = dict(place)
        document = citation.kind in {"document", "page", "block"}
        out["cited_text"] = citation.quote or ""
        if citation.title is not None:
            out["document_title" if document else "title"] = citation.title
        if citation.url is not None:
            out["url"] = citation.url
    elif place is not None and scope.own:
        return dict(place)
    elif scope.answer and citation.url is not None:
        out = {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title,
            "cited_text": citation.quote or "",
            "encrypted_index": "",
        }
        if citation.start is not None:
            scope.report.lose(
                f"{where}.start", "in the Messages API a citation covers its whole text block", "hint"
            )
        if place is not None:
            why = "the Messages API states places in sources in another form"
            scope.report.lose(f"{where}.source", why, "hint")
    else:
        scope.report.lose(where, "the Messages API accepts only its own citations", "hint")
        return msgspec.UNSET
    restore(out, citation.extra, scope.report, where)
    return out


def _refusal_out(block: ir.Refusal, scope: Scope, where: str) -> _Wire | None:
    if not block.text.strip():
        return None
    scope.report.change(where, "content[].text", "the refusal is written as plain text")
    out: _Wire = {"type": "text", "text": block.text}
    restore(out, block.extra, scope.report, where)
    return out


def encode_seal(sealed: ir.Sealed, *, answer: bool) -> str | None:
    """Return the `signature` to write for a seal. A seal of this dialect is written unchanged. A seal of
    another origin is written with a tag in an answer for a client (`answer`); in a request, the result is
    None.
    """
    if sealed.origin == NAME:
        return sealed.data
    return tag_seal(sealed) if answer else None


def _thinking_out(block: ir.Thinking, scope: Scope, where: str) -> _Wire | None:
    sealed = block.sealed
    seal = None if sealed is None else encode_seal(sealed, answer=scope.answer)
    if block.redacted:
        if seal is None:
            scope.report.lose(
                where, "redacted reasoning of another provider cannot be sent to the Messages API", "quality"
            )
            return None
        return _finish({"type": "redacted_thinking", "data": seal}, block, scope, where)
    text = block.text or "\n\n".join(block.summary)
    if scope.answer:
        if not text and seal is None and not scope.own:
            scope.report.lose(where, "the reasoning has no text to show", "hint")
            return None
    elif not seal and scope.signatures:
        scope.report.lose(where, "reasoning without Anthropic's signature cannot be sent back", "quality")
        return None
    out = {"type": "thinking", "thinking": text, "signature": seal or ""}
    return _finish(out, block, scope, where)


def _call_out(block: ir.ToolCall, scope: Scope, where: str) -> _Wire | None:
    if block.by != "client" and not scope.own:
        scope.report.lose(
            where, f"a tool call that the {block.by} ran cannot be sent back in the Messages API", "quality"
        )
        return None
    if block.kind == "custom" and not scope.answer:
        raise WireError("the Messages API has no calls of free-text tools", where, "unsupported_value")
    arguments = parse_arguments(block.arguments)
    if arguments is None:
        arguments = {"_raw": block.arguments}
        scope.report.change(
            where, "input._raw", "tool call arguments that are not a JSON object are wrapped in one"
        )
    out: _Wire = {"type": "tool_use", "id": block.id, "name": block.name, "input": arguments}
    if block.by != "client":
        out["type"] = "server_tool_use" if block.namespace is None else "mcp_tool_use"
        if block.namespace is not None:
            out["server_name"] = block.namespace
    _lose_seal(block.sealed, scope, where)
    return _finish(out, block, scope, where)


def _result_out(block: ir.ToolResult, scope: Scope, where: str) -> _Wire | None:
    provided = block.by != "client"
    if provided and not scope.own:
        scope.report.lose(
            where,
            f"a result of a tool that the {block.by} ran cannot be sent back in the Messages API",
            "quality",
        )
        return None
    out: _Wire = {"type": block.kind if provided else "tool_result", "tool_use_id": block.id}
    content = block.content
    alone = content[0] if len(content) == 1 else None
    if type(alone) is ir.Text and (block.form == "text" or (not scope.own and bare_text(alone) is not None)):
        out["content"] = alone.text
    elif provided and isinstance(alone, ir.Json):
        out["content"] = alone.value
    elif content or provided:
        out["content"] = encode_blocks(content, scope, f"{where}.content")
    if block.error is not None and (not provided or block.kind == "mcp_tool_result"):
        out["is_error"] = block.error
    return _finish(out, block, scope, where)


def _media_out(block: ir.Media, scope: Scope, where: str) -> _Wire | None:
    if scope.answer and not scope.own:
        return _shown(block, scope, where)
    if block.form == "web_search_result":
        out: _Wire = {"type": "web_search_result", "url": block.url, "title": block.name}
        if block.sealed is not None:
            out["encrypted_content"] = block.sealed.data
        return _finish(out, block, scope, where)
    if block.kind not in {"image", "document"}:
        raise WireError(f"{block.kind} input is not supported", where, "unsupported_modality")
    _lose_seal(block.sealed, scope, where)
    out = {"type": block.kind}
    if block.form == "search_result":
        out |= {"type": "search_result", "source": block.context, "title": block.name}
        out["content"] = encode_blocks(block.blocks or (), scope, f"{where}.blocks")
    else:
        out["source"] = _source_out(block, scope, where)
        if block.name is not None and block.kind == "document":
            out["title"] = block.name
        elif block.name is not None:
            scope.report.lose(f"{where}.name", "the Messages API has no image names", "hint")
        if block.context is not None:
            out["context"] = block.context
    if block.citable is not None:
        out["citations"] = {"enabled": block.citable}
    if block.detail not in {None, "auto"}:  # "auto" lets the provider decide, which is the default here
        scope.report.lose(f"{where}.detail", "the Messages API has no image detail", "hint")
    return _finish(out, block, scope, where)


def _shown(block: ir.Media, scope: Scope, where: str) -> _Wire | None:
    """Encode media of an answer from another dialect. An image with data or a URL is written as in requests.
    For any other medium, the transcript is written as text, which is reported as a loss. None = there is no
    transcript, which is reported, too. where: the block's IR path.
    """
    if block.kind == "image" and (block.data is not None or block.url is not None):
        _lose_seal(block.sealed, scope, where)
        lose_about(block, scope.report, where)
        return _finish({"type": "image", "source": _source_out(block, scope, where)}, block, scope, where)
    if block.transcript:
        scope.report.lose(
            where,
            f"a response of the Messages API cannot contain {block.kind}; its transcript is shown instead",
            "meaning",
        )
        return {"type": "text", "text": block.transcript}
    scope.report.lose(where, f"a response of the Messages API cannot contain {block.kind}", "meaning")
    return None


def _source_out(block: ir.Media, scope: Scope, where: str) -> _Wire:
    if block.data is not None:
        return _inline(block, block.data, scope, where)
    if block.url is not None:
        return {"type": "url", "url": block.url}
    if block.text is not None:
        return {"type": "text", "media_type": block.mime or "text/plain", "data": block.text}
    if block.blocks is not None:
        return {"type": "content", "content": encode_blocks(block.blocks, scope, f"{where}.blocks")}
    if block.file is None:
        raise WireError(f"the {block.kind} has no content", where, "invalid_value")
    if not scope.own:
        raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
    return {"type": "file", "file_id": block.file}


def _inline(block: ir.Media, data: str, scope: Scope, where: str) -> _Wire:
    mime = block.mime
    if mime is None:
        mime = picture_type(data) if block.kind == "image" else "application/pdf"
        said = f"no media type was given: {mime} is assumed"
        scope.report.change(f"{where}.mime", "source.media_type", said)
    if scope.own or block.kind == "image" or mime == "application/pdf":
        return {"type": "base64", "media_type": mime, "data": data}
    if not mime.startswith("text/") and mime != "application/json":
        raise WireError(f"documents of type {mime} are not supported", where, "unsupported_value")
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise WireError("the document is not base64 of UTF-8 text", where, "invalid_value") from None
    scope.report.change(where, "source.data", f"the document of type {mime} is sent as plain text")
    return {"type": "text", "media_type": "text/plain", "data": text}


def _json_out(block: ir.Json, scope: Scope, where: str) -> _Wire:
    restore({}, block.extra, scope.report, where)
    return {"type": "text", "text": _encode_json(block.value).decode()}


def _native_out(block: ir.Native, scope: Scope, where: str) -> _Wire | None:
    if block.dialect == NAME:
        return dict(block.value)
    scope.report.lose(where, f"`{block.kind}` exists only in its own protocol", "meaning")
    return None


def native(block: ir.Block) -> ir.Native:
    """Encode a block that was decoded from this dialect as ir.Native, so that a history in another dialect
    can hold it. A Native is returned unchanged. block: a call or a result of the provider's own tools.
    """
    if isinstance(block, ir.Native):
        return block
    wire = encode_block(block, Scope(Report(NAME), own=True), "")
    assert wire is not None  # blocks of this dialect are never left out
    return ir.Native(NAME, wire["type"], wire)


_ENCODE: dict[type, Callable[[Any, Scope, str], _Wire | None]] = {
    ir.Text: _text_out,
    ir.Refusal: _refusal_out,
    ir.Thinking: _thinking_out,
    ir.ToolCall: _call_out,
    ir.ToolResult: _result_out,
    ir.Media: _media_out,
    ir.Json: _json_out,
    ir.Native: _native_out,
}
