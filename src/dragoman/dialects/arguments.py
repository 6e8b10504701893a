"""The arguments of a call, which are text in the IR, for protocols that have an object in their place."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_decode: Final = msgspec.json.Decoder().decode


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The object that the arguments are, an empty one where there are none; None = they are no object."""
    if not text.strip():
        return {}
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return value if isinstance(value, dict) else None
