"""Pictures by Gemini and by Imagen: what is asked, what cannot be, what comes of it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini.image import IMAGE, PREDICT
from dragoman.dialects.gemini.speech import PATH
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.request import Target
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode

ASKED = ir.ImageRequest("openai_chat", None, "A cat.")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def encoded(model: str, **fields: Any) -> tuple[str, dict[str, Any], Report]:
    report = Report("gemini")
    wire = IMAGE.encode(msgspec.structs.replace(ASKED, **fields), Target(report, model))
    return wire.path, wire.body, report


def test_gemini_starts_from_pictures() -> None:
    images = (ir.File(PNG), ir.File(url="data:image/webp;base64,QQ=="))
    path, body, report = encoded("gemini-image", action="edit", images=images, size="1536x1024", seed=4)
    assert path == PATH
    assert body["contents"][0]["parts"] == [
        {"text": "A cat."},
        {"inlineData": {"mimeType": "image/png", "data": b64encode(PNG).decode()}},
        {"inlineData": {"mimeType": "image/webp", "data": "QQ=="}},
    ]
    config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "3:2"}, "seed": 4}
    assert body["generationConfig"] == config
    assert report.losses == []


def test_a_variation_is_asked_for_in_words() -> None:
    _, body, report = encoded("gemini-image", prompt=None, action="vary", images=(ir.File(PNG),))
    assert "variation" in body["contents"][0]["parts"][0]["text"]
    assert [change.path for change in report.changes] == [None]


@pytest.mark.parametrize("model", ["imagen-4.0-generate-001", "publishers/google/models/imagen-3"])
def test_imagen(model: str) -> None:
    fields = {"count": 3, "size": "1024x1024", "seed": 4, "output": "jpeg", "compression": 80}
    path, body, report = encoded(model, **fields)
    assert path == PREDICT
    options = {"mimeType": "image/jpeg", "compressionQuality": 80}
    assert body == {
        "instances": [{"prompt": "A cat."}],
        "parameters": {"sampleCount": 3, "aspectRatio": "1:1", "outputOptions": options, "seed": 4},
    }
    assert report.losses == []
    _, body, report = encoded(model, output="webp", compression=80)
    assert body["parameters"] == {"sampleCount": 1}
    assert [loss.path for loss in report.losses] == ["compression"]


@pytest.mark.parametrize(
    ("model", "fields", "place"),
    [
        ("gemini-image", {"mask": ir.File(PNG)}, "mask"),
        ("imagen-4", {"mask": ir.File(PNG)}, "mask"),
        ("imagen-4", {"action": "edit", "images": (ir.File(PNG),)}, "action"),
        ("imagen-4", {"action": "vary", "images": (ir.File(PNG),)}, "action"),
        ("imagen-4", {"aspect": "21:9"}, "aspect"),
        ("gemini-image", {"size": "large"}, "size"),
        ("gemini-image", {"action": "edit", "images": (ir.File(PNG), ir.File(id="f"))}, "images[1]"),
    ],
)
def test_what_cannot_be_asked(model: str, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(WireError) as caught:
        encoded(model, **fields)
    assert caught.value.path == place


def test_how_many_at_once() -> None:
    five = msgspec.structs.replace(ASKED, count=5)
    assert [part.count for _, part in IMAGE.split(five, "imagen-4")] == [4, 1]
    assert [part.count for _, part in IMAGE.split(five, "gemini-image")] == [1] * 5


def content(*parts: dict[str, Any], reason: str = "STOP") -> Payload:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
    return Payload(encode({"candidates": [candidate], "modelVersion": "g"}))


def test_an_error_that_is_null_is_none() -> None:
    drawn = {"predictions": [{"bytesBase64Encoded": "QQ==", "mimeType": "image/png"}], "error": None}
    assert IMAGE.decode(Payload(encode(drawn)), ASKED).pictures == (ir.Picture("QQ==", None, "image/png"),)


def test_the_pictures_among_what_is_said() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    told = IMAGE.decode(content({"text": "Here it is."}, picture), ASKED)
    assert (told.pictures, told.model) == ((ir.Picture("QQ==", None, "image/png"),), "g")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (content({"text": "I will not."}), "upstream", "I will not."),
        (content(reason="IMAGE_SAFETY"), "content_policy", "IMAGE_SAFETY"),
        (Payload(encode({"promptFeedback": {"blockReason": "SAFETY"}})), "content_policy", ""),
        (Payload(b"{}"), "content_policy", "content filter"),
        (Payload(encode({"error": {"code": 429, "message": "Slow.", "status": "X"}})), "rate_limit", "Slow."),
    ],
)
def test_where_nothing_was_drawn(answer: Payload, kind: str, words: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        IMAGE.decode(answer, ASKED)
    assert caught.value.fault.kind == kind
    assert words in caught.value.fault.message


@pytest.mark.parametrize("body", [{"predictions": {}}, {"predictions": [{"bytesBase64Encoded": 1}]}])
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(WireError):
        IMAGE.decode(Payload(encode(body)), ASKED)
