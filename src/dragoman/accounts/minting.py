"""The text of a client key: `dgm_`, 32 random bytes and a checksum, in letters and digits.

The checksum tells a mistyped or cut key from an unknown one without a look-up, and lets scanners for leaked
keys be sure of what they have found. It proves nothing: who knows the form can compute it. Pure.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

PREFIX: Final = "dgm_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 43
"""Digits of 32 bytes: 62⁴³ > 2²⁵⁶."""
_CHECK: Final = 6
"""Digits of a CRC-32: 62⁶ > 2³²."""
LENGTH: Final = len(PREFIX) + _RANDOM + _CHECK
_SHOWN: Final = 4


def minted(random: bytes) -> str:
    """The key that is made of 32 random bytes."""
    body = PREFIX + _in_digits(int.from_bytes(random), _RANDOM)
    return body + _checksum(body)


def mistyped(key: str) -> bool:
    """Whether a text is meant to be such a key, by its beginning and its length, but its checksum is wrong.
    Keys that operators have made up are never mistyped.
    """
    if len(key) != LENGTH or not key.startswith(PREFIX):
        return False
    return not key.isascii() or _checksum(key[:-_CHECK]) != key[-_CHECK:]


def shown(key: str) -> str:
    """The part of a key by which people recognise it: `dgm_7f3a…`. It tells 4 of its 43 random digits."""
    return f"{key[: len(PREFIX) + _SHOWN]}…" if key.startswith(PREFIX) and len(key) >= LENGTH else "…"


def digest(key: str) -> bytes:
    """The SHA-256 of a whole key, by which keys are found. A key has 256 random bits, so that a slow hash
    with a salt, as for passwords, would protect nothing more.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _checksum(body: str) -> str:
    return _in_digits(zlib.crc32(body.encode()), _CHECK)


def _in_digits(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
