"""Encodes image requests in the forms of OpenAI, xAI and OpenRouter.

Specifications: https://platform.openai.com/docs/api-reference/images,
https://docs.x.ai/docs/guides/image-generation (aspect ratios instead of sizes, no forms; the list of ratios
is from a copy of that page), https://openrouter.ai/docs/api-reference/images (one path; input images are in
`input_references`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.forms import file_field, text_fields
from dragoman.dialects.openai.terms import restore
from dragoman.dialects.picturing import AUTO, address_of, aspect, lose, lose_size
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/images/generations"
EDITS: Final = "/images/edits"
VARIATIONS: Final = "/images/variations"
OPENROUTER: Final = "/images"
_PATHS: Final = {"generate": PATH, "edit": EDITS, "vary": VARIATIONS}
_SHAPES: Final = (
    *("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1"),
)
"""The aspect ratios of xAI."""
_QUALITIES: Final = frozenset({"low", "medium", "high"})


def _openai(request: ir.ImageRequest, target: Target) -> WireRequest:
    body = _stated(
        request,
        target,
        {
            "n": request.count,
            "size": request.size,
            "aspect_ratio": request.aspect,
            "quality": request.quality,
            "style": request.style,
            "background": request.background,
            "moderation": request.moderation,
            "input_fidelity": request.fidelity,
            "output_format": request.output,
            "output_compression": request.compression,
            "response_format": request.delivery,
            "stream": request.stream or None,
            "partial_images": request.partials,
            "seed": request.seed,
            "user": request.user,
        },
    )
    path = _PATHS[request.action]
    if request.action == "generate":
        return WireRequest("image", body, path=path)
    sent = (*request.images, *(() if request.mask is None else (request.mask,)))
    if all(file.data for file in sent):
        name = "image" if len(request.images) == 1 else "image[]"
        fields = [*text_fields(body)]
        fields += [file_field(name, file, f"image-{index}") for index, file in enumerate(request.images)]
        if request.mask is not None:
            fields.append(file_field("mask", request.mask, "mask"))
        return WireRequest("image", body, path=path, fields=tuple(fields))
    body["images"] = [_reference(file) for file in request.images]
    if request.mask is not None:
        body["mask"] = _reference(request.mask)
    return WireRequest("image", body, path=path)


def _reference(file: ir.File) -> dict[str, str]:
    return {"file_id": file.id} if file.id is not None else {"image_url": address_of(file)}


def _xai(request: ir.ImageRequest, target: Target) -> WireRequest:
    _refuse(request, "xAI")
    quality = request.quality if request.quality in _QUALITIES else None
    # A client's own ratio is sent as it is, even if it is unknown here.
    if shape := request.aspect:
        lose_size(request, target.report)
    else:
        shape = aspect(request, _SHAPES, target.report, "aspect_ratio")
    stated = {
        "n": request.count,
        "aspect_ratio": shape,
        "quality": quality,
        "response_format": request.delivery or ("b64_json" if request.stream else None),
        "user": request.user,
    }
    body = _stated(request, target, stated)
    fields = ("style", "background", "moderation", "fidelity", "compression", "partials", "seed")
    lose(request, target.report, "xAI", *fields, *(() if quality is not None else ("quality",)))
    if request.images:
        body["images"] = [
            {"type": "image_url", "url": _address(image, index)} for index, image in enumerate(request.images)
        ]
    return WireRequest("image", body, path=_PATHS[request.action])


def _openrouter(request: ir.ImageRequest, target: Target) -> WireRequest:
    _refuse(request, "OpenRouter")
    stated = {
        "n": request.count,
        "size": None if request.size == AUTO else request.size,
        "aspect_ratio": request.aspect,
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output,
        "seed": request.seed,
    }
    body = _stated(request, target, stated)
    fields = ("style", "moderation", "fidelity", "compression", "partials", "user")
    lose(request, target.report, "OpenRouter", *fields)
    if request.images:
        body["input_references"] = [
            {"type": "image_url", "image_url": {"url": _address(image, index)}}
            for index, image in enumerate(request.images)
        ]
    return WireRequest("image", body, path=OPENROUTER)


def _stated(request: ir.ImageRequest, target: Target, words: Mapping[str, Any]) -> dict[str, Any]:
    model = target.model if target.model is not None else request.model
    first = {"model": model, "prompt": request.prompt, **words}
    body = {key: value for key, value in first.items() if value is not None}
    restore(body, request.extra, target.report, "")
    return body


def _refuse(request: ir.ImageRequest, who: str) -> None:
    """Raise WireError for an image variation or a mask, which this vendor (`who`) does not support."""
    if request.action == "vary":
        raise WireError(f"{who} does not support image variations.", "action", "unsupported_value")
    if request.mask is not None:
        raise WireError(f"{who} does not support a mask.", "mask", "unsupported_value")


def _address(image: ir.File, index: int) -> str:
    if image.id is not None:
        message = "This provider does not support file ids."
        raise WireError(message, f"images[{index}]", "unsupported_value")
    return address_of(image)


WRITERS: Final[Mapping[str, Callable[[ir.ImageRequest, Target], WireRequest]]] = {
    "openai": _openai,
    "xai": _xai,
    "openrouter": _openrouter,
}
