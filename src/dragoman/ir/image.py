"""The image operation: a request that generates, edits or varies pictures, and its response."""

from __future__ import annotations

from typing import Any, Literal

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.file import File
from dragoman.ir.usage import Usage


class ImageRequest(Value, frozen=True):
    """A request for pictures.

    dialect: the protocol in which the client wrote the request. action: "generate" makes pictures from the
    prompt, "edit" changes the images as the prompt says, "vary" makes variants of the first image. mask: the
    area to edit. count: how many pictures, None = not stated, which means one. size: "WIDTHxHEIGHT" in
    pixels, or "auto". aspect: the aspect ratio, for example "16:9". quality, style, background, moderation,
    fidelity (to the edited images): in the provider's words. output: the file format ("png", "jpeg", "webp").
    compression: percent. delivery: whether the client wants a URL or the bytes in base64, None = not stated.
    partials: how many unfinished pictures the stream shows before the final one. listed: False = the client
    wrote one image in a JSON body, without a list; True in every other case (a form, or no image, too). Any
    other field that is None was not stated.
    """

    dialect: str
    model: str | None
    prompt: str | None
    action: Literal["generate", "edit", "vary"] = "generate"
    images: tuple[File, ...] = ()
    mask: File | None = None
    count: int | None = None
    size: str | None = None
    aspect: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    moderation: str | None = None
    fidelity: str | None = None
    output: str | None = None
    compression: int | None = None
    delivery: Literal["url", "b64_json"] | None = None
    stream: bool = False
    partials: int | None = None
    seed: int | None = None
    user: str | None = None
    listed: bool = True
    extra: Extra = None


class Picture(Value, frozen=True):
    """One picture, either as `data` (base64, as received) or as `url`. kind: the media type, None = not
    stated. prompt: the prompt as the provider changed it, None = not stated.
    """

    data: str | None = None
    url: str | None = None
    kind: str | None = None
    prompt: str | None = None


class ImageResponse(Value, frozen=True):
    """The pictures of one answer. created: Unix seconds. told: other facts that the provider stated about the
    pictures (size, quality, background, output_format), under OpenAI's names. A field that is None was not
    stated.
    """

    pictures: tuple[Picture, ...]
    model: str | None = None
    created: int | None = None
    told: dict[str, Any] | None = None
    usage: Usage | None = None
    extra: Extra = None
