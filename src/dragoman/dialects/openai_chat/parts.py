"""Decodes and encodes content parts and media.

Media.form names the part type if the kind is not enough: "file", "file_url", "pdf_url", "video_url";
"file_data": a file in base64 without a data URL; "bare": an image whose `image_url` is a plain string.
CacheMark.form names the member: `prompt_cache_breakpoint`, or `cache_control` at vendors that use
Anthropic's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.documents import document_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import AUDIO_FORMATS, AUDIO_TYPES, text_of
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.openai.terms import NAME, leftovers
from dragoman.dialects.openai_chat.marks import finish
from dragoman.dialects.openai_chat.thought_parts import FORMS, decode_thought, encode_thought
from dragoman.dialects.typed import read_block
from dragoman.errors import WireError
from dragoman.wire.dataurl import from_url
from dragoman.wire.sniff import picture_type
from dragoman.wire.wav import pcm_of, wav

_TEXT: Final = frozenset({"type", "text"})
_REFUSAL: Final = frozenset({"type", "refusal"})
_IMAGE: Final = frozenset({"type", "image_url"})
_IMAGE_URL: Final = frozenset({"url", "detail"})
_AUDIO: Final = frozenset({"type", "input_audio"})
_AUDIO_DATA: Final = frozenset({"data", "format"})
_FILE: Final = frozenset({"type", "file"})
_FILE_DATA: Final = frozenset({"file_data", "file_id", "filename"})
_NAMED_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "xml": "text/xml",
    "json": "application/json",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
"""Media types of files in plain base64, by the extension of the file's name."""
_MARKS: Final = {"prompt_cache_breakpoint": ("mode", "explicit"), "cache_control": ("type", "ephemeral")}
"""Members that mark a part for the prompt cache, each with its constant member and value."""
_PREFIXES: Final = {"image": "image/", "audio": "audio/", "video": "video/"}


def decode_parts(parts: Sequence[Any], where: str) -> tuple[ir.Block, ...]:
    """Return the blocks of a message's parts. A part of an unknown type or shape becomes an ir.Native. Raises
    WireError for a part that is not an object. where: the path of the list, for errors.
    """
    blocks: list[ir.Block] = []
    for index, part in enumerate(parts):
        if type(part) is not dict:
            raise WireError("expected an object", f"{where}[{index}]", "invalid_type")
        kind = part.get("type")
        if kind == "text" and len(part) == 2 and type(text := part.get("text")) is str:
            blocks.append(ir.Text(text))
        else:
            blocks.append(read_block(_PARTS.get(str(kind), _native), part, _native))
    return tuple(blocks)


def _text(part: dict[str, Any]) -> ir.Block:
    mark, extra = _marked(part, _TEXT)
    return ir.Text(part["text"], cache=mark, extra=extra)


def _marked(part: dict[str, Any], known: frozenset[str]) -> tuple[ir.CacheMark | None, ir.Extra]:
    """Return (the cache mark of a part, the part's leftovers). The leftovers are the members that are neither
    the mark nor in `known`.
    """
    mark = decode_mark(part)
    if mark is not None and mark.form is not None:
        known |= {mark.form}
    return mark, leftovers(part, known)


def decode_mark(wire: dict[str, Any]) -> ir.CacheMark | None:
    """Return the cache mark of a wire object: `prompt_cache_breakpoint` or, if this has no readable value,
    `cache_control`. A value is readable if it is an object whose `ttl` is a text, null or missing. None if
    neither member has one.
    """
    for member, (word, said) in _MARKS.items():
        mark = wire.get(member)
        if isinstance(mark, dict) and isinstance(ttl := mark.get("ttl"), str | None):
            known = frozenset({"ttl", word} if mark.get(word) == said else {"ttl"})
            return ir.CacheMark(ttl, leftovers(mark, known), member)
    return None


def _refusal(part: dict[str, Any]) -> ir.Block:
    return ir.Refusal(part["refusal"], extra=leftovers(part, _REFUSAL))


def _image(part: dict[str, Any]) -> ir.Block:
    image = part["image_url"]
    mark, extra = _marked(part, _IMAGE)
    if type(image) is str:
        mime, data, url = from_url(image)
        return ir.Media("image", mime, data, url, cache=mark, extra=extra, form="bare")
    mime, data, url = from_url(image["url"])
    return ir.Media(
        "image",
        mime,
        data,
        url,
        detail=image.get("detail"),
        cache=mark,
        extra=ir.merge(extra, leftovers(image, _IMAGE_URL, "image_url")),
    )


def _thought(part: dict[str, Any]) -> ir.Block:
    return decode_thought(part) or _native(part)


def _audio(part: dict[str, Any]) -> ir.Block:
    audio = part["input_audio"]
    word = audio["format"]
    mime = AUDIO_TYPES.get(word, f"audio/{word}")
    mark, extra = _marked(part, _AUDIO)
    return ir.Media(
        "audio",
        mime,
        audio["data"],
        cache=mark,
        extra=ir.merge(extra, leftovers(audio, _AUDIO_DATA, "input_audio")),
    )


def _file(part: dict[str, Any]) -> ir.Block:
    file = part["file"]
    mime, data, url = from_url(file.get("file_data"))
    form = "file"
    if url is not None and not url.startswith(("http://", "https://")):
        extension = (file.get("filename") or "").rpartition(".")[2].lower()
        mime, data, url = _NAMED_TYPES.get(extension), url, None
        form = "file_data"
    known = _FILE_DATA
    if (file_id := file.get("file_id")) is not None and (data or url) is not None:
        known -= {"file_id"}  # a Media may have only one of data, url and file
        file_id = None
    kind = next((kind for kind, prefix in _PREFIXES.items() if mime and mime.startswith(prefix)), "document")
    mark, extra = _marked(part, _FILE)
    return ir.Media(
        kind,  # type: ignore[arg-type]
        mime,
        data,
        url,
        file_id,
        name=file.get("filename"),
        cache=mark,
        extra=ir.merge(extra, leftovers(file, known, "file")),
        form=form,
    )


def _by_url(name: str, kind: Any) -> Callable[[dict[str, Any]], ir.Block]:
    """Make the decoder of a vendor's part that has a URL in the object `name`. kind: the kind of the decoded
    medium. The decoder turns a part without such a URL into an ir.Native.
    """
    known, inner = frozenset({"type", name}), frozenset({"url"})

    def decode(part: dict[str, Any]) -> ir.Block:
        if type(holder := part.get(name)) is not dict or type(holder.get("url")) is not str:
            return _native(part)
        mime, data, url = from_url(holder["url"])
        mark, extra = _marked(part, known)
        extra = ir.merge(extra, leftovers(holder, inner, name))
        return ir.Media(kind, mime, data, url, cache=mark, extra=extra, form=name)

    return decode


def _native(part: dict[str, Any]) -> ir.Block:
    return ir.Native(NAME, str(part.get("type")), part)


_PARTS: Final[dict[Any, Callable[[dict[str, Any]], ir.Block]]] = {
    "text": _text,
    "refusal": _refusal,
    "thinking": _thought,
    "reasoning": _thought,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "video_url": _by_url("video_url", "video"),
    "file_url": _by_url("file_url", "document"),
    "pdf_url": _by_url("pdf_url", "document"),
}
"""Decoders by part type. The last three, and those of reasoning, are from vendors (OpenRouter, DashScope,
Perplexity; `thought_parts`).
"""


def encode_part(block: ir.Block, draft: Draft, where: str) -> dict[str, Any] | None:
    """Return the block as a content part. None, with a reported loss, for a block that is not a medium and
    that no part can hold, for example a tool call. For a medium, `encode_media` makes the part, or raises
    WireError with the code `unsupported_modality`, `unsupported_value` or `invalid_value`. where: the block's
    IR path.
    """
    write = _WRITERS.get(type(block))
    if write is None:
        draft.report.lose(where, f"this message cannot contain a {type(block).__name__} block")
        return None
    return write(block, draft, where)


def _write_text(block: ir.Text, draft: Draft, where: str) -> dict[str, Any]:
    if block.sealed is not None:
        draft.leave_seal(where)
    return finish(draft, {"type": "text", "text": block.text}, block.cache, block.extra, where)


def _write_refusal(block: ir.Refusal, draft: Draft, where: str) -> dict[str, Any]:
    return finish(draft, {"type": "refusal", "refusal": block.text}, None, block.extra, where)


def _write_json(block: ir.Json, draft: Draft, where: str) -> dict[str, Any]:
    return finish(draft, {"type": "text", "text": text_of(block.value)}, None, block.extra, where)


def _write_thinking(block: ir.Thinking, draft: Draft, where: str) -> dict[str, Any] | None:
    if draft.own and block.form in FORMS:
        return encode_thought(block, draft, where)
    draft.report.lose(where, "this message cannot contain a Thinking block")
    return None


def _write_native(block: ir.Native, draft: Draft, where: str) -> dict[str, Any] | None:
    if block.dialect == NAME:
        return dict(block.value)
    draft.report.lose(where, no_form(block.dialect, block.kind))
    return None


def encode_media(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    """Return the content part for a medium. Fields of the medium that the part cannot state are reported as
    lost. where: the block's IR path.

    Raises WireError for a medium of a kind that no part can hold (`unsupported_modality`), for a medium in a
    form that no part can hold, for example an image that is only an id (`unsupported_value`), and for another
    dialect's audio samples whose base64 cannot be decoded (`invalid_value`).
    """
    word = (block.form if draft.own else None) or block.kind
    if word == "document":
        out = _write_document(block, draft, where)
    elif (write := _MEDIA.get(word)) is not None:
        out = write(block, draft, where)
        if write is not _write_file:
            lose_about(block, draft.report, where)
    else:
        raise WireError(f"this protocol does not accept {block.kind}", where, "unsupported_modality")
    if block.sealed is not None:
        draft.leave_seal(where)
    return finish(draft, out, block.cache, block.extra, where)


def _write_image(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    image: dict[str, Any] = {"url": _data_or_url(block, draft, where)}
    if draft.own and block.form == "bare":
        return {"type": "image_url", "image_url": image["url"]}
    if block.detail is not None:
        image["detail"] = block.detail
    return {"type": "image_url", "image_url": image}


def _write_audio(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    data = block.data
    if data is None:
        raise _unreadable(where, "audio must be sent as data")
    mime = (block.mime or "audio/wav").partition(";")[0].strip().lower()
    word = AUDIO_FORMATS.get(mime) or mime.partition("/")[2]
    if not draft.own and (pcm := pcm_of(block.mime)) is not None:
        try:
            data = base64.b64encode(wav(base64.b64decode(data, validate=True), pcm)).decode()
        except binascii.Error:
            raise WireError("the audio is not base64", where, "invalid_value") from None
        word = "wav"
        draft.report.change(where, where + ".input_audio", "the audio samples are sent as a WAV file")
    return {"type": "input_audio", "input_audio": {"data": data, "format": word}}


def _write_file(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    file: dict[str, Any] = {}
    if block.data is not None and (block.mime is None or block.form == "file_data"):
        file["file_data"] = block.data
    elif block.data is not None or block.url is not None:
        file["file_data"] = _data_or_url(block, draft, where)
    if block.file is not None:
        file["file_id"] = block.file
    if block.name is not None:
        file["filename"] = block.name
    return {"type": "file", "file": file}


def _write_document(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    """Return the content part for a document of another dialect: a text part if the document is text or
    content blocks, otherwise a file with the document's data. Raises WireError for a document that is only a
    URL or an id. Its context and its request for citations are reported as lost. where: the block's IR path.
    """
    if block.context is not None:
        draft.report.lose(where + ".context", "Chat Completions has no document context", "quality")
    if block.citable:
        draft.report.lose(
            where + ".citable", "Chat Completions cannot request citations of documents", "quality"
        )
    text = block.text
    if block.data is not None and (text := _text_of(block.data, block.mime)) is None:
        mime = block.mime or "application/pdf"
        name = block.name or "document." + (mime.partition("/")[2] or "pdf")
        if block.name is None:
            draft.report.add(where + ".file.filename", "a file must have a name")
        return {"type": "file", "file": {"file_data": f"data:{mime};base64,{block.data}", "filename": name}}
    if text is not None or block.blocks is not None:
        return {"type": "text", "text": document_text(block, draft, where, text)}
    raise _unreadable(where, "a document must be sent as data or text")


def _text_of(data: str, mime: str | None) -> str | None:
    """Return the text of a document whose media type is `text/…` or `application/json`. None for another
    media type, and for data that is not UTF-8 in base64. data: the document in base64. mime: its media type,
    None = unknown.
    """
    bare = (mime or "").partition(";")[0].strip().lower()
    if not bare.startswith("text/") and bare != "application/json":
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _write_by_url(block: ir.Media, draft: Draft, where: str) -> dict[str, Any]:
    word = block.form or ""
    return {"type": word, word: {"url": _data_or_url(block, draft, where)}}


def _data_or_url(block: ir.Media, draft: Draft, where: str) -> str:
    """Return the URL of a medium; if it has none, a data URL with its data. The data of another dialect's
    medium without a media type counts as a picture; the first bytes tell its type. Raises WireError if the
    medium has neither URL nor data. where: the block's IR path.
    """
    if block.url is not None:
        return block.url
    if block.data is None:
        raise _unreadable(where, "a file id is valid only with its own provider")
    mime = block.mime or ""
    if not (mime or draft.own):
        mime = picture_type(block.data)
    return f"data:{mime};base64,{block.data}"


def _unreadable(where: str, why: str) -> WireError:
    return WireError(why, where, "unsupported_value")


_MEDIA: Final[dict[str, Callable[[ir.Media, Draft, str], dict[str, Any]]]] = {
    "image": _write_image,
    "bare": _write_image,
    "audio": _write_audio,
    "file": _write_file,
    "file_data": _write_file,
    "video_url": _write_by_url,
    "file_url": _write_by_url,
    "pdf_url": _write_by_url,
}
_WRITERS: Final[dict[type, Callable[[Any, Draft, str], dict[str, Any] | None]]] = {
    ir.Text: _write_text,
    ir.Refusal: _write_refusal,
    ir.Media: encode_media,
    ir.Json: _write_json,
    ir.Native: _write_native,
    ir.Thinking: _write_thinking,
}
