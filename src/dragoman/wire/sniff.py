"""The media type of a file by its first bytes, for servers that state no media type or a wrong one.

Recognises PNG, JPEG, GIF, WebP, PDF, MP3, WAV and the MP4 family, and no other type. Specification:
https://mimesniff.spec.whatwg.org/
"""

from __future__ import annotations

from typing import Final

_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
)
_PICTURES: Final = {"/9j/": "image/jpeg", "iVBOR": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


def media_type(data: bytes) -> str | None:
    """Return the media type of a file that begins with `data` (12 bytes suffice); None if it is not
    recognised. Files of the MP4 family are "audio/mp4" if their brand is M4A, else "video/mp4".
    """
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return "audio/mp4" if data[8:11] == b"M4A" else "video/mp4"
    return next((mime for beginning, mime in _BEGINNINGS if data.startswith(beginning)), None)


def picture_type(data: str) -> str:
    """Return the media type of a picture by the beginning of its base64; `image/png` if it is not
    recognised.
    """
    return next((mime for beginning, mime in _PICTURES.items() if data.startswith(beginning)), "image/png")
