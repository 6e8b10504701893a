"""What Ollama's own server takes and its protocol means nothing by: options beyond their ranges."""

from __future__ import annotations

from msgspec.structs import replace

from dragoman.dialects.ollama.options import RANGES
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_NUMBERS = frozenset({int, float})


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """The request with its options in their ranges, where the server does not look at these."""
    options = wire.body.get("options")
    if "options" not in widens or type(options) is not dict:
        return wire
    kept = {
        option: value
        for option, value in options.items()
        if option not in RANGES or type(value) not in _NUMBERS
    }
    return replace(wire, body={**wire.body, "options": kept})
