"""Content parts and media, decoded and encoded.

A text document in the result of a tool is written as a `document` part, which the model can cite. In the
other direction, a `document` part becomes an ir.Media if its `data` has only a text and perhaps a title.
Otherwise it becomes an ir.Native; for other protocols, the Native stands for a text with `data` as JSON, if
`data` is an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.documents import document_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.cohere.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.typed import an_object, read_block
from dragoman.errors import WireError
from dragoman.wire.dataurl import from_url

_TEXT: Final = frozenset({"type", "text"})
_THINKING: Final = frozenset({"type", "thinking"})
_IMAGE: Final = frozenset({"type", "image_url"})
_IMAGE_URL: Final = frozenset({"url", "detail"})
_DETAILS: Final = frozenset({"auto", "low", "high"})
_DOCUMENT: Final = frozenset({"type", "document"})
_DATA: Final = frozenset({"title", "text"})


def decode_parts(parts: Sequence[Any], where: str) -> list[ir.Block]:
    """Return the blocks of a message's content parts, one block for each part (see `decode_part`). Raises
    WireError for a part that is not an object. where: the JSON path of the list, for this error.
    """
    return [decode_part(an_object(part, f"{where}[{index}]")) for index, part in enumerate(parts)]


def decode_part(part: dict[str, Any]) -> ir.Block:
    """Return the block of a content part. A part of an unknown type, or of an invalid form, becomes an
    ir.Native.
    """
    return read_block(_PARTS.get(str(part.get("type")), _native), part, _native)


def _text(part: dict[str, Any]) -> ir.Block:
    return ir.Text(part["text"], extra=leftovers(part, _TEXT))


def _thinking(part: dict[str, Any]) -> ir.Block:
    return ir.Thinking(part["thinking"], extra=leftovers(part, _THINKING))


def _image(part: dict[str, Any]) -> ir.Block:
    image = part["image_url"]
    mime, data, url = from_url(image["url"])
    extra = ir.merge(leftovers(part, _IMAGE), leftovers(image, _IMAGE_URL, "image_url"))
    return ir.Media("image", mime, data, url, detail=image.get("detail"), extra=extra)


def _document(part: dict[str, Any]) -> ir.Block:
    document = part["document"]
    data = document["data"]
    if not data.keys() <= _DATA or type(data.get("text")) is not str:
        words = ir.Text(text_of(data))
        return ir.Native(NAME, "document", part, stands_for=words)
    extra = ir.merge(leftovers(part, _DOCUMENT), leftovers(document, frozenset({"data"}), "document"))
    return ir.Media("document", text=data["text"], name=data.get("title"), extra=extra)


def _native(part: dict[str, Any]) -> ir.Block:
    return ir.Native(NAME, str(part.get("type")), part)


_PARTS: Final[dict[Any, Callable[[dict[str, Any]], ir.Block]]] = {
    "text": _text,
    "thinking": _thinking,
    "image_url": _image,
    "document": _document,
}


def encode_part(block: ir.Block, draft: Draft, where: str) -> dict[str, Any] | None:
    """Return the content part for one block. None = nothing is written for the block, which is reported as a
    loss: a message cannot contain this kind of block (a call, for example), it is a Native of another
    dialect, or it is thinking of another dialect without a text. where: the block's IR path.

    Raises WireError for media that no part can hold: sound, a video, or a document whose text is not in the
    block (`unsupported_modality`), and an image that is only the id of a file (`unsupported_value`).
    """
    write = _WRITERS.get(type(block))
    if write is None:
        draft.report.lose(where, f"this message cannot contain a {type(block).__name__} block")
        return None
    return write(block, draft, where)


def _write_text(block: ir.Text, draft: Draft, where: str) -> dict[str, Any]:
    if not (draft.own or draft.answer):
        for index in range(len(block.citations)):
            lose_source(draft, f"{where}.citations[{index}]")
    return finished({"type": "text", "text": block.text}, block, draft, where)


def lose_source(draft: Draft, where: str) -> None:
    """Report a citation in the history of another dialect as lost. where: the citation's IR path."""
    draft.report.lose(where, "sources of an earlier answer are not sent to the Cohere API", "hint")


def _write_refusal(block: ir.Refusal, draft: Draft, where: str) -> dict[str, Any]:
    draft.report.change(where, where, "the refusal is written as text")
    return finished({"type": "text", "text": block.text}, block, draft, where)


def _write_json(block: ir.Json, draft: Draft, where: str) -> dict[str, Any]:
    return finished({"type": "text", "text": text_of(block.value)}, block, draft, where)


def _write_thinking(block: ir.Thinking, draft: Draft, where: str) -> dict[str, Any] | None:
    text = block.text or "\n\n".join(block.summary)
    if not text and not draft.own:
        shed(block, draft, where)
        draft.report.lose(where, "the reasoning has no text to show", "hint")
        return None
    return finished({"type": "thinking", "thinking": text}, block, draft, where)


def _write_native(block: ir.Native, draft: Draft, where: str) -> dict[str, Any] | None:
    if block.dialect == NAME:
        value: dict[str, Any] = block.value
        return value
    draft.report.lose(where, no_form(block.dialect, block.kind))
    return None


def _write_media(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    if block.kind == "image":
        return finished(_write_image(block, draft, where), block, draft, where)
    if draft.own and block.kind == "document" and block.text is not None:
        return write_document(block, draft, where)
    if block.kind == "document" and (block.text is not None or block.blocks is not None):
        _lose_settings(block, draft, where)
        return finished({"type": "text", "text": document_text(block, draft, where)}, block, draft, where)
    raise WireError(f"the Cohere API does not accept {block.kind}", where, "unsupported_modality")


def _write_image(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    url = block.url
    if url is None and block.data is None:
        raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
    lose_about(block, draft.report, where)
    image: dict[str, Any] = {"url": url or f"data:{block.mime or 'image/png'};base64,{block.data}"}
    if block.detail is not None and not draft.own and block.detail not in _DETAILS:
        draft.report.lose(where + ".detail", f"the Cohere API has no image detail {block.detail}", "quality")
    elif block.detail is not None:
        image["detail"] = block.detail
    return {"type": "image_url", "image_url": image}


def write_document(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    """Return the part for a medium in the result of a tool: a `document` part for a document whose text is in
    `Media.text`; for any other medium the part that `encode_part` returns, with the same errors. where: the
    medium's IR path.
    """
    if block.text is None or block.kind != "document":
        return _write_media(block, draft, where)
    _lose_settings(block, draft, where)
    data = {"text": block.text} if block.name is None else {"title": block.name, "text": block.text}
    return finished({"type": "document", "document": {"data": data}}, block, draft, where)


def _lose_settings(block: ir.Media, draft: Draft, where: str) -> None:
    for field in ("context", "citable"):
        if getattr(block, field):
            draft.report.lose(f"{where}.{field}", f"a document of the Cohere API has no `{field}`", "quality")


def finished(out: dict[str, Any], block: Any, draft: Draft, where: str) -> dict[str, Any]:
    """Add the leftovers of `block` to its encoded part `out`, and return `out`. The block's seal and cache
    mark are reported, because Cohere has no members for them. where: the block's IR path.
    """
    _lose_opaque(block, draft, where)
    restore(out, block.extra, draft.report, where)
    return out


def shed(block: Any, draft: Draft, where: str) -> None:
    """Report the seal, the cache mark and another dialect's leftovers of a block, none of which is written.
    where: the block's IR path.
    """
    _lose_opaque(block, draft, where)
    restore({}, block.extra, draft.report, where)


def _lose_opaque(block: Any, draft: Draft, where: str) -> None:
    if getattr(block, "sealed", None) is not None:
        draft.leave_seal(where)
    narrower.lose_mark(getattr(block, "cache", None), draft, where)


_WRITERS: Final[dict[type, Callable[[Any, Draft, str], dict[str, Any] | None]]] = {
    ir.Text: _write_text,
    ir.Refusal: _write_refusal,
    ir.Thinking: _write_thinking,
    ir.Media: _write_media,
    ir.Json: _write_json,
    ir.Native: _write_native,
}
