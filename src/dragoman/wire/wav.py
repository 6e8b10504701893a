"""Raw sound as a WAV file: the header that players need, and the media types that describe raw sound.

Samples are signed 16-bit integers, little-endian, as speech providers send them. Gemini sends them
little-endian, too, although RFC 2586 defines its type `audio/L16` as big-endian.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, TypeVar

from dragoman.errors import WireError

_TYPES: Final = frozenset({"audio/l16", "audio/pcm"})
_WIDTH: Final = 2
_MOST: Final = {"rate": 1_000_000, "channels": 32}
"""The largest accepted values. With these, all numbers of the header fit into their fields."""
_MOST_CHUNKS: Final = 1_000
"""The most chunks of a WAV file that are read. A file of 100 MB can have twelve million empty chunks."""
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")

_Data = TypeVar("_Data", bytes, memoryview)


class Pcm(NamedTuple):
    """The format of raw samples. rate: samples per second in each channel. channels: how many channels there
    are; their samples alternate.
    """

    rate: int = 24_000
    channels: int = 1


def pcm_of(mime: str | None) -> Pcm | None:
    """Read the format from a media type of raw sound (`audio/L16;codec=pcm;rate=24000`). Returns None for
    other types and for None.

    A rate that is missing, invalid or above its limit in `_MOST` becomes 24,000; a number of channels that is
    missing, invalid or above its limit becomes 1.
    """
    kind, *parameters = (mime or "").split(";")
    if kind.strip().lower() not in _TYPES:
        return None
    stated: dict[str, int] = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        name, digits = name.strip().lower(), value.strip().strip('"')
        if digits.isdecimal() and len(digits) < 9 and 0 < int(digits) <= _MOST.get(name, 0):
            stated[name] = int(digits)
    return Pcm(stated.get("rate", Pcm().rate), stated.get("channels", Pcm().channels))


def wav(samples: bytes | bytearray, pcm: Pcm) -> bytes:
    """Return a WAV file with these samples (16-bit, little-endian)."""
    frame = pcm.channels * _WIDTH
    header = _HEADER.pack(
        *(b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16),
        *(1, pcm.channels, pcm.rate, pcm.rate * frame, frame, 8 * _WIDTH),
        *(b"data", len(samples)),
    )
    return header + samples


def unpacked(data: _Data) -> tuple[_Data, Pcm]:
    """Return the samples of a WAV file, a slice of `data`, and their format.

    Some writers do not know the length of the samples in advance and state a wrong size: more than the file
    has, or 0 together with a size of the whole file that is too small or too large. Then the samples reach to
    the end of the file. Raises WireError if the file is not WAV, has no samples in its first `_MOST_CHUNKS`
    chunks, or does not state before the samples that they have 16 bits. Whether they are compressed is not
    checked.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WireError("it is not a WAV file")
    pcm, place = None, 12
    whole = 8 + int.from_bytes(data[4:8], "little")
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            break
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8
        if name == b"fmt " and size >= _FORMAT.size <= len(data) - place:
            _, channels, rate, _, _, bits = _FORMAT.unpack_from(data, place)
            pcm = Pcm(rate, channels) if bits == 8 * _WIDTH else None
        elif name == b"data":
            if pcm is None:
                raise WireError("its samples do not have 16 bits")
            if not size and (whole <= place or whole > len(data)):
                size = len(data)
            return data[place : place + size], pcm
        place += size + size % 2
    raise WireError("it contains no samples")
