"""Removes, in a copy of a request, values that some servers accept although OpenAI may reject them: a `stop`
that is a list of texts, of any length, and a token limit below 1. OpenAI's rules then check the rest of the
request. The server gets the request itself, not this copy.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.chat.widened import Put, put_max_tokens, put_right, put_stop
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for OpenAI's checks. If `widens` has "stop", the copy has no `stop` that
    is a list of texts, of any length. If it has "max_tokens", the copy has no token limit below 1. widens:
    the names of the values that the server accepts (`Quirks.widens`).
    """
    return put_right(wire, widens, _PUTS)


_PUTS: Final[dict[Wider, Put]] = {"stop": put_stop, "max_tokens": put_max_tokens}
