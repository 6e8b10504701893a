"""The arguments of a call, which are text in the IR, and an object in some protocols."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.wire.json import count_values

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_MOST_VALUES: Final = 50_000
"""Values of one call's arguments. They stand in a text, where no bound on a body's values counts them."""


def arguments_text(stated: Any) -> str:
    """Arguments as text: the empty one for none, JSON for what is no text."""
    if type(stated) is str:
        return stated
    return "" if stated is None else _encode(stated).decode()


def parse_arguments(text: str) -> dict[str, Any] | None:
    """The object that the arguments are, an empty one where there are none; None = they are no object, or of
    more values than any tool takes.
    """
    if not text.strip():
        return {}
    if len(text) > _MOST_VALUES and count_values(text.encode(errors="replace"), _MOST_VALUES) > _MOST_VALUES:
        return None
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return value if isinstance(value, dict) else None
