"""Writes any text as the value of an HTTP header, where only printable ASCII is safe.

Clients choose model names freely, so a model name must never break an answer or add a header to it.
"""

from __future__ import annotations

import re
from urllib.parse import quote

LIMIT = 1000
"""The most bytes of one value. Clients and proxies refuse answers with too large a header section."""

_PRINTABLE = bytes(range(0x20, 0x7F)).decode()
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?\Z")


def header_value(text: str) -> bytes:
    """Return a text as the value of a header. Each character that is not printable ASCII becomes
    percent-encoded UTF-8 (half of a surrogate pair becomes `?`); all others stay, `%` too. A longer value is
    cut to about `LIMIT` bytes, perhaps between two escapes of one character (`%C3` and `%A9`).
    """
    if text.isascii() and text.isprintable():
        return text[:LIMIT].encode()
    value = quote(text[:LIMIT], safe=_PRINTABLE, errors="replace")
    if len(value) > LIMIT:
        value = _HALF_ESCAPE.sub("", value[:LIMIT])
    return value.encode()
