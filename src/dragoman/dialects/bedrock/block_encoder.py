"""Encodes content blocks, IR to wire, of requests, responses and streams.

A seal is an opaque signature of reasoning. Thinking in a request gets only a seal whose origin is this
dialect. Thinking in a response gets the seals of other dialects, too, with a tag that names their origin. A
seal on another block is left out; if the block is written as a text, a call, a result or a medium, the seal
is reported as lost.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.bedrock.block_decoder import SERVER_CALL
from dragoman.dialects.bedrock.terms import API, CACHING, FORMATS, NAME, OTHER_TYPES, Family, restore
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.leftovers import lose_about, shown, stated_oddly
from dragoman.dialects.loss import Report
from dragoman.dialects.seals import tag_seal
from dragoman.errors import WireError
from dragoman.wire.sniff import picture_type

_Wire = dict[str, Any]
_NAMELESS: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_BLANKS: Final = re.compile(r"\s{2,}")
_MOST_NAME: Final = 200
_WORDS: Final = (ir.Text, ir.Refusal, ir.Json)


class Scope(msgspec.Struct):
    """What the block encoders know about the request or response that they write. report: gets the losses and
    changes. own: True = the request or response came in this dialect. answer: True = a response for a client
    is written, False = a request. family: the family of the model. names: the names of documents that are in
    use; each document needs another name. result: True = the blocks are the content of a tool result.
    """

    report: Report
    own: bool
    answer: bool = False
    family: Family = "other"
    names: set[str] = msgspec.field(default_factory=set)
    result: bool = False


def reads(media: ir.Media) -> bool:
    """Whether Bedrock itself reads the medium from its URL: the URL is an address in S3 (`s3://…`)."""
    return media.url is not None and media.url.startswith("s3://")


def encode_blocks(blocks: Iterable[tuple[ir.Block, str]], scope: Scope) -> list[_Wire]:
    """Encode blocks, which come as (block, its IR path), each with the cache point of its mark
    (`encode_mark`) behind it. Blocks that `encode_block` leaves out are not in the result, but their cache
    points are. For content of another dialect, marks inside a tool result or a document give one cache point
    behind the whole. Raises WireError for the first block that `encode_block` refuses.
    """
    out: list[_Wire] = []
    for block, where in blocks:
        wire = encode_block(block, scope, where)
        if wire is not None:
            out.append(wire)
        points: list[_Wire] = []
        for one, place in ((block, where), *(() if scope.own else _inner(block, where))):
            if (mark := getattr(one, "cache", None)) is None:
                continue
            written = encode_mark(mark, scope, place, after=bool(out))
            if written and one is not block:
                scope.report.change(f"{place}.cache", "cachePoint", "it stands behind the whole block")
            points = points or written
        out += points
    return out


def _inner(block: ir.Block, where: str) -> list[tuple[ir.Block, str]]:
    """Return the blocks inside a tool result or a document, each with its IR path; [] for any other block.
    where: the IR path of `block`.
    """
    if type(block) is ir.ToolResult:
        return [(one, f"{where}.content[{at}]") for at, one in enumerate(block.content)]
    if type(block) is ir.Media and block.blocks is not None:
        return [(one, f"{where}.blocks[{at}]") for at, one in enumerate(block.blocks)]
    return []


def _encode_inner(block: ir.ToolResult | ir.Media, scope: Scope, where: str) -> list[_Wire]:
    """Encode the blocks inside a tool result or a document. Content of another dialect gets no cache points
    here, because the API has none inside of them (`encode_blocks` writes them behind the whole), and a
    document gets only its texts, refusals and JSON values; its other blocks are reported as lost. where: the
    IR path of `block`.
    """
    result = type(block) is ir.ToolResult
    scope = msgspec.structs.replace(scope, result=result)
    placed = _inner(block, where)
    if scope.own:
        return encode_blocks(placed, scope)
    out: list[_Wire] = []
    for one, place in placed:
        if not result and not isinstance(one, _WORDS):
            scope.report.lose(place, f"a document of {API} has no content but text", "meaning")
        elif (wire := encode_block(one, scope, place)) is not None:
            out.append(wire)
    return out


def encode_mark(mark: ir.CacheMark, scope: Scope, where: str, *, after: bool = True) -> list[_Wire]:
    """Return a list with the cache point of a mark. For content of another dialect, the mark is reported as
    lost and the list is empty if the model's family is not in `CACHING` or if there is no block before the
    point; a lifetime other than `5m` and `1h` is written as `1h`. where: the IR path of the block or tool
    with the mark. after: True = there is a block before the point.
    """
    report, place = scope.report, f"{where}.cache"
    restore({}, mark.extra, report, place)
    if not scope.own and (scope.family not in CACHING or not after):
        report.lose(place, "this model is not known to accept cache points", "hint")
        return []
    point = {"type": "default"}
    if mark.ttl in {"5m", "1h"} or (scope.own and mark.ttl is not None):
        point["ttl"] = mark.ttl
    elif mark.ttl is not None:
        point["ttl"] = "1h"
        report.change(place, "cachePoint.ttl", f"{mark.ttl} is written as 1h, the longest of {API}")
    return [{"cachePoint": point}]


def encode_block(block: ir.Block, scope: Scope, where: str) -> _Wire | None:
    """Encode one block, without its cache mark; None = the block is left out, which is reported, except for
    some blocks without words. where: the block's IR path.

    In a request, raises WireError for media that the API cannot take (for example without content, of an
    unsupported type, or with only a URL outside of S3), and for a call of a free-text tool.
    """
    if scope.own and type(block) is ir.Text and block.form == "guarded":
        members = {shown(key): value for key, value in (block.extra or {}).get(NAME, {}).items()}
        return {"guardContent": {"text": {"text": block.text, **members}}}
    wire = _ENCODE[type(block)](block, scope, where)
    if wire is not None and (extra := getattr(block, "extra", None)) is not None:
        restore(wire, extra, scope.report, where)
    if (item := getattr(block, "item", None)) is not None:
        if item.phase is not None:
            scope.report.lose(f"{where}.item.phase", f"{API} has no message phase", "hint")
        restore({}, item.extra, scope.report, f"{where}.item")
    return wire


def _lose_seal(sealed: ir.Sealed | None, scope: Scope, where: str) -> None:
    if sealed is not None:
        scope.report.lose(
            f"{where}.sealed", f"encrypted reasoning of another provider cannot be sent to {API}", "quality"
        )


def _text_out(block: ir.Text, scope: Scope, where: str) -> _Wire | None:
    text = block.text
    if not scope.own and not (text if scope.answer else text.strip()):
        if text or block != ir.Text(text, form=block.form, cache=block.cache):
            scope.report.lose(where, f"{API} rejects a blank text block", "hint")
        return None
    if block.logprobs is not None:
        scope.report.lose(f"{where}.logprobs", f"{API} has no log probabilities", "hint")
    _lose_seal(block.sealed, scope, where)
    written = [
        encode_citation(one, scope, f"{where}.citations[{at}]") for at, one in enumerate(block.citations)
    ]
    citations = [one for one in written if one is not msgspec.UNSET]
    if citations or (scope.own and block.form == "citations"):
        return {"citationsContent": {"content": [{"text": text}], "citations": citations}}
    return {"text": text}


def encode_citation(citation: ir.Citation, scope: Scope, where: str) -> Any:
    """Encode a citation; UNSET = it is reported as lost. A citation that came in this dialect is written as
    it came. A citation of another dialect is written only in a response, and only if it has a URL or a title.
    where: the citation's IR path.
    """
    if scope.own and citation.source is not None:
        return dict(citation.source)
    if scope.own and (odd := stated_oddly(citation, NAME)) is not msgspec.UNSET:
        return odd
    if not scope.answer or (citation.url is None and citation.title is None):
        scope.report.lose(where, f"{API} accepts only its own citations", "hint")
        return msgspec.UNSET
    out: _Wire = {}
    if citation.title is not None:
        out["title"] = citation.title
    if citation.quote is not None:
        out["sourceContent"] = [{"text": citation.quote}]
    if citation.url is not None:
        out["location"] = {"web": {"url": citation.url}}
    if citation.start is not None:
        scope.report.lose(f"{where}.start", "a citation covers its whole text block", "hint")
    if citation.source is not None:
        scope.report.lose(f"{where}.source", f"{API} states places in sources in another form", "hint")
    restore({}, citation.extra, scope.report, where)
    return out


def _refusal_out(block: ir.Refusal, scope: Scope, where: str) -> _Wire | None:
    if not block.text.strip():
        return None
    scope.report.change(where, "content[].text", "the refusal is written as plain text")
    return {"text": block.text}


def encode_signature(sealed: ir.Sealed | None, scope: Scope) -> str | None:
    """Return the `signature` for a seal. None = `sealed` is None, or it is a seal of another dialect, which a
    request cannot have. A response gets such a seal with a tag.
    """
    if sealed is None:
        return None
    if sealed.origin == NAME:
        return sealed.data
    return tag_seal(sealed) if scope.answer else None


def _thinking_out(block: ir.Thinking, scope: Scope, where: str) -> _Wire | None:
    sealed = block.sealed
    if block.redacted and sealed is not None and sealed.origin == NAME:
        return {"reasoningContent": {"redactedContent": sealed.data}}
    if block.redacted and sealed is not None and scope.answer:
        tag = base64.b64encode(tag_seal(sealed).encode()).decode()
        return {"reasoningContent": {"redactedContent": tag}}
    signature = encode_signature(sealed, scope)
    text = block.text or "\n\n".join(block.summary)
    if not scope.answer and signature is None and not scope.own:
        why = f"reasoning without the signature of its provider cannot be sent to {API}"
        scope.report.lose(where, why, "quality")
        return None
    if not text and signature is None and not scope.own:
        scope.report.lose(where, "the reasoning has no text to show", "hint")
        return None
    out = {"text": text}
    if signature is not None:
        out["signature"] = signature
    return {"reasoningContent": {"reasoningText": out}}


def _call_out(block: ir.ToolCall, scope: Scope, where: str) -> _Wire | None:
    if block.by != "client" and not scope.own:
        why = f"a tool call that the {block.by} ran cannot be sent back in {API}"
        scope.report.lose(where, why, "quality")
        return None
    if block.kind == "custom" and not scope.answer:
        raise WireError(f"{API} has no calls of free-text tools", where, "unsupported_value")
    arguments = parse_arguments(block.arguments)
    if arguments is None:
        arguments = {"_raw": block.arguments}
        why = "tool call arguments that are not a JSON object are wrapped in one"
        scope.report.change(where, "toolUse.input._raw", why)
    _lose_seal(block.sealed, scope, where)
    out: _Wire = {"toolUseId": block.id, "name": block.name, "input": arguments}
    if (kind := call_type(block, scope)) is not None:
        out["type"] = kind
    return {"toolUse": out}


def call_type(block: ir.ToolCall, scope: Scope) -> str | None:
    """Return the `type` to write for a call: `server_tool_use` for a call that the client does not run; for a
    call of the client's tool its original `type`, if the call came in this dialect; None = no type is
    written.
    """
    if block.by != "client":
        return SERVER_CALL
    return block.form if scope.own else None


def _result_out(block: ir.ToolResult, scope: Scope, where: str) -> _Wire | None:
    provided = block.by != "client"
    if provided and not scope.own:
        why = f"a result of a tool that the {block.by} ran cannot be sent back in {API}"
        scope.report.lose(where, why, "quality")
        return None
    content = _encode_inner(block, scope, where)
    if not content and not scope.own:  # the API refuses an empty list
        content = [{"text": "(no result)"}]
    out: _Wire = {"toolUseId": block.id, "content": content}
    if block.error is not None:
        out["status"] = "error" if block.error else "success"
    if provided:
        out["type"] = block.kind
    elif scope.own and block.form == "typed":
        out["type"] = "tool_result"
    _lose_seal(block.sealed, scope, where)
    return {"toolResult": out}


def _media_out(block: ir.Media, scope: Scope, where: str) -> _Wire | None:
    if block.form == "search_result" and block.blocks is not None and (scope.own or not scope.answer):
        return _search_result_out(block, scope, where)
    if scope.answer and not scope.own and (block.kind != "image" or block.data is None):
        if block.transcript:
            scope.report.lose(where, f"a response of {API} has no {block.kind}: its transcript is shown")
            return {"text": block.transcript}
        scope.report.lose(where, f"a response of {API} cannot contain this {block.kind}")
        return None
    try:
        out: _Wire = {"source": _source_out(block, scope, where)}
        form = _format(block, scope, where)
    except WireError as error:
        if not scope.answer:
            raise
        scope.report.lose(where, error.message, "meaning")  # the rest of the answer is told
        return None
    if form is not None:
        out["format"] = form
    if block.kind == "document":
        out["name"] = block.name if scope.own and block.name is not None else _name(block, scope, where)
        if block.context is not None:
            out["context"] = block.context
        if block.citable is not None:
            out["citations"] = {"enabled": block.citable}
    elif not scope.own:
        lose_about(block, scope.report, where)
    if block.detail not in {None, "auto"}:
        scope.report.lose(f"{where}.detail", f"{API} has no image detail", "hint")
    _lose_seal(block.sealed, scope, where)
    return {block.kind: out}


def _search_result_out(block: ir.Media, scope: Scope, where: str) -> _Wire:
    out: _Wire = {
        "source": block.context or "",
        "title": block.name or "",
        "content": _encode_inner(block, scope, where),
    }
    if block.citable is not None:
        out["citations"] = {"enabled": block.citable}
    return {"searchResult": out}


def _source_out(block: ir.Media, scope: Scope, where: str) -> _Wire:
    if block.data is not None:
        return {"bytes": block.data}
    if block.text is not None and (scope.own or block.kind == "document"):
        return {"text": block.text}
    if block.blocks is not None:
        return {"content": _encode_inner(block, scope, where)}
    if block.file is not None and (block.form == "s3" or block.file.startswith("s3://")):
        return {"s3Location": {"uri": block.file}}
    if block.url is not None and block.url.startswith("s3://"):
        return {"s3Location": {"uri": block.url}}
    if block.file is not None:
        raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
    if block.url is not None:
        raise WireError(f"{API} does not read URLs", where, "unsupported_value")
    raise WireError(f"the {block.kind} has no content", where, "invalid_value")


def _format(block: ir.Media, scope: Scope, where: str) -> str | None:
    """Return the `format` of a medium; None = it came in this dialect and states none. A media type that is
    not stated is assumed, which is reported as a change. If the medium came in another dialect, raises
    WireError for a type that the API does not have, and for audio and video without a type.
    """
    mime = block.mime
    if mime is None:
        if scope.own:
            return None
        mime = picture_type(block.data or "") if block.kind == "image" else None
        if mime is None and block.kind != "document":
            raise WireError(f"the {block.kind} has no media type", where, "invalid_value")
        mime = mime or ("text/plain" if block.data is None else "application/pdf")
        scope.report.change(f"{where}.mime", "format", f"no media type was given: {mime} is assumed")
    mime = mime.partition(";")[0].strip().lower()
    for form, kind in FORMATS[block.kind].items():
        if kind == mime:
            return form
    if (other := OTHER_TYPES.get(mime)) is not None:
        return other
    if scope.own:
        return mime.partition("/")[2]
    if block.kind == "document" and mime.startswith("text/"):
        return "txt"
    raise WireError(f"{block.kind}s of type {mime} are not supported", where, "unsupported_value")


def _name(block: ir.Media, scope: Scope, where: str) -> str:
    """Return a name that the API accepts for a document and that no other document of the request has. A
    changed or added name is reported. where: the document's IR path. The rules, read in 2026-11:
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
    """
    stated = block.name or "document"
    name = _BLANKS.sub(" ", _NAMELESS.sub(" ", stated)).strip()[: _MOST_NAME - 8] or "document"
    free, number = name, 1
    while free in scope.names:
        number += 1
        free = f"{name} ({number})"
    scope.names.add(free)
    if free != block.name:
        scope.report.change(f"{where}.name", "document.name", f"{API} requires a name of this form: {free}")
    return free


def _json_out(block: ir.Json, scope: Scope, _where: str) -> _Wire:
    if scope.result and (scope.own or type(block.value) is dict):
        return {"json": block.value}
    return {"text": msgspec.json.encode(block.value).decode()}


def _native_out(block: ir.Native, scope: Scope, where: str) -> _Wire | None:
    if block.dialect == NAME:
        return dict(block.value)
    scope.report.lose(where, no_form(block.dialect, block.kind), "meaning")
    return None


_ENCODE: Final[dict[type, Callable[[Any, Scope, str], _Wire | None]]] = {
    ir.Text: _text_out,
    ir.Refusal: _refusal_out,
    ir.Thinking: _thinking_out,
    ir.ToolCall: _call_out,
    ir.ToolResult: _result_out,
    ir.Media: _media_out,
    ir.Json: _json_out,
    ir.Native: _native_out,
}
