"""Removes, before OpenAI's checks, values that OpenAI rejects but other servers accept: a `stop` with too
many entries, and a `max_tokens` below 1.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.chat.widened import Put, put_max_tokens, put_right, put_stop
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """A copy of the request for OpenAI's checks, without those values beyond OpenAI's limits that `widens`
    names.
    """
    return put_right(wire, widens, _PUTS)


_PUTS: Final[dict[Wider, Put]] = {"stop": put_stop, "max_tokens": put_max_tokens}
