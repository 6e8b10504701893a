"""Removes, in a copy of a request, values that OpenAI rejects but other servers accept: a `stop` with too
many entries, and a `max_tokens` below 1. OpenAI's rules then check the rest of the request.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.chat.widened import Put, put_max_tokens, put_right, put_stop
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for OpenAI's checks, without values beyond OpenAI's limits. widens: the
    names of the values that the server accepts; only these are removed.
    """
    return put_right(wire, widens, _PUTS)


_PUTS: Final[dict[Wider, Put]] = {"stop": put_stop, "max_tokens": put_max_tokens}
