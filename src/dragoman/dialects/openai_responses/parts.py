"""Decodes and encodes content parts of messages and of tool results.

`Text.form` is the part's type if it is not the usual type: `output_text` for the model, `input_text` for all
others. `Media.form`: "base64" for file data that is not a data URL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.terms import AUDIO_FORMATS, AUDIO_TYPES, text_of
from dragoman.dialects.leftovers import odd_citation, stated_oddly
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.terms import NAME, leftovers, restore
from dragoman.dialects.typed import OF_ANOTHER_SHAPE, sound_tokens
from dragoman.errors import WireError
from dragoman.wire.dataurl import is_data_url
from dragoman.wire.dataurl import read as read_data_url

_Wire = dict[str, Any]

_MARK: Final = "prompt_cache_breakpoint"
_TEXT: Final = frozenset({"type", "text", "annotations", "logprobs"})
_TEXTS: Final = ("input_text", "output_text", "text")
_REFUSAL: Final = frozenset({"type", "refusal"})
_IMAGE: Final = frozenset({"type", "image_url", "file_id", "detail"})
_FILE: Final = frozenset({"type", "file_data", "file_url", "file_id", "filename", "detail"})
_AUDIO: Final = frozenset({"type", "input_audio"})
_AUDIO_DATA: Final = frozenset({"data", "format"})
_VIDEO: Final = frozenset({"type", "video_url"})
_CITATION: Final = frozenset({"type", "url", "title", "start_index", "end_index"})
_LOGPROB: Final = frozenset({"token", "logprob", "bytes", "top_logprobs"})

# --- Decoding ----------------------------------------------------------------------------------


def decode_parts(
    parts: Sequence[Any], where: str, *, said: bool = False, item: ir.Item | None = None
) -> tuple[ir.Block, ...]:
    """Decode the parts of a message or of a tool result to blocks. Raises WireError if a part is not an
    object. where: the path of the list of parts, for errors. said: True = the model wrote the message. item:
    the `ir.Item` that every block gets; None = the blocks get none.
    """
    blocks = []
    for index, part in enumerate(parts):
        if type(part) is not dict:
            raise WireError("must be an object", f"{where}[{index}]", "invalid_type")
        blocks.append(decode_part(part, said=said, item=item))
    return tuple(blocks)


def decode_part(part: _Wire, *, said: bool = False, item: ir.Item | None = None) -> ir.Block:
    """Decode a part to a block. A part of an unknown type or form becomes a Native. said: True = the model
    wrote the message, so that `output_text`, not `input_text`, is the usual type of a text. item: the
    `ir.Item` that the block gets; None = it gets none.
    """
    kind = part.get("type")
    read = _READ.get(kind) if type(kind) is str else None
    if read is not None or kind in _TEXTS:
        try:
            block = _read_text(part, item, _TEXTS[said]) if read is None else read(part, item)
            if ir.is_sound(block):
                return block
        except OF_ANOTHER_SHAPE:  # a known type in an unknown shape
            pass
    return ir.Native(NAME, str(kind), part, item=item)


def _read_text(part: _Wire, item: ir.Item | None, usual: str) -> ir.Text:
    kind = part["type"]
    logprobs, odd = sound_logprobs(part)
    mark, extra = _marked(part, _TEXT)
    return ir.Text(
        _string(part, "text"),
        tuple(decode_citation(value) for value in part.get("annotations") or ()),
        logprobs,
        item=item,
        cache=mark,
        extra=ir.merge(extra, odd),
        form=None if kind == usual else kind,
    )


def _read_refusal(part: _Wire, item: ir.Item | None) -> ir.Block:
    return ir.Refusal(_string(part, "refusal"), item=item, extra=leftovers(part, _REFUSAL))


def _read_image(part: _Wire, item: ir.Item | None) -> ir.Block:
    source = _source(part, ("image_url", "url"), ("file_id", "file"))
    return _medium("image", part, item, _IMAGE, detail=part.get("detail"), **source)


def _read_file(part: _Wire, item: ir.Item | None) -> ir.Block:
    source = _source(part, ("file_data", "data"), ("file_url", "url"), ("file_id", "file"))
    if source.keys() == {"data"}:  # no data URL, which has a type
        source["form"] = "base64"
    stated = {"name": part.get("filename"), "detail": part.get("detail")}
    return _medium("document", part, item, _FILE, **source, **stated)


def _read_audio(part: _Wire, item: ir.Item | None) -> ir.Block:
    sound = part["input_audio"]
    word = sound["format"]
    mark, extra = _marked(part, _AUDIO)
    extra = ir.merge(extra, leftovers(sound, _AUDIO_DATA, "input_audio"))
    mime = _SOUNDS.get(word, f"audio/{word}")
    return ir.Media("audio", mime, _string(sound, "data"), item=item, cache=mark, extra=extra)


def _read_video(part: _Wire, item: ir.Item | None) -> ir.Block:
    return _medium("video", part, item, _VIDEO, **_source(part, ("video_url", "url")))


def _medium(kind: Any, part: _Wire, item: ir.Item | None, known: frozenset[str], **fields: Any) -> ir.Media:
    mark, extra = _marked(part, known)
    return ir.Media(kind, **fields, item=item, cache=mark, extra=extra)


def _source(part: _Wire, *members: tuple[str, str]) -> dict[str, Any]:
    """Return the arguments of ir.Media for the source of a part's medium. members: the possible sources, each
    as (member of the part, field of ir.Media). A readable data URL that states its type gives "mime" and
    "data". Raises KeyError if the part has no source or several, TypeError if the source is not a string.
    """
    stated = [(member, field) for member, field in members if part.get(member) is not None]
    if len(stated) != 1:
        raise KeyError(members[0][0])
    member, field = stated[0]
    value = _string(part, member)
    if field == "file" or not is_data_url(value):
        return {field: value}
    found = read_data_url(value)
    if found is None or not found[0]:
        return {"url": value}
    return {"mime": found[0], "data": found[1]}


def _string(holder: _Wire, member: str) -> str:
    value = holder[member]
    if type(value) is not str:
        raise TypeError(member)
    return value


def _marked(part: _Wire, known: frozenset[str]) -> tuple[ir.CacheMark | None, ir.Extra]:
    """Return (the cache mark of a part, the part's leftovers). The leftovers are the members that are neither
    the mark nor in `known`. The first value is None if the part has no mark, or if the mark is not an object;
    such a mark is a leftover.
    """
    mark = part.get(_MARK)
    if type(mark) is not dict:
        return None, leftovers(part, known)
    rest = {
        key: value for key, value in mark.items() if key != "ttl" and (key, value) != ("mode", "explicit")
    }
    return ir.CacheMark(mark.get("ttl"), {NAME: rest} if rest else None), leftovers(part, known | {_MARK})


def decode_citation(value: Any) -> ir.Citation:
    """Decode an annotation. If it is malformed or not a `url_citation`, all its members are in the citation's
    leftovers. A value that is not an object becomes a citation that only keeps the value (`odd_citation`).
    """
    if type(value) is not dict:
        return odd_citation(value, NAME)
    kind = str(value.get("type"))
    if kind == _BY_URL:
        citation = ir.Citation(
            "url",
            value.get("url"),
            value.get("title"),
            start=value.get("start_index"),
            end=value.get("end_index"),
            extra=leftovers(value, _CITATION),
        )
    else:
        citation = ir.Citation(kind, title=value.get("filename"), extra={NAME: value})
    return citation if ir.is_sound(citation) else ir.Citation(kind, extra={NAME: value})


_BY_URL: Final = "url_citation"


def sound_logprobs(wire: _Wire) -> tuple[tuple[ir.Logprob, ...] | None, ir.Extra]:
    """Return the log probabilities of a wire object (a part or a delta). Returns (log probabilities, None);
    (None, leftovers with them) if they are unreadable; (None, None) if the object has none.
    """
    values = wire.get("logprobs")
    if not values:
        return None, None
    tokens = sound_tokens(_logprobs, values)
    return tokens, ({NAME: {"logprobs": values}} if tokens is None else None)


def without_logprobs(extra: ir.Extra) -> ir.Extra:
    """Return the leftovers of a text without the leftover `logprobs`, which holds unreadable log
    probabilities. A text whose log probabilities came readable in its deltas does not need this leftover.
    """
    own = (extra or {}).get(NAME)
    if not own or "logprobs" not in own:
        return extra
    rest = {key: value for key, value in own.items() if key != "logprobs"}
    return {NAME: rest} if rest else None


def _logprobs(values: Sequence[_Wire]) -> tuple[ir.Logprob, ...]:
    return tuple(_logprob(value) for value in values)


def _logprob(value: _Wire) -> ir.Logprob:
    numbers, top = value.get("bytes"), value.get("top_logprobs")
    return ir.Logprob(
        value["token"],
        value["logprob"],
        None if numbers is None else tuple(numbers),
        None if top is None else _logprobs(top),
        extra=leftovers(value, _LOGPROB),
    )


_SOUNDS: Final = AUDIO_TYPES | {"pcm16": "audio/pcm"}
_SOUND_WORDS: Final = AUDIO_FORMATS | {"audio/pcm": "pcm16"}
_READ: Final[dict[str, Callable[[_Wire, ir.Item | None], ir.Block]]] = {
    "refusal": _read_refusal,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
    "input_video": _read_video,
}

# --- Encoding ----------------------------------------------------------------------------------


def encode_part(block: ir.Block, draft: Draft, where: str, *, said: bool = False) -> _Wire | None:
    """Encode a block as a part of a message or of a tool result; None = it cannot be a part, which is
    reported as a loss. Raises WireError for a medium of a request that no part can hold. said: True = the
    model wrote the message. where: the block's IR path.
    """
    if isinstance(block, ir.Text):
        return encode_text(block, draft, where, said=said)
    if isinstance(block, ir.Refusal):
        if not said:
            draft.report.change(where, "", "the refusal is written as text")
            return {"type": "input_text", "text": block.text}
        if block.logprobs:
            draft.report.lose(where + ".logprobs", "a refusal cannot contain it", "hint")
        return draft.finish({"type": "refusal", "refusal": block.text}, None, block.extra, where)
    if isinstance(block, ir.Media):
        try:
            return encode_media(block, draft, where)
        except WireError as error:
            if not draft.answer:
                raise
            draft.report.lose(where, error.message, "meaning")  # the rest of the answer is told
            return None
    if isinstance(block, ir.Json):
        draft.report.change(where, "", "the structured value is written as JSON text")
        text = {"type": "output_text" if said else "input_text", "text": text_of(block.value)}
        return draft.finish(text, None, block.extra, where)
    if isinstance(block, ir.Native) and block.dialect == NAME:
        return dict(block.value)
    draft.report.lose(where, "the Responses API has no content part for this", "meaning")
    return None


def encode_text(block: ir.Text, draft: Draft, where: str, *, said: bool) -> _Wire:
    """Encode a text part. Its type is the type that a client or a provider of this dialect stated. Without
    such a type, it is `output_text` if the model wrote the text (`said`), else `input_text`. Only an
    `output_text` has `annotations`, and log probabilities if the text has some or an answer is written; in
    other parts both are reported as lost. where: the block's IR path.
    """
    kind = (block.form if draft.own and block.form in _TEXTS else None) or _TEXTS[said]
    out: _Wire = {"type": kind, "text": block.text}
    if kind == "output_text":
        out["annotations"] = [
            wire
            for index, citation in enumerate(block.citations)
            if (wire := encode_citation(citation, block.text, draft, f"{where}.citations[{index}]"))
            is not msgspec.UNSET
        ]
        if block.logprobs is not None or draft.answer:
            out["logprobs"] = encode_logprobs(block.logprobs, draft, f"{where}.logprobs")
    else:
        if block.citations:
            draft.report.lose(where + ".citations", "only output of the model can contain it", "hint")
        if block.logprobs:
            draft.report.lose(where + ".logprobs", "only output of the model can contain it", "hint")
    if block.sealed is not None:
        draft.leave_seal(where)
    return draft.finish(out, block.cache, block.extra, where)


def encode_citation(citation: ir.Citation, text: str, draft: Draft, where: str) -> Any:
    """Encode a citation of `text` as an annotation. A citation that came in this dialect is written with the
    members that it came with. Any other citation becomes a `url_citation`, for the whole text if it states no
    place in the text; if it has no URL, UNSET is returned and a loss is reported. where: the citation's IR
    path.
    """
    if citation.kind == "url" and draft.own:  # members that its provider left out are not added
        told: dict[str, Any] = {"url": citation.url, "title": citation.title}
        told |= {"start_index": citation.start, "end_index": citation.end}
        stated = {member: value for member, value in told.items() if value is not None}
        restore(stated, citation.extra, draft.report, where)
        return {"type": "url_citation", **stated}
    if draft.own and (odd := stated_oddly(citation, NAME)) is not msgspec.UNSET:
        return odd
    if citation.kind != "url" and (own := (citation.extra or {}).get(NAME)) is not None:
        return dict(own)
    if citation.url is None:
        draft.report.lose(where, "a source without a URL cannot be cited", "quality")
        return msgspec.UNSET
    out: _Wire = {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or "",
        "start_index": 0 if citation.start is None else citation.start,
        "end_index": len(text) if citation.end is None else citation.end,
    }
    if citation.quote or citation.source:
        draft.report.lose(where, "an annotation has only a URL and a title", "hint")
    restore(out, citation.extra, draft.report, where)
    return out


def encode_logprobs(values: Sequence[ir.Logprob] | None, draft: Draft, where: str) -> list[_Wire]:
    """Encode log probabilities; each entry has every member that the specification requires. Missing bytes
    are made from the token's text. Token ids are reported as lost. values: None = none, which gives [].
    where: the IR path of the log probabilities.
    """
    return [_encode_logprob(value, draft, f"{where}[{index}]") for index, value in enumerate(values or ())]


def _encode_logprob(value: ir.Logprob, draft: Draft, where: str, *, inner: bool = False) -> _Wire:
    out: _Wire = {"token": value.token, "logprob": value.logprob}
    numbers = value.bytes
    out["bytes"] = list(value.token.encode("utf-8", "replace") if numbers is None else numbers)
    if not inner:
        out["top_logprobs"] = [
            _encode_logprob(other, draft, f"{where}.top[{index}]", inner=True)
            for index, other in enumerate(value.top or ())
        ]
    if value.id is not None:
        draft.report.lose(f"{where}.id", "the Responses API has no token ids", "hint")
    restore(out, value.extra, draft.report, where)
    return out


def reads(media: ir.Media) -> bool:
    """Whether OpenAI's servers download a medium from its URL: only an image or a document with a URL that
    begins with `http://` or `https://`.
    """
    return media.kind in {"image", "document"} and (media.url or "").startswith(("http://", "https://"))


def encode_media(block: ir.Media, draft: Draft, where: str) -> _Wire:
    """Return the part for a medium. A document that is given as text or as blocks becomes an `input_text`.
    Values that no part can state, such as a transcript, are reported as lost. where: the block's IR path.
    Raises WireError if no part can hold the medium, such as sound of another dialect or an image without
    data, URL and file id.
    """
    out = _MEDIA[block.kind](block, draft, where)
    for member in ("context", "citable", "transcript", "expires"):
        if getattr(block, member) is not None:
            draft.report.lose(f"{where}.{member}", "a content part has no such field", "hint")
    if block.sealed is not None:
        draft.leave_seal(where)
    return draft.finish(out, block.cache, block.extra, where)


def _write_image(block: ir.Media, draft: Draft, where: str) -> _Wire:
    out: _Wire = {"type": "input_image"}
    if block.file is not None:
        out["file_id"] = block.file
    else:
        out["image_url"] = _address(block, "image/png", where)
    if block.detail is not None:
        out["detail"] = block.detail
    elif not draft.own:
        out["detail"] = "auto"  # the specification requires it
    if block.name is not None:
        draft.report.lose(where + ".name", "images have no names in the Responses API", "hint")
    return out


def _write_document(block: ir.Media, draft: Draft, where: str) -> _Wire:
    if block.text is not None:
        draft.report.change(where, "", "the text document is sent as text")
        return {
            "type": "input_text",
            "text": block.text if block.name is None else f"{block.name}\n\n{block.text}",
        }
    if block.blocks is not None:
        texts = [inner.text for inner in block.blocks if isinstance(inner, ir.Text)]
        if len(texts) < len(block.blocks):
            draft.report.lose(where + ".blocks", "only the text of the document is sent", "meaning")
        draft.report.change(where, "", "the document content is sent as text")
        return {"type": "input_text", "text": "\n\n".join([*([block.name] if block.name else []), *texts])}
    out: _Wire = {"type": "input_file"}
    if block.file is not None:
        out["file_id"] = block.file
    elif block.url is not None and not is_data_url(block.url):
        out["file_url"] = block.url
    elif draft.own and block.form == "base64" and block.data is not None:
        out["file_data"] = block.data
    else:
        out["file_data"] = _address(block, "application/pdf", where)
    if block.name is not None:
        out["filename"] = block.name
    elif "file_data" in out and not draft.own:
        out["filename"] = "document.pdf" if block.mime in {None, "application/pdf"} else "document"
        draft.report.add("input[].content[].filename", "a file in the request must have a name")
    if block.detail is not None:
        out["detail"] = block.detail
    return out


def _write_audio(block: ir.Media, draft: Draft, where: str) -> _Wire:
    if not draft.own or block.data is None:
        raise WireError("the Responses API does not accept audio", where, "unsupported_modality")
    if block.name is not None:
        draft.report.lose(where + ".name", "audio has no name in the Responses API", "hint")
    mime = (block.mime or "audio/wav").partition(";")[0]
    word = _SOUND_WORDS.get(mime) or mime.removeprefix("audio/")
    return {"type": "input_audio", "input_audio": {"data": block.data, "format": word}}


def _write_video(block: ir.Media, draft: Draft, where: str) -> _Wire:
    if not draft.own:
        raise WireError("the Responses API does not accept video", where, "unsupported_modality")
    return {"type": "input_video", "video_url": _address(block, "video/mp4", where)}


def _address(block: ir.Media, usual: str, where: str) -> str:
    if block.url is not None:
        return block.url
    if block.data is not None:
        return f"data:{block.mime or usual};base64,{block.data}"
    raise WireError(f"this {block.kind} has neither data nor a URL", where, "unsupported_modality")


_MEDIA: Final[dict[str, Callable[[ir.Media, Draft, str], _Wire]]] = {
    "image": _write_image,
    "document": _write_document,
    "audio": _write_audio,
    "video": _write_video,
}
