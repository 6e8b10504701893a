"""Decodes and encodes image requests, as OpenAI and its compatible vendors use them: POST
/images/generations, /images/edits and /images/variations.

Specification: https://platform.openai.com/docs/api-reference/images. Requests with image files are forms; an
edit may also be JSON with image URLs or file ids. Sizes and styles depend on the model, so `check` accepts
any text for them. `response_format` selects base64 or URLs for the response; if the provider ignores it, the
gateway converts the images, if it can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.forms import edited, files, refuse_files
from dragoman.dialects.openai import pictures
from dragoman.dialects.openai.drawn import decode_response, decode_usage, encode_response, encode_stream
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai.operation import model_of, refuse_failure, usage_value
from dragoman.dialects.openai.terms import NAME, leftovers
from dragoman.dialects.operation import ClientSide, OperationCodec, Outgoing, Payload, ProviderSide
from dragoman.dialects.picturing import joined, wanted
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_address,
    check_members,
    empty_array,
    integer,
    missing,
    one_of,
    wrong_type,
)
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, decode_object, encode_head

MOST: Final = 16
"""The maximum number of images for an edit."""
_SENT: Final = frozenset({"image", "images", "mask"})
MAPS: Final = frozenset(
    {
        *("model", "prompt", "n", "size", "aspect_ratio", "quality", "style", "background", "moderation"),
        *("input_fidelity", "output_format", "output_compression", "response_format", "stream"),
        *("partial_images", "seed", "user", *_SENT),
    }
)
_ACTIONS: Final[Mapping[str, Literal["edit", "vary"]]] = {
    pictures.EDITS: "edit",
    pictures.VARIATIONS: "vary",
}
_ALWAYS_BYTES: Final = re.compile(r"(.*/)?(chat)?gpt-image")
"""Matches the names of models that always answer in base64 and reject `response_format`."""
_INTEGERS: Final = frozenset({"n", "output_compression", "partial_images", "seed"})
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


# --- Requests ----------------------------------------------------------------------------------

_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "prompt": a_string,
    "n": integer(1, 10),
    "size": a_string,
    "aspect_ratio": a_string,
    "quality": a_string,
    "style": a_string,
    "background": one_of("transparent", "opaque", "auto"),
    "moderation": one_of("low", "auto"),
    "input_fidelity": one_of("high", "low"),
    "output_format": one_of("png", "jpeg", "webp"),
    "output_compression": integer(0, 100),
    "response_format": one_of("url", "b64_json"),
    "stream": a_boolean,
    "partial_images": integer(0, 3),
    "seed": integer(),
    "user": a_string,
}


def check(request: WireRequest) -> None:
    """Raise WireError, with the JSON path of the value, for the first mistake that is found."""
    body = typed(request)
    refuse_files(request.fields, MAPS - {"image", "mask"})
    if request.path != pictures.VARIATIONS and body.get("prompt") is None:
        missing("prompt")
    if request.path in _ACTIONS:
        if request.fields:
            _check_files(request)
        elif request.path == pictures.VARIATIONS:
            missing("image")
        else:
            _check_references(body)
    check_members(body, _RULES)


def typed(request: WireRequest) -> dict[str, Any]:
    """Return the request's body with JSON values. For a form this is a copy, because in a form all values are
    texts: texts that are integers or booleans (true, false, 1, 0, in any case) become such values, in the
    members that need them. Other texts stay, so that `check` refuses them.
    """
    body = request.body
    if not request.fields:
        return body
    body = dict(body)
    for key, value in body.items():
        if not isinstance(value, str):
            continue
        if key in _INTEGERS and re.fullmatch(r"-?[0-9]{1,18}", value):
            body[key] = int(value)
        elif key == "stream":
            body[key] = _BOOLEANS.get(value.lower(), value)
    return body


def _check_files(request: WireRequest) -> None:
    images, masks = list(files(request.fields, "image")), list(files(request.fields, "mask"))
    for name in ("image", "mask"):
        if name in request.body:
            wrong_type(name, "a file", request.body[name])
    most = MOST if request.path == pictures.EDITS else 1
    if not images:
        missing("image")
    for name, found, limit in (("image", images, most), ("mask", masks, 1)):
        if len(found) > limit:
            raise WireError(f"Invalid '{name}': expected at most {limit} files.", name, "invalid_value")
        if not all(file.data for file in found):
            raise WireError(f"Invalid '{name}': the file is empty.", name, "invalid_value")


def _check_references(body: Mapping[str, Any]) -> None:
    images = body.get("images")
    if body.get("image") is not None:
        _check_reference(body["image"], "image")
    elif images is None:
        missing("images")
    if images is not None:
        if type(images) is not list:
            wrong_type("images", "an array", images)
        if not images:
            empty_array("images")
        if len(images) > MOST:
            raise WireError(
                f"Invalid 'images': expected at most {MOST} items.", "images", "array_above_max_length"
            )
        for index, image in enumerate(images):
            _check_reference(image, f"images[{index}]")
    if body.get("mask") is not None:
        _check_reference(body["mask"], "mask")


def _check_reference(value: Any, path: str) -> None:
    """Raise WireError unless the value refers to an image in the form of OpenAI, xAI or OpenRouter: an HTTP
    URL or a data URL, or an object with one of these (`image_url`, `url`, or `url` inside one of them) or
    with a file id. path: the value's JSON path.
    """
    if isinstance(value, str):
        _check_address(value, path)
        return
    if not isinstance(value, dict):
        wrong_type(path, "an object", value)
    if value.get("file_id") is not None:
        a_string(value["file_id"], f"{path}.file_id")
        return
    member = "url" if value.get("url") is not None else "image_url"
    if (url := value.get(member)) is None:
        missing(f"{path}.image_url")
    if isinstance(url, dict):
        member, url = f"{member}.url", url.get("url")
    _check_address(url, f"{path}.{member}")


def _check_address(value: Any, path: str) -> None:
    an_address(value, path)
    if not value.lower().startswith(("https://", "http://", "data:")):
        raise WireError(f"Invalid '{path}': expected a URL or a data URL.", path, "invalid_value")


def streams(wire: WireRequest) -> bool:
    """Whether the client requests a stream: `stream` is true, in a form also "true" or "1"."""
    return typed(wire).get("stream") is True


def decode_request(wire: WireRequest) -> ir.ImageRequest:
    """Return the decoded request. wire: a request that `check` has accepted; its path says whether images are
    generated, edited or varied.
    """
    body = typed(wire)
    action = _ACTIONS.get(wire.path)
    get = body.get
    mask = next(files(wire.fields, "mask"), None)
    if mask is None and action is not None and get("mask") is not None:
        mask = _reference(body["mask"])
    return ir.ImageRequest(
        NAME,
        get("model"),
        get("prompt"),
        action or "generate",
        () if action is None else tuple(_images(wire)),
        mask,
        get("n"),
        get("size"),
        get("aspect_ratio"),
        get("quality"),
        get("style"),
        get("background"),
        get("moderation"),
        get("input_fidelity"),
        get("output_format"),
        get("output_compression"),
        get("response_format"),
        get("stream") is True,
        get("partial_images"),
        get("seed"),
        get("user"),
        not isinstance(get("image"), str | dict),
        leftovers(body, MAPS if action is not None else MAPS - _SENT),
    )


def _images(wire: WireRequest) -> Iterator[ir.File]:
    yield from files(wire.fields, "image")
    if not wire.fields:
        one = wire.body.get("image")
        for value in (*(() if one is None else (one,)), *(wire.body.get("images") or ())):
            yield _reference(value)


def _reference(value: Any) -> ir.File:
    if isinstance(value, str):
        return ir.File(url=value)
    if value.get("file_id") is not None:
        return ir.File(id=value["file_id"])
    url = value.get("url") or value["image_url"]
    return ir.File(url=url["url"] if isinstance(url, dict) else url)


def encode_request(request: ir.ImageRequest, target: Target) -> WireRequest:
    """Return the request in the form of the vendor (`Quirks.pictures`: OpenAI's, xAI's or OpenRouter's), and
    report losses. Raises WireError for a value that xAI or OpenRouter cannot serve: a variation, a mask, a
    file id and, for xAI, an invalid size.
    """
    return pictures.WRITERS[target.quirks.pictures](request, target)


def passes(_: WireRequest, quirks: Quirks, __: str) -> bool:
    """Whether the vendor's image requests have OpenAI's form (`Quirks.pictures`), so that the client's
    request need not be translated.
    """
    return quirks.pictures == "openai"


def locate(request: ir.ImageRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`: `$.n` for `count`. An input
    image (`images[0]`) has the path `$.images[0]` if the client listed URLs or file ids, otherwise `$.image`.
    The action, which the URL's path states, has the path `$.model`.
    """
    if where.startswith("images["):
        named = any(image.data == b"" for image in request.images)
        return f"$.{where}" if named and request.listed else "$.image"
    return "$." + _PLACES.get(where, where)


_PLACES: Final = {
    "action": "model",  # the path states the action, but another model could support it
    "count": "n",
    "aspect": "aspect_ratio",
    "fidelity": "input_fidelity",
    "output": "output_format",
    "compression": "output_compression",
    "delivery": "response_format",
    "partials": "partial_images",
}


# --- Relay -------------------------------------------------------------------------------------


class ImageRelay:
    """Relays image requests and responses in OpenAI's form."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        """Return the client's request with `edits`, and without `response_format` if `edits` names a model
        that rejects it (`_ALWAYS_BYTES`). head: the members of the client's body as JSON; empty for a form.
        edits: name -> new value, which replaces the client's value of this name.
        """
        path = wire.path or pictures.PATH
        rejects_format = _ALWAYS_BYTES.match(str(edits.get("model"))) is not None
        if wire.fields:
            fields = edited(wire.fields, edits)
            if rejects_format:
                fields = tuple(field for field in fields if field.name != "response_format")
            return Outgoing(path, fields)
        head = {**head, **edits}
        if rejects_format:
            head.pop("response_format", None)
        return Outgoing(path, encode_head(head))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the response for the client, its usage). The usage is None if the response states none.
        Returns None in place of both if the client stated in `response_format` that it wants URLs or base64,
        and no image has this form; then the response must be translated. Raises RequestFailed for an error
        with status 200, WireError for any other body without `data`.

        model: the name that replaces the model's name in the response, if it has one; None = the name stays.
        """
        head: dict[str, Any] = decode_head(answer.data)
        if "data" not in head:
            refuse_failure(decode_object(answer.data), "data")
            raise WireError("expected a member 'data'")
        wished = wire.body.get("response_format")
        member = None if wished is None else rb'"%b"\s*:\s*"' % re.escape(wished.encode())
        if member is not None and re.search(member, answer.data) is None:
            return None  # some vendors have both members, one of them null
        if model is not None and "model" in head:
            answer = Payload(encode_head({**head, "model": model}), answer.kind)
        return answer, _usage(head)

    def seen(self, frame: bytes) -> ir.Usage | None:
        if b'"usage"' not in frame and b'"error"' not in frame:
            return None  # a partial image
        event: dict[str, Any] = decode_head(frame)
        if bytes(event.get("type", b"")) == b'"error"' or bytes(event.get("error", b"null")) != b"null":
            body = decode_object(frame)
            raise RequestFailed(fault_of(failure(body) or {"error": body}))
        return _usage(event)


def _usage(head: Mapping[str, Any]) -> ir.Usage | None:
    return decode_usage(usage_value(head.get("usage", b"null")))


IMAGE: Final = OperationCodec(
    relay=ImageRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS,
        streams=streams,
        encode_stream=encode_stream,
        unread=wanted,
    ),
    provider=ProviderSide(
        paths=(pictures.PATH, pictures.EDITS, pictures.VARIATIONS, pictures.OPENROUTER),
        encode=encode_request,
        decode=decode_response,
        join=joined,
    ),
    relays=passes,
    ends=("image_generation.completed", "image_edit.completed"),
)
