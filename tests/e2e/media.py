"""Small pictures and sounds that are real ones: they decode, and decode to what went in."""

from __future__ import annotations

import io
import struct
import wave
import zlib

Pixel = tuple[int, int, int]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RATE = 24_000


def png(*row: Pixel) -> bytes:
    """A PNG file of one row of pixels."""
    head = struct.pack(">IIBBBBB", len(row), 1, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + bytes(value for pixel in row for value in pixel))
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def pixels(file: bytes) -> list[Pixel]:
    """The pixels of a PNG file as `png` makes them; every checksum is looked at."""
    assert file.startswith(_SIGNATURE)
    rest, chunks = file[len(_SIGNATURE) :], {}
    while rest:
        size = struct.unpack(">I", rest[:4])[0]
        kind, data, rest = rest[4:8], rest[8 : 8 + size], rest[8 + size :]
        assert rest[:4] == struct.pack(">I", zlib.crc32(kind + data))
        chunks[kind] = data
        rest = rest[4:]
    values = zlib.decompress(chunks[b"IDAT"])[1:]
    return [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wav(samples: bytes) -> bytes:
    """A WAV file with these samples of 16 bits, one channel, 24 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return buffer.getvalue()


def samples(file: bytes) -> bytes:
    """The samples of a WAV file as `wav` makes them."""
    with wave.open(io.BytesIO(file)) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, RATE)
        return read.readframes(read.getnframes())
