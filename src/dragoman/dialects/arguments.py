"""Tool call arguments, which are text in the IR and an object in some protocols."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.wire.json import count_values

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_MOST_VALUES: Final = 50_000
"""Values in one call's arguments, which are a text, so that the limit on a body does not count them."""


def arguments_text(stated: Any) -> str:
    """The arguments as text: unchanged if they are text, "" for null, JSON for any other value."""
    if type(stated) is str:
        return stated
    return "" if stated is None else _encode(stated).decode()


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The arguments as an object, {} for an empty text. None = they are no object, or too many values."""
    if not text.strip():
        return {}
    if len(text) > _MOST_VALUES and count_values(text.encode(errors="replace"), _MOST_VALUES) > _MOST_VALUES:
        return None
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return value if isinstance(value, dict) else None
