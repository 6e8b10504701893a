"""Bytes in requests: base64 that can be read, in a data URL or alone."""

from __future__ import annotations

import binascii
from base64 import b64decode

from tests.e2e.strict.typed import Refused


def base64_of(text: str, path: str) -> bytes:
    """The bytes. Raises Refused for what is no base64, or nothing."""
    try:
        data = b64decode(text, validate=True)
    except binascii.Error:
        data = b""
    if not data:
        raise Refused("not valid base64", path)
    return data


def data_url(url: str, path: str) -> bytes:
    """The bytes of a data URL in base64."""
    head, _, data = url.partition(";base64,")
    if not head.startswith("data:") or "/" not in head:
        raise Refused("not a data URL in base64", path)
    return base64_of(data, path)
