"""What stands in a message and beside its content: parts, media, annotations, details of reasoning."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import HELLO, wire


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}


def picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


URL = "messages[0].content[1].image_url.url"
BROKEN: list[tuple[WireRequest, str, str]] = [
    (wire(user(picture("data:image/png;base64"))), URL, "it has no comma"),
    (wire(user(picture("data:image/png;base64,"))), URL, "it contains no data"),
    (wire(user(picture("data:image/png;base64,A*AA"))), URL, "it is not base64"),
    (wire(user(picture("DATA:;base64,AAAAA"))), URL, "it is not base64"),
    (wire(user(picture("data:text/plain,"))), URL, "it contains no data"),
    (
        wire(user({"type": "file", "file": {"file_data": "data:application/pdf;base64,…"}})),
        "messages[0].content[1].file.file_data",
        "it is not base64",
    ),
    (
        wire(user({"type": "file", "file": {"file_data": "not base64", "filename": "a.pdf"}})),
        "messages[0].content[1].file.file_data",
        "it is not base64",
    ),
    (
        wire(user({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})),
        "messages[0].content[1].input_audio.data",
        "it contains no data",
    ),
    (
        wire(user({"type": "input_audio", "input_audio": {"data": "AAA?", "format": "wav"}})),
        "messages[0].content[1].input_audio.data",
        "it is not base64",
    ),
    (
        wire(user({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,A"}})),
        "messages[0].content[1].video_url.url",
        "it is not base64",
    ),
    (
        wire(
            HELLO, {"role": "assistant", "content": "Here.", "images": [picture("data:image/png;base64,A")]}
        ),
        "messages[1].images[0].image_url.url",
        "it is not base64",
    ),
    (
        wire(HELLO, {"role": "assistant", "content": [picture("data:image/png;base64,A")]}),
        "messages[1].content[0].image_url.url",
        "it is not base64",
    ),
]


@pytest.mark.parametrize(("request_", "path", "why"), BROKEN)
def test_broken_media_are_refused_where_they_stand(request_: WireRequest, path: str, why: str) -> None:
    with pytest.raises(WireError, match=why) as caught:
        DIALECT.request.check(request_)
    assert (caught.value.path, caught.value.code) == (path, "invalid_value")


@pytest.mark.parametrize(
    "part",
    [
        picture("https://x.test/data:"),
        picture("gs://bucket/a.png"),
        picture("data:image/svg+xml,%3Csvg/%3E"),
        picture("data:image/png;name=a;base64,AA-_"),
        {"type": "file", "file": {"file_data": "https://x.test/a.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0"}},
        {"type": "video_url", "video_url": "https://x.test/a.mp4"},
        {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
    ],
)
def test_other_media_pass(part: dict[str, Any]) -> None:
    DIALECT.request.check(wire(user(part)))
