"""Decodes content blocks, wire to IR, of requests, responses and streams.

A block is an object with one member, whose name is the kind of the block: `{"text": …}`. Some clients add a
`type`. A block of an unknown kind, or of a known kind in an unknown form, becomes an ir.Native that holds it
unchanged. A usual `cachePoint`, which is a block of its own, becomes the cache mark of the block before it,
if this block can have one more.

The field `form` in the IR: of a Text, "citations" = it was a `citationsContent`, "guarded" = it was a
`guardContent`; of a Media, "s3" = `file` is an address in S3, "search_result" = it was a `searchResult`; of a
call of the client's tool, the call's `type`; of a result of the client's tool, "typed" = it had the `type`
"tool_result".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.bedrock.terms import FORMATS, NAME, leftovers
from dragoman.dialects.leftovers import odd_citation
from dragoman.dialects.seals import TAG, read_seal
from dragoman.dialects.typed import read_block
from dragoman.errors import WireError

_Wire = dict[str, Any]
_MEDIA: Final = frozenset({"format", "source", "name", "context", "citations"})
_CALL: Final = frozenset({"toolUseId", "name", "input", "type"})
_RESULT: Final = frozenset({"toolUseId", "content", "status", "type"})
_SEARCH_RESULT: Final = frozenset({"source", "title", "content", "citations"})
_REASONING: Final = frozenset({"text", "signature"})
_POINT: Final = frozenset({"type", "ttl"})
_STATUS: Final = {"success": False, "error": True}
SERVER_CALL: Final = "server_tool_use"


def decode_blocks(values: Iterable[Any], where: str) -> tuple[ir.Block, ...]:
    """Decode a list of blocks. A usual cache point becomes the cache mark of the block before it, if this
    block can have a mark and has none; otherwise it becomes a block of its own. where: the path of the list.
    Raises WireError for an entry that is not an object (path: `where[index]`).
    """
    blocks: list[ir.Block] = []
    for index, value in enumerate(values):
        if type(value) is not dict:
            raise WireError("must be an object", f"{where}[{index}]", "invalid_type")
        mark = decode_mark(value)
        last = blocks[-1] if blocks else None
        if mark is not None and last is not None and getattr(last, "cache", ...) is None:
            blocks[-1] = msgspec.structs.replace(last, cache=mark)
        else:
            blocks.append(decode_block(value))
    return tuple(blocks)


def decode_mark(value: _Wire) -> ir.CacheMark | None:
    """Decode a block that is a usual cache point; None = the block is something else, or a cache point in an
    unknown form.
    """
    point = value.get("cachePoint")
    if type(point) is not dict or len(value) > 1 or point.get("type") != "default":
        return None
    ttl = point.get("ttl")
    if not point.keys() <= _POINT or (type(ttl) is not str and ttl is not None):
        return None
    return ir.CacheMark(ttl)


def decode_block(value: _Wire) -> ir.Block:
    """Decode one block. A block of an unknown kind or form becomes ir.Native, which holds it unchanged."""
    text = value.get("text")
    if type(text) is str and len(value) == 1:
        return ir.Text(text)
    kind = next((one for one in value if one in _DECODE), None)
    if kind is None:
        return _native(value)
    return read_block(lambda whole: _known(kind, whole), value, _native)


def _known(kind: str, value: _Wire) -> ir.Block:
    block = _DECODE[kind](value[kind])
    if len(value) == 1:
        return block
    known = frozenset({kind, "type"} if value.get("type") == kind else {kind})  # some clients name the kind
    extra = leftovers(value, known)
    if extra is None:
        return block
    return msgspec.structs.replace(block, extra=ir.merge(getattr(block, "extra", None), extra))


def _native(value: _Wire) -> ir.Native:
    return ir.Native(NAME, next(iter(value), ""), value)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _text(value: Any) -> ir.Block:
    return ir.Text(_string(value))


def _media(kind: Any) -> Callable[[_Wire], ir.Block]:
    types = FORMATS[kind]

    def decode(value: _Wire) -> ir.Block:
        stated, source = value.get("format"), value["source"]
        mime = types.get(stated) if stated is not None else None
        if stated is not None and mime is None:
            mime = f"{kind}/{_string(stated)}"
        fields = _source(source)
        wish = value.get("citations")
        if wish is not None and wish.keys() != {"enabled"}:
            raise ValueError
        return ir.Media(
            kind,
            mime=mime,
            **fields,
            name=value.get("name"),
            context=value.get("context"),
            citable=None if wish is None else wish["enabled"],
            extra=leftovers(value, _MEDIA, kind),
        )

    return decode


def _source(source: _Wire) -> dict[str, Any]:
    """Return the fields of ir.Media for the `source` of a medium. Raises an error of
    `typed.OF_ANOTHER_SHAPE`, which `read_block` handles, if the source is not an object with exactly one
    member, or if this member has an unknown form.
    """
    ((kind, content),) = source.items()
    if kind == "bytes":
        return {"data": _string(content)}
    if kind == "text":
        return {"text": _string(content)}
    if kind == "content":
        return {"blocks": _inner(content)}
    if kind == "s3Location" and content.keys() == {"uri"}:
        return {"file": _string(content["uri"]), "form": "s3"}
    raise ValueError


def _inner(values: Any) -> tuple[ir.Block, ...]:
    """Decode the list of blocks inside of a block. Raises TypeError, which `read_block` handles, if it is not
    a list of objects.
    """
    if type(values) is not list or any(type(value) is not dict for value in values):
        raise TypeError
    return decode_blocks(values, "content")


def _search_result(value: _Wire) -> ir.Block:
    wish = value.get("citations")
    if wish is not None and wish.keys() != {"enabled"}:
        raise ValueError
    return ir.Media(
        "document",
        blocks=_inner(value["content"]),
        name=value["title"],
        context=value["source"],
        citable=None if wish is None else wish["enabled"],
        extra=leftovers(value, _SEARCH_RESULT, "searchResult"),
        form="search_result",
    )


def _call(value: _Wire) -> ir.Block:
    kind = value.get("type")
    provided = kind == SERVER_CALL
    return ir.ToolCall(
        _string(value["toolUseId"]),
        _string(value["name"]),
        arguments_text(value.get("input")),
        "builtin" if provided else "function",
        "provider" if provided else "client",
        extra=leftovers(value, _CALL, "toolUse"),
        form=None if provided or kind is None else _string(kind),
    )


def _result(value: _Wire) -> ir.Block:
    kind, status = value.get("type"), value.get("status")
    provided = kind is not None and kind != "tool_result"
    return ir.ToolResult(
        _string(value["toolUseId"]),
        _inner(value["content"]),
        error=None if status is None else _STATUS[status],
        kind=_string(kind) if provided else "function",
        by="provider" if provided else "client",
        extra=leftovers(value, _RESULT, "toolResult"),
        form=None if provided or kind is None else "typed",
    )


def _json(value: Any) -> ir.Block:
    return ir.Json(value)


def _reasoning(value: _Wire) -> ir.Block:
    ((kind, content),) = value.items()
    if kind == "redactedContent":
        return ir.Thinking(sealed=read_withheld(_string(content)), redacted=True)
    if kind != "reasoningText" or not content.keys() <= _REASONING:
        raise ValueError
    signature = content.get("signature")
    return ir.Thinking(
        _string(content["text"]), sealed=None if signature is None else read_seal(signature, NAME)
    )


def read_withheld(content: str) -> ir.Sealed:
    """Return the seal in a `redactedContent`. If the content is, in base64, a seal with a whole tag, the seal
    has the origin that the tag names. Otherwise the content is a seal of Bedrock itself.
    """
    try:
        text = base64.b64decode(content, validate=True).decode()
    except (ValueError, binascii.Error):
        return ir.Sealed(NAME, content)
    return read_seal(text, NAME) if text.startswith(TAG) else ir.Sealed(NAME, content)


def _guarded(value: _Wire) -> ir.Block:
    """Decode a text that a guardrail judges. Its `qualifiers`, which say what the text is for the guardrail
    (a source or a question, for example), become a leftover. Raises an error of `typed.OF_ANOTHER_SHAPE` for
    other content than a text.
    """
    (text,) = (value[kind] for kind in value if kind == "text")
    if len(value) > 1 or not text.keys() <= {"text", "qualifiers"}:
        raise ValueError
    qualifiers = text.get("qualifiers")
    extra: ir.Extra = None if qualifiers is None else {NAME: {"qualifiers": qualifiers}}
    return ir.Text(_string(text["text"]), form="guarded", extra=extra)


def _cited(value: _Wire) -> ir.Block:
    (content,) = value["content"]
    if content.keys() != {"text"} or not value.keys() <= {"content", "citations"}:
        raise ValueError
    citations = value.get("citations")
    return ir.Text(
        _string(content["text"]),
        tuple(map(decode_citation, citations or ())),
        form="citations",
    )


_PLACES: Final = {
    "web": "url",
    "documentChar": "document",
    "documentPage": "page",
    "documentChunk": "block",
    "searchResultLocation": "search_result",
}
"""Member of a citation's `location` -> kind of the citation in the IR."""


def decode_citation(value: Any) -> ir.Citation:
    """Decode one citation. `Citation.source` holds the whole wire object. If the URL or the title has a type
    that no field of the IR can hold, the citation has only this `source`, and its kind is `document`. A value
    that is not an object becomes a citation of the kind "odd", which only keeps this value (`odd_citation`).
    Raises AttributeError or TypeError if `location` or `sourceContent` has another form.
    """
    if type(value) is not dict:
        return odd_citation(value, NAME)
    location = value.get("location") or {}
    place = next(iter(location), "")
    web = location.get("web") or {}
    quotes = [part.get("text") or "" for part in value.get("sourceContent") or ()]
    url, source = web.get("url"), value.get("source")
    if url is None and type(source) is str and source.startswith(("http://", "https://")):
        url = source
    citation = ir.Citation(
        _PLACES.get(place, place or "document"),
        url,
        value.get("title"),
        "".join(quotes) or None,
        source=value,
    )
    return citation if ir.is_sound(citation) else ir.Citation("document", source=value)


_DECODE: Final[dict[str, Callable[[Any], ir.Block]]] = {
    "text": _text,
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "toolUse": _call,
    "toolResult": _result,
    "json": _json,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "searchResult": _search_result,
    "guardContent": _guarded,
}
