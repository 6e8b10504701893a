"""The form of a client key: `dgm_`, 43 digits for 32 random bytes, and 6 digits for a checksum. A digit is
one of 62 letters and decimal digits.

The checksum tells a mistyped key from an unknown one without a look-up, and lets scanners for leaked keys
recognise a key almost with certainty. It does not prove that this gateway made the key: everybody can compute
it. Pure.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

PREFIX: Final = "dgm_"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 43
"""The number of digits for 32 bytes: 62⁴³ > 2²⁵⁶."""
_CHECK: Final = 6
"""The number of digits for a CRC-32: 62⁶ > 2³²."""
LENGTH: Final = len(PREFIX) + _RANDOM + _CHECK
_SHOWN: Final = 4


def minted(random: bytes) -> str:
    """Return a client key, `dgm_` and 49 digits. random: 32 bytes; the same bytes give the same key."""
    body = PREFIX + _in_digits(int.from_bytes(random), _RANDOM)
    return body + _checksum(body)


def mistyped(key: str) -> bool:
    """Whether `key` begins with `dgm_` and has the length of a key that `minted` makes, but its checksum is
    wrong. False for keys of another form, such as those that operators have made up.
    """
    if len(key) != LENGTH or not key.startswith(PREFIX):
        return False
    return not key.isascii() or _checksum(key[:-_CHECK]) != key[-_CHECK:]


def shown(key: str) -> str:
    """Return a short form of a key, by which people recognise it: `dgm_7f3a…`, with 4 of its 43 random
    digits. A text that does not begin with `dgm_`, or is shorter than a key, becomes `…`.
    """
    return f"{key[: len(PREFIX) + _SHOWN]}…" if key.startswith(PREFIX) and len(key) >= LENGTH else "…"


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key (32 bytes), by which the gateway finds keys. A key that `minted` has made
    needs no salt and no slow hash, because it has 256 random bits.
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
