"""Notes in the access log's record who sent a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""The longest value of a header that is noted, in characters."""


def note_client(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Note the address of the connection's peer, the client's address by a proxy's header, and the user
    agent.

    peer: address and port, None for a Unix socket. Both headers are claims of the client, not proven.
    """
    if peer:
        exchange.address = peer[0]
    if (agent := headers.get("user-agent")) is not None:
        exchange.agent = agent[:_LONGEST]
    if (forwarded := headers.get("x-forwarded-for")) is not None:
        exchange.forwarded = forwarded[:_LONGEST]
