"""Makes PNG images without a model: a pattern of squares. The same prompt, images, mask, seed and index give
the same pattern. Pure.

Specification: https://www.w3.org/TR/png-3/. An image is at most `MOST` pixels wide and high.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from dragoman import ir
from dragoman.dialects.picturing import AUTO, pixels
from dragoman.errors import WireError
from dragoman.upstreams.simulate.words import Draw

MOST: Final = 2048
_USUAL: Final = (256, 256)
_SQUARES: Final = 8
"""The number of squares in each row and in each column. The right half mirrors the left half."""
_COLOURS: Final = 4
_BITS: Final = 2
_BY_PALETTE: Final = 3
_LEVEL: Final = 1
_BYTE: Final = range(256)


def size_of(request: ir.ImageRequest) -> tuple[int, int]:
    """Return (width, height) in pixels; (256, 256) if the request states no size or "auto". Raises WireError
    for an invalid size, or if the width or height is above `MOST`.
    """
    if request.size is None or request.size == AUTO:
        return _USUAL
    size = pixels(request.size)
    if max(size) > MOST:
        raise WireError(f"Invalid 'size': expected at most {MOST}x{MOST} pixels.", "size", "invalid_value")
    return size


def drawn(request: ir.ImageRequest, size: tuple[int, int], seed: int, index: int) -> str:
    """Return one PNG image in base64. size: (width, height) in pixels. index: the index of the image in the
    answer.
    """
    told = blake2b(f"{seed}/{index}/{request.prompt}".encode("utf-8", "surrogatepass"))
    for image in (*request.images, *(() if request.mask is None else (request.mask,))):
        told.update(image.data or (image.url or image.id or "").encode())
    draw = Draw(told.digest())
    palette = bytes(draw.one(_BYTE) for _ in range(3 * _COLOURS))
    return b64encode(_png(size, palette, [_row(draw) for _ in range(_SQUARES)])).decode()


def _row(draw: Draw) -> list[int]:
    left = [draw.one(range(_COLOURS)) for _ in range(_SQUARES // 2)]
    return left + left[::-1]


def _png(size: tuple[int, int], palette: bytes, rows: Sequence[Sequence[int]]) -> bytes:
    """Return a PNG image of squares, with two bits for each pixel. rows: for each row of squares, the
    squares' colours, as indices into the palette. palette: three bytes (red, green, blue) for each colour.
    """
    width, height = size
    lines = [_line(width, colours) for colours in rows]
    data = b"".join(lines[down * _SQUARES // height] for down in range(height))
    header = struct.pack(">IIBBBBB", width, height, _BITS, _BY_PALETTE, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(data, _LEVEL)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _line(width: int, colours: Sequence[int]) -> bytes:
    """Return one line of a PNG image, `width` pixels wide: the filter byte 0, then four pixels in each byte.
    colours: the colours of the squares in the line, as indices into the palette.
    """
    pixels_ = [colours[across * _SQUARES // width] for across in range(width)] + [0] * (-width % 4)
    fours = zip(*(pixels_[start::4] for start in range(4)), strict=True)
    return b"\0" + bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in fours)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
