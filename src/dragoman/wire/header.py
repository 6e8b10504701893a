"""Text of anybody's making as the value of an HTTP header.

A header holds visible ASCII only, and a server refuses to send anything else: a model's name, which a client
may choose freely, must never be able to break an answer or to add a header to it.
https://www.rfc-editor.org/rfc/rfc9110#section-5.5
"""

from __future__ import annotations

import re
from urllib.parse import quote

LIMIT = 1000
"""Bytes of one value. Clients and proxies refuse heads that are too large."""

_PRINTABLE = bytes(range(0x20, 0x7F)).decode()
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?\Z")


def header_value(text: str) -> bytes:
    """Printable ASCII as it is, everything else percent-encoded as UTF-8; cut after `LIMIT` bytes."""
    if text.isascii() and text.isprintable():
        return text[:LIMIT].encode()
    value = quote(text[:LIMIT], safe=_PRINTABLE, errors="replace")
    if len(value) > LIMIT:
        value = _HALF_ESCAPE.sub("", value[:LIMIT])
    return value.encode()
