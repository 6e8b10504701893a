"""Decodes image responses in OpenAI's form, and encodes them as a whole body or as stream events.

Specification: https://platform.openai.com/docs/api-reference/images, and
https://platform.openai.com/docs/api-reference/images-streaming. Vendors have other members for images and
usage (OpenRouter has those of chat). Unreadable usage is ignored: the images are still returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.openai.operation import integer_of, refuse_failure
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.picturing import kind_of
from dragoman.errors import WireError
from dragoman.wire.dataurl import is_data_url, read
from dragoman.wire.json import decode_object, encode

Reply = OperationReply[ir.ImageRequest]

_DESCRIBED: Final[Mapping[str, frozenset[str]]] = {
    "size": frozenset({"1024x1024", "1024x1536", "1536x1024"}),
    "quality": frozenset({"low", "medium", "high"}),
    "background": frozenset({"transparent", "opaque"}),
    "output_format": frozenset({"png", "webp", "jpeg"}),
}
"""Response member that describes the images -> the only values of it that OpenAI's clients can decode."""
_KNOWN: Final = frozenset({"created", "data", "usage", "model", *_DESCRIBED})
_IN: Final[Mapping[str, str]] = {"text_tokens": "input_text", "image_tokens": "input_image"}
_OUT: Final[Mapping[str, str]] = {"text_tokens": "output_text", "image_tokens": "output_image"}
_COUNTS: Final = frozenset(
    {
        *("total_tokens", "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"),
        *("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"),
    }
)
_KINDS: Final[Mapping[str, str]] = {"image/jpg": "image/jpeg"}


class _Picture(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    mime_type: str | None = None
    media_type: str | None = None


# --- Decoding ----------------------------------------------------------------------------------


def decode_response(answered: Payload, _: ir.ImageRequest) -> ir.ImageResponse:
    """Decode a response. An image that the provider gave only as a data URL becomes one in base64, if the
    data URL can be read. Raises RequestFailed for an error with status 200. Raises WireError for any other
    invalid body, for a response without images, and for an image with neither base64 nor a URL.
    """
    body = decode_object(answered.data)
    refuse_failure(body, "data")
    try:
        found = msgspec.convert(body.get("data"), list[_Picture])
    except msgspec.ValidationError as error:
        raise WireError(str(error), "data") from error
    if not found:
        raise WireError("expected an image", "data")
    created, model = body.get("created"), body.get("model")
    return ir.ImageResponse(
        tuple(_picture(one, index) for index, one in enumerate(found)),
        model if isinstance(model, str) else None,
        created if type(created) is int and created > 0 else None,
        {key: body[key] for key in _DESCRIBED if body.get(key) is not None} or None,
        decode_usage(body.get("usage")),
        leftovers(body, _KNOWN),
    )


def _picture(wire: _Picture, index: int) -> ir.Picture:
    data, url, kind = wire.b64_json, wire.url, wire.mime_type or wire.media_type
    if data is None and url is not None and is_data_url(url) and (found := read(url)) is not None:
        data, kind = found[1], found[0] or kind
    if data is None and url is None:
        raise WireError("expected 'b64_json' or 'url'", f"data[{index}]")
    kind = None if kind is None else _KINDS.get(kind, kind)
    return ir.Picture(data, None if data is not None else url, kind, wire.revised_prompt)


def decode_usage(wire: Any) -> ir.Usage | None:
    """Return the token counts in `usage` (`wire`), whose members have the image API's names or, if it has
    `prompt_tokens`, chat's names. A count that is not an integer counts as not stated. Members of unknown
    names become leftovers. None = `wire` is not an object.
    """
    if not isinstance(wire, dict):
        return None
    chat = "prompt_tokens" in wire
    entered, answered = ("prompt_tokens", "completion_tokens") if chat else ("input_tokens", "output_tokens")
    detail: dict[str, int] = {}
    for name, kinds in ((entered, _IN), (answered, _OUT)):
        counts = wire.get(f"{name}_details")
        if isinstance(counts, dict):
            detail |= {ours: n for theirs, ours in kinds.items() if type(n := counts.get(theirs)) is int}
    rest = {key: value for key, value in wire.items() if key not in _COUNTS and value is not None}
    return ir.Usage(
        integer_of(wire.get(entered)),
        output=integer_of(wire.get(answered)),
        detail=detail or None,
        extra={NAME: rest} if rest else None,
    )


# --- Encoding ----------------------------------------------------------------------------------


def encode_response(response: ir.ImageResponse, reply: Reply) -> Payload:
    """Return the response body for the client. Fewer images than requested, images in another form (base64 or
    URL) or format than requested, and other leftovers than those of this dialect are reported.
    """
    body: dict[str, Any] = {
        "created": response.created or reply.created,
        "data": [_encode_picture(picture, index, reply) for index, picture in enumerate(response.pictures)],
        **_described(response, reply),
    }
    restore(body, response.extra, reply.report, "")
    if (usage := encode_usage(response.usage, reply.request)) is not None:
        body["usage"] = usage
    _lose(response, reply)
    return Payload(encode(body))


def _described(response: ir.ImageResponse, reply: Reply) -> dict[str, Any]:
    """Return the members in `_DESCRIBED` (such as size and quality) that the provider stated. A value that
    OpenAI's clients cannot decode is left out, and reported as lost.
    """
    known: dict[str, Any] = {}
    for member, value in (response.told or {}).items():
        if isinstance(value, str) and value in _DESCRIBED.get(member, ()):
            known[member] = value
        else:
            reply.report.lose(member, f"this image API cannot report {str(value)[:64]!r}", "hint")
    return known


def _encode_picture(picture: ir.Picture, index: int, reply: Reply) -> dict[str, Any]:
    """Return an image as an entry of `data`, in the form that the client asked for: with a URL, or otherwise
    with base64. index: the image's position in the response.

    If the provider sent the image itself, the URL is a data URL; this is reported as a change. If the
    provider sent only a URL, the entry has this URL; if the client asked for base64, this is reported as a
    loss.
    """
    shown: dict[str, Any] = {}
    if picture.prompt is not None:
        shown["revised_prompt"] = picture.prompt
    wished = reply.request.delivery
    if picture.data is None:
        shown["url"] = picture.url
        if wished == "b64_json":
            _unread(index, reply)
    elif wished == "url":
        shown["url"] = f"data:{_kind(picture)};base64,{picture.data}"
        reason = "the provider sends the image itself; the URL is a data URL that contains it"
        reply.report.change("response_format", f"data[{index}].url", reason)
    else:
        shown["b64_json"] = picture.data
    return shown


def _unread(index: int, reply: Reply) -> None:
    reason = f"the provider sent only the URL of image {index}, and the URL could not be fetched"
    reply.report.lose("response_format", reason)


def _kind(picture: ir.Picture) -> str:
    return picture.kind or kind_of(picture.data or "")


def _lose(response: ir.ImageResponse, reply: Reply) -> None:
    """Report a loss if the provider returned fewer images than requested, and for each image format that is
    not the requested one. If the client requested no format, no format is reported. An image that is only a
    URL, without a media type, is not compared.
    """
    request, pictures = reply.request, response.pictures
    if len(pictures) < (request.count or 1):
        reply.report.lose("n", f"the provider returned {len(pictures)} of {request.count} images")
    if request.output is None:
        return
    kinds = {_kind(picture) for picture in pictures if picture.data is not None or picture.kind is not None}
    for kind in sorted(kinds - {f"image/{request.output}"}):
        reply.report.lose("output_format", f"the image format is {kind}, not {request.output}", "quality")


def encode_usage(usage: ir.Usage | None, request: ir.ImageRequest) -> dict[str, Any] | None:
    """Return usage in OpenAI's form. Without token counts, the result has only the further members of the
    provider's usage. None = the provider stated neither. If the client's request (`request`) has no images,
    all input tokens count as text, unless the provider stated otherwise.
    """
    if usage is None:
        return None
    rest: dict[str, Any] = (usage.extra or {}).get(NAME, {})
    if usage.input is None and usage.output is None:
        return rest or None
    detail = usage.detail or {}
    inputs = {theirs: detail[ours] for theirs, ours in _IN.items() if ours in detail}
    if not request.images:
        inputs = {"text_tokens": usage.input_total, "image_tokens": 0} | inputs
    body: dict[str, Any] = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output_total,
        "total_tokens": usage.total,
    }
    if inputs:
        body["input_tokens_details"] = {"text_tokens": 0, "image_tokens": 0} | inputs
    if outputs := {theirs: detail[ours] for theirs, ours in _OUT.items() if ours in detail}:
        body["output_tokens_details"] = {"text_tokens": 0, "image_tokens": 0} | outputs
    return body | rest


_FREE: Final[dict[str, Any]] = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}


def encode_stream(response: ir.ImageResponse, reply: Reply) -> bytes:
    """Return a whole response as SSE events, one for each image. Only the last event has the response's
    usage; all other token counts are 0. If the provider sent only the URL of an image, the event has this URL
    in place of base64, and a loss is reported.
    """
    request, known = reply.request, _described(response, reply)
    kind = "image_generation.completed" if request.action == "generate" else "image_edit.completed"
    usage = encode_usage(response.usage, request) or _FREE
    wished = {"size": request.size, "quality": request.quality, "background": request.background}
    described = {
        member: known.get(member) or (wish if wish in _DESCRIBED[member] else "auto")
        for member, wish in wished.items()
    }
    last = len(response.pictures) - 1
    events: list[bytes] = []
    for index, picture in enumerate(response.pictures):
        if picture.data is None:
            _unread(index, reply)
        event = {
            "type": kind,
            **({"url": picture.url} if picture.data is None else {"b64_json": picture.data}),
            "created_at": response.created or reply.created,
            **described,
            "output_format": known.get("output_format") or _kind(picture).partition("/")[2],
            "usage": usage if index == last else _FREE,
        }
        events.append(b"event: " + kind.encode() + b"\ndata: " + encode(event) + b"\n\n")
    _lose(response, reply)
    return b"".join(events)
