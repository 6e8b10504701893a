"""Decodes content blocks of requests, answers and streams to IR blocks.

A block of an unknown type, or of a known type in an unknown form, usually becomes ir.Native, which holds it
unchanged. `decode_block` names the exceptions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.terms import CITATIONS, NAME, leftovers
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.leftovers import odd_citation
from dragoman.dialects.seals import read_seal
from dragoman.dialects.typed import read_block
from dragoman.errors import WireError

_Wire = dict[str, Any]

_TEXT = frozenset({"type", "text", "citations"})
_IMAGE = frozenset({"type", "source"})
_DOCUMENT = frozenset({"type", "source", "title", "context", "citations"})
_SEARCH_RESULT = frozenset({"type", "source", "title", "content", "citations"})
_MARK = frozenset({"cache_control"})
_WEB_RESULT = frozenset({"type", "url", "title", "encrypted_content"})
_THINKING = frozenset({"type", "thinking", "signature"})
_REDACTED = frozenset({"type", "data"})
_CALL = frozenset({"type", "id", "name", "input"})
_MCP_CALL = _CALL | {"server_name"}
_RESULT = frozenset({"type", "tool_use_id", "content", "is_error"})
_REFERENCE = frozenset({"type", "tool_name"})
_SOURCES: dict[str, tuple[str, frozenset[str]]] = {
    "base64": ("data", frozenset({"type", "data", "media_type"})),
    "url": ("url", frozenset({"type", "url"})),
    "file": ("file", frozenset({"type", "file_id"})),
    "text": ("text", frozenset({"type", "data", "media_type"})),
    "content": ("blocks", frozenset({"type", "content"})),
}
_SOURCE_KEYS = {"file": "file_id", "text": "data", "content": "content"}


def decode_content(content: Any, where: str = "content") -> tuple[ir.Block, ...]:
    """Decode a `content`: a string, which becomes one text block, or a list of blocks. Raises WireError for
    any other value (path: `where`), for a block that is not an object (path: `where[index]`), and for a block
    whose words or inner content have a wrong type (`decode_block`).
    """
    if isinstance(content, str):
        return (ir.Text(content),)
    if not isinstance(content, list):
        raise WireError("must be a string or an array", where)
    return decode_blocks(content, where)


def decode_blocks(values: Iterable[Any], where: str = "content") -> tuple[ir.Block, ...]:
    """Decode a list of blocks. Raises WireError for a block that is not an object (path: `where[index]`), and
    for a block whose words or inner content have a wrong type (`decode_block`).
    """
    blocks = []
    for index, value in enumerate(values):
        if type(value) is not dict:
            raise WireError("must be an object", f"{where}[{index}]")
        blocks.append(decode_block(value))
    return tuple(blocks)


def decode_block(value: _Wire) -> ir.Block:
    """Decode one content block. A block of an unknown type or form becomes ir.Native, which holds it
    unchanged.

    Raises WireError if the words of a text, a thinking block or a `tool_reference` are neither a string nor
    null, and for most wrong types of the content inside a block. The error's path does not name this block:
    it is "", or a place inside the content (`content[0]`).
    """
    kind = value.get("type")
    if kind == "text" and len(value) == 2 and type(text := value.get("text")) is str:
        return ir.Text(text)
    decode = _DECODE.get(kind) if type(kind) is str else None
    if decode is None:
        decode = _provider_result if isinstance(kind, str) and kind.endswith("_tool_result") else _native
    return read_block(decode, value, _native)


def _native(value: _Wire) -> ir.Block:
    return ir.Native(NAME, str(value.get("type")), value)


def _string(value: _Wire, key: str) -> str:
    """Return the words of a block; "" if the member is null or missing, as some servers leave it out of the
    start of a streamed block. Raises WireError for any other value that is not a string.
    """
    text = value.get(key)
    if isinstance(text, str):
        return text
    if text is None:
        return ""
    raise WireError(f"`{key}` must be a string")


def _text(value: _Wire) -> ir.Block:
    text = _string(value, "text")
    citations = value.get("citations")
    mark, extra = marked(value, _TEXT)
    return ir.Text(
        text,
        tuple(decode_citation(citation) for citation in citations) if citations else (),
        cache=mark,
        extra=extra,
    )


def decode_mark(value: _Wire) -> ir.CacheMark | None:
    """Decode the `cache_control` of `value`: a block, a tool or a request. None = `cache_control` is missing
    or is not an object. All its members except `ttl` become leftovers, but none if these are only the `type`
    "ephemeral". If `ttl` is neither a string nor null, all members become leftovers.
    """
    mark = value.get("cache_control")
    if type(mark) is not dict:
        return None
    ttl = mark.get("ttl")
    if type(ttl) is not str and ttl is not None:
        return ir.CacheMark(None, {NAME: mark})
    if mark.keys() <= {"type", "ttl"} and mark.get("type") == "ephemeral":
        return ir.CacheMark(ttl)
    return ir.CacheMark(ttl, {NAME: {key: kept for key, kept in mark.items() if key != "ttl"}})


def marked(value: _Wire, known: frozenset[str]) -> tuple[ir.CacheMark | None, ir.Extra]:
    """Return (the cache mark of a block or a tool, its leftovers). The leftovers are the members that are not
    in `known`, except `cache_control`, which is a leftover only if it is neither an object nor null. None =
    there is no cache mark, or there are no leftovers.
    """
    if "cache_control" not in value:
        return None, leftovers(value, known)
    mark = decode_mark(value)
    odd = mark is None and value["cache_control"] is not None
    return mark, leftovers(value, known if odd else known | _MARK)


def decode_citation(value: Any) -> ir.Citation:
    """Decode one citation. The URL, the title and the cited text become fields; all other members go into
    `source`. If the citation's form is unknown, all members go into `source`. A value that is not an object
    becomes a citation of the kind "odd", which only keeps this value (`odd_citation`).
    """
    if type(value) is not dict:
        return odd_citation(value, NAME)
    kind = CITATIONS.get(str(value.get("type", "")))
    if kind is None:
        return ir.Citation(str(value.get("type")), source=value)
    place = dict(value)
    title, other = place.pop("title", None), place.pop("document_title", None)
    beside = "document_title"
    if kind in {"document", "page", "block"}:
        title, other, beside = other, title, "title"
    if title is None:
        title = other
    elif other is not None:
        place[beside] = other
    citation = ir.Citation(
        kind, place.pop("url", None), title, place.pop("cited_text", None) or None, source=place
    )
    return citation if ir.is_sound(citation) else ir.Citation(str(value["type"]), source=value)


def _source(value: _Wire) -> tuple[dict[str, Any], ir.Extra]:
    """Decode the `source` of a block. Returns (arguments for ir.Media; the unknown members of the source as
    leftovers `source.NAME`, or None). Raises KeyError or TypeError, which `read_block` handles, for a source
    of an unknown form, and WireError for inner blocks that `decode_content` refuses.
    """
    source = value["source"]
    kind = source["type"]
    field, known = _SOURCES[kind]
    content = source[_SOURCE_KEYS.get(kind, field)]
    fields = {field: decode_content(content) if kind == "content" else content}
    if (mime := source.get("media_type")) is not None:
        fields["mime"] = mime
    extra = leftovers(source, known)
    return fields, {NAME: {f"source.{key}": kept for key, kept in extra[NAME].items()}} if extra else None


def _image(value: _Wire) -> ir.Block:
    fields, inner = _source(value)
    mark, extra = marked(value, _IMAGE)
    return ir.Media("image", **fields, cache=mark, extra=ir.merge(inner, extra))


def _document(value: _Wire) -> ir.Block:
    fields, extra = _source(value)
    citable, inner = _citable(value)
    mark, rest = marked(value, _DOCUMENT)
    return ir.Media(
        "document",
        **fields,
        name=value.get("title"),
        context=value.get("context"),
        citable=citable,
        cache=mark,
        extra=ir.merge(ir.merge(extra, inner), rest),
    )


def _citable(value: _Wire) -> tuple[bool | None, ir.Extra]:
    wish = value.get("citations")
    if wish is None:
        return None, None
    if wish.keys() == {"enabled"}:
        return wish["enabled"], None
    return wish.get("enabled"), {NAME: {"citations": wish}}


def _search_result(value: _Wire) -> ir.Block:
    citable, inner = _citable(value)
    mark, extra = marked(value, _SEARCH_RESULT)
    return ir.Media(
        "document",
        blocks=decode_content(value["content"]),
        name=value["title"],
        context=value["source"],
        citable=citable,
        cache=mark,
        extra=ir.merge(inner, extra),
        form="search_result",
    )


def _web_result(value: _Wire) -> ir.Block:
    sealed = value.get("encrypted_content")
    return ir.Media(
        "document",
        url=value["url"],
        name=value.get("title"),
        sealed=None if sealed is None else ir.Sealed(NAME, sealed),
        extra=leftovers(value, _WEB_RESULT),
        form="web_search_result",
    )


def _thinking(value: _Wire) -> ir.Block:
    signature = value.get("signature")
    mark, extra = marked(value, _THINKING)
    return ir.Thinking(
        _string(value, "thinking"),
        sealed=read_seal(signature, NAME) if signature else None,
        cache=mark,
        extra=extra,
    )


def _redacted(value: _Wire) -> ir.Block:
    mark, extra = marked(value, _REDACTED)
    return ir.Thinking(sealed=read_seal(value["data"], NAME), redacted=True, cache=mark, extra=extra)


def _call(value: _Wire) -> ir.Block:
    if len(value) == 4 and "id" in value and "input" in value:
        return ir.ToolCall(value["id"], value["name"], arguments_text(value.get("input")))
    mark, extra = marked(value, _CALL)
    return ir.ToolCall(
        value.get("id"), value["name"], arguments_text(value.get("input")), cache=mark, extra=extra
    )


def _server_call(value: _Wire) -> ir.Block:
    mcp = value["type"] == "mcp_tool_use"
    mark, extra = marked(value, _MCP_CALL if mcp else _CALL)
    return ir.ToolCall(
        value["id"],
        value["name"],
        arguments_text(value.get("input")),
        "builtin",
        "provider",
        namespace=value["server_name"] if mcp else None,
        cache=mark,
        extra=extra,
    )


def _reference(value: _Wire) -> ir.Block:
    """Decode a `tool_reference`, which names a tool that a search has found, to ir.Native. If it states the
    name, it also gets a text that says this; in requests of other dialects, the text stands in its place.
    """
    if not (name := _string(value, "tool_name")):
        return _native(value)
    mark, extra = marked(value, _REFERENCE)
    words = ir.Text(f"The tool {name} can be called now.", cache=mark, extra=extra)
    return ir.Native(NAME, "tool_reference", value, stands_for=words)


def _result(value: _Wire) -> ir.Block:
    content = value.get("content")
    mark, extra = marked(value, _RESULT)
    return ir.ToolResult(
        value["tool_use_id"],
        () if content is None else decode_content(content),
        error=value.get("is_error"),
        cache=mark,
        extra=extra,
        form="text" if isinstance(content, str) else None,
    )


def _provider_result(value: _Wire) -> ir.Block:
    """Decode the result of a tool that the provider ran. A content that is an object becomes an ir.Json
    block; if the type of this object ends in `_error`, the result is an error, whatever its `is_error` says.
    """
    content = value.get("content")
    error = value.get("is_error")
    blocks: tuple[ir.Block, ...] = ()
    if isinstance(content, dict):
        blocks = (ir.Json(content),)
        if str(content.get("type")).endswith("_error"):
            error = True
    elif content is not None:
        blocks = decode_content(content)
    mark, extra = marked(value, _RESULT)
    return ir.ToolResult(
        value["tool_use_id"],
        blocks,
        error=error,
        kind=value["type"],
        by="provider",
        cache=mark,
        extra=extra,
        form="text" if isinstance(content, str) else None,
    )


_DECODE: dict[Any, Callable[[_Wire], ir.Block]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "web_search_result": _web_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
    "server_tool_use": _server_call,
    "mcp_tool_use": _server_call,
    "tool_result": _result,
    "tool_reference": _reference,
}
