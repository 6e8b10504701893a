"""Vectors as bytes: little-endian 32-bit floats, as OpenAI's API sends them in base64.

No function here may loop over floats in Python (a batch has millions), or return bytes with numbers that are
not finite.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from math import isfinite

from dragoman.errors import WireError

WIDTH = 4
"""Bytes of one number."""
_NOT_FINITE = "expected an embedding with finite numbers"
_BIG = array("H", [1]).tobytes() == b"\0\1"


def from_floats(numbers: Sequence[float]) -> bytes:
    """Return the bytes of a vector. Each number is rounded to the nearest 32-bit float.

    Raises WireError for an empty list, for numbers that are not finite, and for those too large for a 32-bit
    float.
    """
    try:
        return _bytes(array("f", numbers))
    except OverflowError:  # an integer that no float can hold
        raise WireError(_NOT_FINITE) from None


def to_floats(vector: bytes) -> list[float]:
    """Return the numbers of a vector that is given as bytes. Every 32-bit float is also a Python float, so no
    number is rounded.
    """
    return _array(vector).tolist()


def from_base64(text: str) -> bytes:
    """Return the bytes of a vector from base64. Raises WireError if the text is not base64, if its bytes are
    not a whole number of floats or are empty, and for floats that are not finite.
    """
    try:
        data = b64decode(text, validate=True)
    except (Error, ValueError):
        raise WireError("expected 32-bit floats in base64") from None
    if len(data) % WIDTH:
        raise WireError(f"expected 32-bit floats in base64, got {len(data)} bytes")
    return _bytes(_array(data))


def to_base64(vector: bytes) -> str:
    """Return the bytes of a vector in base64."""
    return b64encode(vector).decode()


def _array(vector: bytes) -> array[float]:
    numbers = array("f", vector)
    if _BIG:
        numbers.byteswap()
    return numbers


def _bytes(numbers: array[float]) -> bytes:
    if not numbers or not isfinite(sum(numbers)):  # a sum of finite 32-bit floats never exceeds a double
        raise WireError(_NOT_FINITE)
    if _BIG:
        numbers.byteswap()
    return numbers.tobytes()
