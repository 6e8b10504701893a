"""Converts the arguments of tool calls between the IR, where they are a text, and protocols where they are an
object.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.wire.json import UNDECODABLE, count_values

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_MOST_VALUES: Final = 50_000
"""The most JSON values in one call's arguments: they come as text, so the limit on a body misses them."""


def arguments_text(stated: Any) -> str:
    """Return the arguments of a tool call as the IR's text. stated: the arguments in the form of a protocol:
    a text is returned unchanged, None as "", and any other value as JSON.
    """
    if type(stated) is str:
        return stated
    return "" if stated is None else _encode(stated).decode()


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Return the JSON object that the text holds; {} for an empty or blank text. None = the text is not a
    JSON object, the object is nested too deep, it has more than `_MOST_VALUES` JSON values, or a number in it
    is too long to decode.
    """
    if not text.strip():
        return {}
    if len(text) > _MOST_VALUES and count_values(text.encode(errors="replace"), _MOST_VALUES) > _MOST_VALUES:
        return None
    try:
        value = _decode(text)
    except UNDECODABLE:
        return None
    return value if isinstance(value, dict) else None
