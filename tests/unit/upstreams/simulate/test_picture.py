"""The simulator's pictures: real PNG files, always the same, of the size that was asked for."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.errors import WireError
from dragoman.upstreams.simulate.picture import MOST, drawn, size_of

ASKED = ir.ImageRequest("openai_chat", None, "A cat.")


def chunks(png: bytes) -> dict[bytes, bytes]:
    """A PNG file's chunks; their sums must be right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + data),)
        found[kind] = data
        at += 12 + length
    return found


@pytest.mark.parametrize("size", [(256, 256), (1, 1), (7, 3), (3, 700), (MOST, 2)])
def test_a_picture_of_every_size(size: tuple[int, int]) -> None:
    found = chunks(b64decode(drawn(ASKED, size, 0, 0)))
    assert list(found) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", found[b"IHDR"]) == (*size, 2, 3, 0, 0, 0)
    assert len(found[b"PLTE"]) == 4 * 3
    data, length = zlib.decompress(found[b"IDAT"]), 1 + (size[0] + 3) // 4
    lines = [data[start : start + length] for start in range(0, len(data), length)]
    assert len(lines) == size[1]
    assert len(lines[-1]) == length
    assert {line[0] for line in lines} == {0}


def test_its_halves_mirror_each_other() -> None:
    found = chunks(b64decode(drawn(ASKED, (8, 8), 0, 0)))
    data = zlib.decompress(found[b"IDAT"])
    for start in range(0, len(data), 3):
        bits = f"{int.from_bytes(data[start + 1 : start + 3], 'big'):016b}"
        squares = [bits[at : at + 2] for at in range(0, 16, 2)]
        assert squares == squares[::-1]


@pytest.mark.parametrize(
    ("fields", "seed", "index"),
    [
        ({"prompt": "A dog."}, 0, 0),
        ({"images": (ir.File(b"1"),)}, 0, 0),
        ({"images": (ir.File(url="https://a"),)}, 0, 0),
        ({"mask": ir.File(b"1")}, 0, 0),
        ({}, 1, 0),
        ({}, 0, 1),
    ],
)
def test_it_depends_on_all_that_is_asked(fields: dict[str, Any], seed: int, index: int) -> None:
    first = drawn(ASKED, (16, 16), 0, 0)
    assert first == drawn(ASKED, (16, 16), 0, 0)
    assert drawn(msgspec.structs.replace(ASKED, **fields), (16, 16), seed, index) != first


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, (256, 256)), ("auto", (256, 256)), ("12x34", (12, 34)), (f"{MOST}x{MOST}", (MOST, MOST))],
)
def test_sizes(size: str | None, expected: tuple[int, int]) -> None:
    assert size_of(msgspec.structs.replace(ASKED, size=size)) == expected


@pytest.mark.parametrize("size", ["big", f"{MOST + 1}x1", f"1x{MOST + 1}"])
def test_what_is_no_size(size: str) -> None:
    with pytest.raises(WireError) as caught:
        size_of(msgspec.structs.replace(ASKED, size=size))
    assert caught.value.path == "size"
