"""Providers of pictures: each speaks its dialect and takes no member that it does not know."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode, b64encode
from email import message_from_bytes, policy
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.stage import Provider


def png(shade: int) -> bytes:
    """A picture of one grey point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PICTURES = [png(shade) for shade in range(10)]
CODED = [b64encode(picture).decode() for picture in PICTURES]
IMAGE, SECOND, MASK = png(100), png(101), png(102)
USAGE = {
    "total_tokens": 60,
    "input_tokens": 10,
    "output_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
}


class Sent(msgspec.Struct):
    """A form as it arrived, in order. files: name, file's name, media type, bytes."""

    texts: dict[str, str]
    files: list[tuple[str, str, str, bytes]]


def form(seen: Seen) -> Sent:
    """The form of a request, as the standard library reads it."""
    head = f"content-type: {seen.headers['content-type']}\r\n\r\n".encode()
    texts, files = {}, []
    for part in message_from_bytes(head + seen.raw, policy=policy.HTTP).iter_parts():
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(data, bytes)
        if (filename := part.get_filename()) is None:
            texts[name] = data.decode()
        else:
            files.append((name, filename, part.get_content_type(), data))
    return Sent(texts, files)


def openai(seen: Seen) -> Answer:
    """OpenAI: addresses where they are asked for, else base64; streams."""
    if seen.headers["content-type"].startswith("multipart/"):
        body: dict[str, Any] = dict(form(seen).texts)
    else:
        body = seen.body
    count = int(body.get("n", 1))
    if body["model"].startswith("gpt-image"):
        assert "response_format" not in body
    if str(body.get("stream")).lower() == "true":
        kind = "image_edit" if seen.path.endswith("/edits") else "image_generation"
        told = {"created_at": 7, "size": "1024x1024", "quality": "high", "background": "opaque"}
        told["output_format"] = "png"
        frames = [
            {
                "type": f"{kind}.partial_image",
                "b64_json": CODED[1],
                "partial_image_index": 0,
                **told,
            },
            {"type": f"{kind}.completed", "b64_json": CODED[0], **told, "usage": USAGE},
        ]
        return Streamed(frames, named=True)
    if body.get("response_format") == "url":
        data = [{"url": f"https://pictures.test/{n}.png", "revised_prompt": "better"} for n in range(count)]
        return Whole({"created": 7, "data": data})
    data = [{"b64_json": CODED[n]} for n in range(count)]
    return Whole({"created": 7, "data": data, "size": "1024x1024", "output_format": "png", "usage": USAGE})


def xai(seen: Seen) -> Answer:
    """xAI: no forms, no sizes."""
    body = seen.body
    known = {"model", "prompt", "n", "aspect_ratio", "quality", "response_format", "user", "images"}
    assert body.keys() <= known
    for image in body.get("images", ()):
        assert image.keys() == {"type", "url"}
        assert image["url"].startswith(("data:image/png;base64,", "http"))
    shown = [
        {"b64_json": CODED[n]}
        if body.get("response_format") == "b64_json"
        else {"url": f"https://x.test/{n}"}
        for n in range(body.get("n", 1))
    ]
    return Whole({"data": [{**one, "mime_type": "image/png"} for one in shown], "usage": {"cost": 1}})


def openrouter(seen: Seen) -> Answer:
    """OpenRouter: one path, base64 alone, chat's words for what it cost."""
    body = seen.body
    assert seen.path.endswith("/v1/images")
    known = {"model", "prompt", "n", "size", "quality", "background", "output_format", "input_references"}
    assert body.keys() <= known
    for image in body.get("input_references", ()):
        assert image["image_url"]["url"].startswith("data:image/png;base64,")
    usage = {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25, "cost": 0.5}
    data = [{"b64_json": CODED[n], "media_type": "image/png"} for n in range(body.get("n", 1))]
    return Whole({"created": 0, "data": data, "usage": usage})


def gemini(seen: Seen) -> Answer:
    """Gemini: one picture an answer, or Imagen's four; it says what it has been told."""
    body = seen.body
    if seen.path.endswith(":predict"):
        assert body.keys() == {"instances", "parameters"}
        count = body["parameters"]["sampleCount"]
        assert 1 <= count <= 4
        told = [{"bytesBase64Encoded": CODED[n], "mimeType": "image/png"} for n in range(count)]
        return Whole({"predictions": told})
    assert body["generationConfig"]["responseModalities"] == ["IMAGE"]
    (content,) = body["contents"]
    assert content["parts"][0]["text"]
    for part in content["parts"][1:]:
        assert b64decode(part["inlineData"]["data"]) in {IMAGE, SECOND}
    part = {"inlineData": {"mimeType": "image/png", "data": CODED[0]}}
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 30, "totalTokenCount": 34}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return Whole({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g"})


def failing(_: Seen) -> Answer:
    """One that is broken."""
    return Whole(json.dumps({"error": {"message": "broken", "type": "server_error"}}), 500)


def storing(seen: Seen) -> Answer:
    """Where pictures lie at addresses."""
    if seen.path == "/gone.png":
        return Whole(b"", 404)
    return Whole(IMAGE, headers={"content-type": "image/png"})


PROVIDERS: dict[str, Provider] = {
    "openai_chat": openai,
    "xai": xai,
    "openrouter": openrouter,
    "gemini": gemini,
    "anthropic": failing,
    "mistral": failing,
    "bad": failing,
    "store": storing,
}
