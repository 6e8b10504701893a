"""Removes, before the check of a request, numbers in `options` whose range Ollama's own server ignores."""

from __future__ import annotations

from msgspec.structs import replace

from dragoman.dialects.ollama.options import NUMBERS, RANGES
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """For the check: the request without numbers for options with a range, if `widens` has "options"."""
    options = wire.body.get("options")
    if "options" not in widens or type(options) is not dict:
        return wire
    kept = {
        option: value
        for option, value in options.items()
        if option not in RANGES or type(value) not in NUMBERS
    }
    return replace(wire, body={**wire.body, "options": kept})
