"""The media type of a file by its first bytes, for servers that state no media type or a wrong one.

Recognises PNG, JPEG, GIF, WebP, HEIC, HEIF, AVIF, PDF, MP3, WAV and the MP4 family, and no other type.
Specification: https://mimesniff.spec.whatwg.org/ (for brands: ISO/IEC 23008-12, annex B, and
https://aomediacodec.github.io/av1-avif/)
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
_PICTURE_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
}
"""The brands of pictures that are built like MP4 files."""


def media_type(data: bytes) -> str | None:
    """Return the media type of a file that begins with `data` (12 bytes suffice); None if it is not
    recognised. The brand decides about files that are built like MP4: M4A is "audio/mp4", those in
    `_PICTURE_BRANDS` are pictures (HEIC, HEIF and AVIF), and all others are "video/mp4".
    """
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return "audio/mp4" if data[8:11] == b"M4A" else _PICTURE_BRANDS.get(data[8:12], "video/mp4")
    return next((mime for beginning, mime in _BEGINNINGS if data.startswith(beginning)), None)


def picture_type(data: str) -> str:
    """Return the media type of a picture by the beginning of its base64 (`data`): PNG, JPEG, GIF or WebP;
    `image/png` if it is not recognised.
    """
    return next((mime for beginning, mime in _PICTURES.items() if data.startswith(beginning)), "image/png")
