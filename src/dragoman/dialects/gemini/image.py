"""Image generation: generateContent with `responseModalities: ["IMAGE"]`, and `predict` for Imagen.

Both accept aspect ratios, not sizes. One request to a Gemini model asks for one image. Imagen accepts no
input image. https://ai.google.dev/gemini-api/docs/image-generation,
https://ai.google.dev/gemini-api/docs/imagen
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.errors import fault_of
from dragoman.dialects.gemini.response import decode_response as decode_content
from dragoman.dialects.gemini.speech import PATH, silent
from dragoman.dialects.gemini.terms import restore
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.picturing import aspect, inline, joined, lose, named, several
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_object

PREDICT: Final = "/models/{model}:predict"
_IMAGEN: Final = "imagen"
_MOST: Final = 4
"""The most images of one request to Imagen."""
_SHAPES: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_IMAGEN_SHAPES: Final = ("1:1", "3:4", "4:3", "9:16", "16:9")
_LOST: Final = (
    *("quality", "style", "background", "moderation", "fidelity", "compression", "partials", "user"),
)
_FORMATS: Final = ("png", "jpeg")
_VARY: Final = "Draw a variation of this picture."
_LONGEST: Final = 500
"""The most characters of the provider's words that the error for a response without images repeats."""


def _is_imagen(model: str | None) -> bool:
    return (model or "").rpartition("/")[2].startswith(_IMAGEN)


def encode_request(request: ir.ImageRequest, target: Target) -> WireRequest:
    """Encode the request. Losses and changes are reported to `target.report`. Without a stated aspect ratio,
    a size becomes the nearest one. Raises WireError for a mask, for an invalid size, for an aspect ratio that
    the model lacks, and for an input image that is given by a file id or by a URL other than a data URL. If
    the model is Imagen, every request to edit or vary an image raises WireError.
    """
    if request.mask is not None:
        raise WireError("Gemini does not support a mask.", "mask", "unsupported_value")
    return (_imagen if _is_imagen(target.model) else _native)(request, target)


def _native(request: ir.ImageRequest, target: Target) -> WireRequest:
    report = target.report
    parts: list[dict[str, Any]] = [{"text": request.prompt or _VARY}]
    if request.prompt is None:
        report.add("contents[0].parts[0].text", "a prompt, because the request has only an image")
    parts += [_part(image, f"images[{index}]") for index, image in enumerate(request.images)]
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    place = "generationConfig.imageConfig.aspectRatio"
    if (shape := aspect(request, _SHAPES, report, place)) is not None:
        config["imageConfig"] = {"aspectRatio": shape}
    if request.seed is not None:
        config["seed"] = request.seed
    lose(request, report, "Gemini", *_LOST)
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    restore(body, request.extra, report, "")
    return WireRequest("image", body, path=PATH)


def _part(image: ir.File, place: str) -> dict[str, Any]:
    try:
        kind, data = inline(image)
    except WireError as error:
        raise WireError(error.message, place, error.code) from error
    return {"inlineData": {"mimeType": kind, "data": data}}


def _imagen(request: ir.ImageRequest, target: Target) -> WireRequest:
    report = target.report
    if request.action != "generate":
        raise WireError("Imagen generates images only from text.", "action", "unsupported_value")
    parameters: dict[str, Any] = {"sampleCount": request.count or 1}
    if (shape := aspect(request, _IMAGEN_SHAPES, report, "parameters.aspectRatio")) is not None:
        parameters["aspectRatio"] = shape
    if request.output in _FORMATS:
        options: dict[str, Any] = {"mimeType": f"image/{request.output}"}
        if request.compression is not None and request.output == "jpeg":
            options["compressionQuality"] = request.compression
        parameters["outputOptions"] = options
    if request.seed is not None:
        parameters["seed"] = request.seed
    told = {"compression"} if "compressionQuality" in parameters.get("outputOptions", {}) else set()
    lose(request, report, "Imagen", *(field for field in _LOST if field not in told))
    body: dict[str, Any] = {"instances": [{"prompt": request.prompt}], "parameters": parameters}
    restore(body, request.extra, report, "")
    return WireRequest("image", body, path=PREDICT)


class _Prediction(msgspec.Struct, rename="camel"):
    bytes_base64_encoded: str | None = None
    mime_type: str | None = None
    prompt: str | None = None
    rai_filtered_reason: str | None = None


def decode_response(answered: Payload, _: ir.ImageRequest) -> ir.ImageResponse:
    """Decode a response of generateContent or of `predict`; the members of the body show which it is. Raises
    RequestFailed for an error object and for a response without images, WireError for a body of another form.
    """
    body = decode_object(answered.data)
    if body.get("error") is not None:
        raise RequestFailed(fault_of(body))
    if "candidates" in body or "promptFeedback" in body:
        return _drawn(body)
    try:
        found = msgspec.convert(body.get("predictions", []), list[_Prediction])
    except msgspec.ValidationError as error:
        raise WireError(str(error), "predictions") from error
    pictures = tuple(
        ir.Picture(one.bytes_base64_encoded, kind=one.mime_type, prompt=one.prompt)
        for one in found
        if one.bytes_base64_encoded is not None
    )
    if not pictures:  # filtered images are not in the answer
        why = next((one.rai_filtered_reason for one in found if one.rai_filtered_reason is not None), None)
        message = why or "The model returned no image: all were removed by the content filter."
        raise RequestFailed(ir.Fault("content_policy", message[:_LONGEST], code="content_filter"))
    return ir.ImageResponse(pictures)


def _drawn(body: dict[str, Any]) -> ir.ImageResponse:
    answer = decode_content(body, STANDARD)
    blocks = [block for candidate in answer.candidates for block in candidate.blocks]
    pictures = tuple(
        ir.Picture(block.data, kind=block.mime)
        for block in blocks
        if isinstance(block, ir.Media) and block.kind == "image" and block.data is not None
    )
    if not pictures:
        fault = silent(answer, "a picture")
        said = " ".join(block.text for block in blocks if isinstance(block, ir.Text)).strip()
        if said:
            fault = fault.changed(message=f"{fault.message} It says: {said[:_LONGEST]}")
        raise RequestFailed(fault)
    return ir.ImageResponse(pictures, answer.model, usage=answer.usage)


def _most(model: str) -> int:
    return _MOST if _is_imagen(model) else 1


IMAGE: Final = ProviderSide(
    paths=(PATH, PREDICT),
    encode=encode_request,
    decode=decode_response,
    split=several(_most),
    join=joined,
    unread=named,
)
