"""Who is on the other side of a request's connection, as the access log tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""Characters of what a client says of itself."""


def note_visitor(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Note the connection's other side, whom a proxy names as its client, and the client's own name.

    peer: address and port, None for a local socket. What a client says of itself is not proven.
    """
    if peer:
        exchange.address = peer[0]
    if (agent := headers.get("user-agent")) is not None:
        exchange.agent = agent[:_LONGEST]
    if (forwarded := headers.get("x-forwarded-for")) is not None:
        exchange.forwarded = forwarded[:_LONGEST]
