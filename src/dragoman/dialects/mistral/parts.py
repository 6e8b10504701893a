"""Decodes and encodes content chunks and media.

A `reference` chunk cites documents by their numbers, for the text directly before the chunk. It becomes a
Citation of this text, of the kind "reference". Without such a text or without the numbers, the chunk becomes
a Native (`ir.Native`: a value in the provider's own form).

Media.form: "string" is an image whose URL is a bare string; "object" is audio whose data stands in an object;
"file" is a document that is named by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.documents import document_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import AUDIO_FORMATS, AUDIO_TYPES, text_of
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.mistral.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.typed import read_block
from dragoman.errors import WireError
from dragoman.wire.dataurl import from_url

_TEXT: Final = frozenset({"type", "text"})
_IMAGE: Final = frozenset({"type", "image_url"})
_IMAGE_URL: Final = frozenset({"url", "detail"})
_DETAILS: Final = frozenset({"auto", "low", "high"})
_AUDIO: Final = frozenset({"type", "input_audio"})
_AUDIO_DATA: Final = frozenset({"data", "format"})
_DOCUMENT: Final = frozenset({"type", "document_url", "document_name"})
_FILE: Final = frozenset({"type", "file_id"})
_REFERENCE: Final = frozenset({"type", "reference_ids"})
_THINKING: Final = frozenset({"type", "thinking", "signature", "closed"})
_MIMES: Final = {"image": "image/png", "audio": "audio/wav", "document": "application/pdf"}
"""Kind of medium -> the media type that is assumed if none is stated."""


def decode_parts(parts: Sequence[Any], where: str) -> list[ir.Block]:
    """Decode a message's chunks to blocks. Raises WireError for a chunk that is not an object. where: the
    path of the list, for errors.
    """
    blocks: list[ir.Block] = []
    for index, part in enumerate(parts):
        if type(part) is not dict:
            raise WireError("expected an object", f"{where}[{index}]", "invalid_type")
        last = blocks[-1] if blocks else None
        if _cites(part) and isinstance(last, ir.Text):
            cited = (*last.citations, decode_reference(part))
            blocks[-1] = msgspec.structs.replace(last, citations=cited)
        else:
            blocks.append(decode_part(part))
    return blocks


def _cites(part: dict[str, Any]) -> bool:
    """Whether the chunk becomes a citation of the text directly before it, if there is one."""
    return part.get("type") == "reference" and "reference_ids" in part


def sources(parts: Sequence[Any]) -> list[int]:
    """Return for each block that `decode_parts` makes the position of its chunk in the list. A chunk that is
    not an object counts as one that makes a block.
    """
    found: list[int] = []
    last: ir.Block | None = None
    for index, part in enumerate(parts):
        if type(part) is dict and _cites(part) and isinstance(last, ir.Text):
            continue
        last = decode_part(part) if type(part) is dict else None
        found.append(index)
    return found


def decode_part(part: dict[str, Any]) -> ir.Block:
    """Decode one chunk to a block. An unknown or invalid chunk, and a `reference`, becomes an ir.Native that
    holds the chunk unchanged.
    """
    return read_block(_PARTS.get(str(part.get("type")), _native), part, _native)


def _text(part: dict[str, Any]) -> ir.Block:
    return ir.Text(part["text"], extra=leftovers(part, _TEXT))


def _thinking(part: dict[str, Any]) -> ir.Block:
    """Decode a thinking chunk to a block, with its texts joined; the signature becomes the block's seal. If
    an entry of the chunk is not a text, or has more members than `type` and `text`, the list of all entries
    becomes a leftover.
    """
    thoughts = part["thinking"]
    known = _THINKING if part.get("closed") is not False else _THINKING - {"closed"}
    extra = leftovers(part, known)
    if any(thought.get("type", "text") != "text" or thought.keys() - _TEXT for thought in thoughts):
        extra = ir.merge(extra, {NAME: {"thinking": thoughts}})
    signature = part.get("signature")
    return ir.Thinking(
        "".join(thought["text"] for thought in thoughts if thought.get("type", "text") == "text"),
        sealed=ir.Sealed(NAME, signature) if signature else None,
        extra=extra,
    )


def decode_reference(part: dict[str, Any]) -> ir.Citation:
    """Decode a `reference` chunk to a citation. The chunk has a list of numbers, each of which means one of
    the documents in the request.
    """
    ids = part["reference_ids"]
    return ir.Citation("reference", source={"reference_ids": ids}, extra=leftovers(part, _REFERENCE))


def _image(part: dict[str, Any]) -> ir.Block:
    image = part["image_url"]
    if isinstance(image, str):
        mime, data, url = from_url(image)
        return ir.Media("image", mime, data, url, extra=leftovers(part, _IMAGE), form="string")
    mime, data, url = from_url(image["url"])
    extra = ir.merge(leftovers(part, _IMAGE), leftovers(image, _IMAGE_URL, "image_url"))
    return ir.Media("image", mime, data, url, detail=image.get("detail"), extra=extra)


def _audio(part: dict[str, Any]) -> ir.Block:
    audio = part["input_audio"]
    extra = leftovers(part, _AUDIO)
    if isinstance(audio, str):
        return ir.Media("audio", *_sound(audio), extra=extra)
    mime, data, url = _sound(audio["data"])
    if word := audio.get("format"):
        mime = AUDIO_TYPES.get(word, f"audio/{word}")
    extra = ir.merge(extra, leftovers(audio, _AUDIO_DATA, "input_audio"))
    return ir.Media("audio", mime, data, url, extra=extra, form="object")


def _sound(source: str) -> tuple[str | None, str | None, str | None]:
    """Return (media type, base64, URL) of audio. A value that is not stated is None. source: a URL, a data
    URL, or plain base64.
    """
    mime, data, url = from_url(source)
    if url is not None and not url.startswith(("http://", "https://", "data:")):
        return None, url, None
    return mime, data, url


def _document(part: dict[str, Any]) -> ir.Block:
    mime, data, url = from_url(part["document_url"])
    extra = leftovers(part, _DOCUMENT)
    return ir.Media("document", mime, data, url, name=part.get("document_name"), extra=extra)


def _file(part: dict[str, Any]) -> ir.Block:
    return ir.Media("document", file=part["file_id"], extra=leftovers(part, _FILE), form="file")


def _native(part: dict[str, Any]) -> ir.Block:
    return ir.Native(NAME, str(part.get("type")), part)


_PARTS: Final[dict[Any, Callable[[dict[str, Any]], ir.Block]]] = {
    "text": _text,
    "thinking": _thinking,
    "image_url": _image,
    "input_audio": _audio,
    "document_url": _document,
    "file": _file,
}


def encode_part(block: ir.Block, draft: Draft, where: str) -> list[dict[str, Any]]:
    """Return the chunks of one block. [] = no chunk of Mistral can hold this block, such as a tool call or a
    Native of another dialect; this is reported as a loss. where: the block's IR path.

    Raises WireError for a medium that cannot be sent (`encode_media`). Such a medium is not left out, because
    the model would then answer another question.
    """
    write = _WRITERS.get(type(block))
    if write is None:
        draft.report.lose(where, f"this message cannot contain a {type(block).__name__} block")
        return []
    return write(block, draft, where)


def _write_text(block: ir.Text, draft: Draft, where: str) -> list[dict[str, Any]]:
    out = _finished({"type": "text", "text": block.text}, block, draft, where)
    return [out, *encode_citations(block.citations, draft, where)]


def encode_citations(
    citations: Sequence[ir.Citation], draft: Draft, where: str, first: int = 0
) -> list[dict[str, Any]]:
    """Return a text's citations as the chunks that follow the text. Citations of another dialect are reported
    as lost.

    where: the text's IR path. first: the number of this text's citations that were written before.
    """
    out: list[dict[str, Any]] = []
    for index, citation in enumerate(citations, first):
        place = f"{where}.citations[{index}]"
        if not draft.own:
            why = "the Mistral API cites documents by number, and this source has none"
            draft.report.lose(place, why, "quality")
            continue
        ids = (citation.source or {}).get("reference_ids", [])
        chunk: dict[str, Any] = {"type": "reference", "reference_ids": ids}
        restore(chunk, citation.extra, draft.report, place)
        out.append(chunk)
    return out


def _write_refusal(block: ir.Refusal, draft: Draft, where: str) -> list[dict[str, Any]]:
    draft.report.change(where, where, "the refusal is written as text")
    return [_finished({"type": "text", "text": block.text}, block, draft, where)]


def _write_json(block: ir.Json, draft: Draft, where: str) -> list[dict[str, Any]]:
    return [_finished({"type": "text", "text": text_of(block.value)}, block, draft, where)]


def _write_thinking(block: ir.Thinking, draft: Draft, where: str) -> list[dict[str, Any]]:
    text = block.text or "\n\n".join(block.summary)
    out: dict[str, Any] = {"type": "thinking", "thinking": [{"type": "text", "text": text}] if text else []}
    if block.sealed is not None and block.sealed.origin == NAME:
        out["signature"] = block.sealed.data
    return [_finished(out, block, draft, where)]


def _write_native(block: ir.Native, draft: Draft, where: str) -> list[dict[str, Any]]:
    if block.dialect == NAME:
        return [block.value]
    draft.report.lose(where, no_form(block.dialect, block.kind))
    return []


def encode_media(block: ir.Media, draft: Draft, where: str) -> list[dict[str, Any]]:
    """Return a list with the one chunk of a medium. Raises WireError for a medium that no chunk can hold,
    such as a video (`unsupported_modality`), and for a medium without content that can be sent, such as one
    that has only a file id of another provider (`unsupported_value`). where: the block's IR path.
    """
    write = _MEDIA.get(block.kind)
    if write is None:
        raise WireError(f"the Mistral API does not accept {block.kind}", where, "unsupported_modality")
    if block.kind != "document":
        lose_about(block, draft.report, where)
    return [_finished(write(block, draft, where), block, draft, where)]


def _write_image(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    url = _data_or_url(block, where)
    if draft.own and block.form == "string":
        return {"type": "image_url", "image_url": url}
    image: dict[str, Any] = {"url": url}
    if block.detail is not None and not draft.own and block.detail not in _DETAILS:
        draft.report.lose(where + ".detail", f"the Mistral API has no image detail {block.detail}", "quality")
    elif block.detail is not None:
        image["detail"] = block.detail
    return {"type": "image_url", "image_url": image}


def _write_audio(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    if draft.own and block.form == "object":
        sound = {"data": block.data if block.data is not None else block.url}
        if block.mime is not None:
            sound["format"] = AUDIO_FORMATS.get(block.mime) or block.mime.partition("/")[2]
        return {"type": "input_audio", "input_audio": sound}
    if block.data is not None and (block.mime is None or not draft.own):
        return {"type": "input_audio", "input_audio": block.data}  # "base64 or url"
    return {"type": "input_audio", "input_audio": _data_or_url(block, where)}


def _write_document(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    for field in ("context", "citable"):
        if getattr(block, field):
            draft.report.lose(
                f"{where}.{field}", f"a document of the Mistral API has no `{field}`", "quality"
            )
    if draft.own and block.file is not None:
        return {"type": "file", "file_id": block.file}
    if block.text is not None or block.blocks is not None:
        return {"type": "text", "text": document_text(block, draft, where)}
    out: dict[str, Any] = {"type": "document_url", "document_url": _data_or_url(block, where)}
    if block.name is not None:
        out["document_name"] = block.name
    return out


def _data_or_url(block: ir.Media, where: str) -> str:
    """Return the URL of a medium; for embedded data, a data URL. Raises WireError if there is neither a URL
    nor data. where: the block's IR path.
    """
    if block.url is not None:
        return block.url
    if block.data is None:
        raise WireError("a file id is valid only with its own provider", where, "unsupported_value")
    return f"data:{block.mime or _MIMES[block.kind]};base64,{block.data}"


def _finished(out: dict[str, Any], block: Any, draft: Draft, where: str) -> dict[str, Any]:
    """Add the leftovers of `block` to its chunk `out`, and return the chunk. The block's cache mark, and a
    seal from another dialect, cannot be written, which is reported. where: the block's IR path.
    """
    sealed: ir.Sealed | None = getattr(block, "sealed", None)
    if sealed is not None and sealed.origin != NAME:
        draft.leave_seal(where)
    narrower.lose_mark(getattr(block, "cache", None), draft, where)
    restore(out, block.extra, draft.report, where)
    return out


_MEDIA: Final[dict[str, Callable[[ir.Media, Draft, str], dict[str, Any]]]] = {
    "image": _write_image,
    "audio": _write_audio,
    "document": _write_document,
}
_WRITERS: Final[dict[type, Callable[[Any, Draft, str], list[dict[str, Any]]]]] = {
    ir.Text: _write_text,
    ir.Refusal: _write_refusal,
    ir.Thinking: _write_thinking,
    ir.Media: encode_media,
    ir.Json: _write_json,
    ir.Native: _write_native,
}
