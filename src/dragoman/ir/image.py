"""Pictures asked for by a text, or made of other pictures, and what comes of it."""

from __future__ import annotations

from typing import Any, Literal

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.file import File
from dragoman.ir.usage import Usage


class ImageRequest(Value, frozen=True):
    """A request for pictures.

    dialect: the dialect that it was decoded from. action: "generate" from the prompt, "edit" the images by
    it, or "vary" the first image. mask: where to edit. count: how many pictures, None = unstated, which is
    one. size: "WIDTHxHEIGHT" in pixels or "auto". aspect: "16:9" and the like. quality, style, background,
    moderation, fidelity (of the images that are edited): the provider's words. output: the file's format
    ("png", "jpeg", "webp"). compression: percent. delivery: whether the client wants an address or the bytes
    in base64, None = unstated. stream: whether it wants a stream, with so many `partials` on the way.
    listed: whether images that are no files of a form were written as a list. extra: keys that no field
    names, by dialect.
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
    """One picture, by exactly one of data (base64, as received) and url. kind: its media type, None where
    unstated. prompt: what it was made from, if the provider rewrote what it was asked.
    """

    data: str | None = None
    url: str | None = None
    kind: str | None = None
    prompt: str | None = None


class ImageResponse(Value, frozen=True):
    """The pictures. created: Unix seconds. told: what the provider says of them (size, quality, background,
    output_format), by OpenAI's words. extra: members that no field names.
    """

    pictures: tuple[Picture, ...]
    model: str | None = None
    created: int | None = None
    told: dict[str, Any] | None = None
    usage: Usage | None = None
    extra: Extra = None
