"""Notes the client's address and program in the record of its exchange, for the access log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""The most characters of a header that are noted."""


def note_client(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Set `address` from the peer, `forwarded` and `agent` from x-forwarded-for and user-agent, if known.

    peer: address and port, None for a Unix socket.
    """
    if peer:
        exchange.address = peer[0]
    if (agent := headers.get("user-agent")) is not None:
        exchange.agent = agent[:_LONGEST]
    if (forwarded := headers.get("x-forwarded-for")) is not None:
        exchange.forwarded = forwarded[:_LONGEST]
