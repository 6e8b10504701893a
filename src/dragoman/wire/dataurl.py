"""Data URLs (RFC 2397): a media type and the bytes of a file in one text.

A URL may be as large as a request, so no function here loops over its characters in Python.
"""

from __future__ import annotations

import base64
import re
from typing import Final

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_SPACE: Final = b" \t\r\n"
_ESCAPED: Final = {
    "2B": "+",
    "2b": "+",
    "2F": "/",
    "2f": "/",
    "3D": "=",
    "3d": "=",
    "0D": "",
    "0d": "",
    "0A": "",
    "0a": "",
    "20": "",
}
"""By their two digits, the characters that percent-escapes in base64 stand for. Other escapes stay in the
text, which makes the base64 invalid.
"""
_ESCAPES: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_MOST_ESCAPES: Final = 100_000
"""The most percent-escapes of data that is not base64. Python replaces them one by one: 0.1 s for this
number.
"""


def is_data_url(url: str) -> bool:
    """Whether a URL begins with `data:`, in any mix of upper and lower case. White space before it makes it
    another URL.
    """
    return url[:5].lower() == "data:"


def read(url: str) -> tuple[str | None, str] | None:
    """Split a data URL (a text that begins with `data:`) into (media type with its parameters, None if the
    URL has none; data in base64): `data:image/png;base64,AAAA` into ("image/png", "AAAA").

    Returns None if the URL has no comma, or if its data is not base64 and has more than 100,000
    percent-escapes. Data in base64 is not checked; only percent-escapes of `+`, `/`, `=`, spaces and line
    ends are replaced in it. Other data is decoded and converted to base64: `data:,a` gives (None, "YQ==").
    """
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    if head[-7:].lower() == ";base64":
        if "%" in data:
            for digits, character in _ESCAPED.items():
                data = data.replace(f"%{digits}", character)
        return head[:-7] or None, data
    if data.count("%") > _MOST_ESCAPES:
        return None
    plain = _ESCAPES.sub(
        lambda escape: bytes.fromhex(escape[1].decode()), data.encode("utf-8", "surrogatepass")
    )
    return head or None, base64.b64encode(plain).decode()


def from_url(url: str | None) -> tuple[str | None, str | None, str | None]:
    """Return (media type or None, data in base64, None) for a data URL that `read` can split, and (None,
    None, url) for any other URL and for None.
    """
    if url is not None and is_data_url(url) and (found := read(url)) is not None:
        return *found, None
    return None, None, url


def flaw(url: str) -> str | None:
    """Return what is wrong with a data URL (a text that begins with `data:`); None = nothing: "no comma"; "no
    data"; "no base64" for data that should be base64 (`base64_flaw`); "too many escapes" for other data with
    more percent-escapes than `read` decodes.
    """
    found = read(url)
    if found is None:
        return "too many escapes" if "," in url else "no comma"
    return base64_flaw(found[1])


def base64_flaw(text: str) -> str | None:
    """Return "no data" for a text that is empty or has only spaces, tabs and line ends, "no base64" for a
    text that is not base64, None for valid base64. Spaces, tabs and line ends are ignored, except between two
    `=`. The standard alphabet and the URL-safe one are accepted, with zero to two `=` at the end, whether
    they are the right number or not. The text is not decoded.
    """
    try:
        rest = text.encode("ascii").translate(None, _ALPHABET)
    except UnicodeEncodeError:
        return "no base64"
    padding = rest.translate(None, _SPACE).decode()
    digits = len(text) - len(rest)
    if not (digits or padding):
        return "no data"
    whole = digits % 4 != 1 and padding in {"", "=", "=="} and text.rstrip().endswith(padding)
    return None if digits and whole else "no base64"
