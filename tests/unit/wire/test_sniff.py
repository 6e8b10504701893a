"""What bytes are, by how they begin."""

from __future__ import annotations

import pytest

from dragoman.wire.sniff import media_type

KNOWN: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n....": "image/png",
    b"\xff\xd8\xff\xe0....": "image/jpeg",
    b"GIF87a....": "image/gif",
    b"GIF89a....": "image/gif",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ": "image/webp",
    b"RIFF\x10\x00\x00\x00WAVEfmt ": "audio/wav",
    b"%PDF-1.7": "application/pdf",
    b"ID3\x04....": "audio/mpeg",
    b"\xff\xfb\x90\x00": "audio/mpeg",
    b"\xff\xf3\x90\x00": "audio/mpeg",
    b"\x00\x00\x00\x18ftypmp42": "video/mp4",
    b"\x00\x00\x00\x18ftypM4A ": "audio/mp4",
    b"\x00\x00\x00\x18ftypheic": "image/heic",
    b"\x00\x00\x00\x18ftypheix": "image/heic",
    b"\x00\x00\x00\x18ftypmif1": "image/heif",
    b"\x00\x00\x00\x18ftypavif": "image/avif",
}


@pytest.mark.parametrize(("data", "mime"), KNOWN.items())
def test_a_known_beginning_tells_the_type(data: bytes, mime: str) -> None:
    assert media_type(data) == mime


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\x10\x00\x00\x00AVI ", b"<html>", b"\xff\xd8", b"\xff\xff", b"\x00ftypmp42"]
)
def test_any_other_tells_nothing(data: bytes) -> None:
    assert media_type(data) is None
