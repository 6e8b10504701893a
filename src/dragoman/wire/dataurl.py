"""Data URLs: a media type and bytes in one text.

What is base64 stays as its sender wrote it; percent-encoded bytes become base64. Never looks into the bytes.

Specification: https://www.rfc-editor.org/rfc/rfc2397
"""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import unquote_to_bytes

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_SPACE: Final = b" \t\r\n"


def is_data_url(url: str) -> bool:
    """Whether an address holds the bytes itself."""
    return url[:5].lower() == "data:"


def read(url: str) -> tuple[str | None, str] | None:
    """(media type with its parameters, base64) of a data URL; None where it has no comma.

    The base64 is not looked into: `flaw` does that.
    """
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    if head[-7:].lower() == ";base64":
        if "%" in data:
            data = unquote_to_bytes(data).decode("latin-1")
        return head[:-7] or None, data
    return head or None, base64.b64encode(unquote_to_bytes(data)).decode()


def flaw(url: str) -> str | None:
    """What is wrong with a data URL; None where nothing is."""
    found = read(url)
    return "no comma" if found is None else base64_flaw(found[1])


def base64_flaw(text: str) -> str | None:
    """What is wrong with a text as base64, in either alphabet, padded or not; None where nothing is.

    Runs over pictures and sounds of many megabytes: two passes of C, no decoding.
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
