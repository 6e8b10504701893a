"""What a request says about its client's address and program, for the access log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""The most characters of a header that are noted."""


def described(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The client's own address as a proxy states it (x-forwarded-for), and its program (user-agent); None =
    not stated. Long values are cut to `_LONGEST` characters.
    """
    forwarded, agent = headers.get("x-forwarded-for"), headers.get("user-agent")
    return forwarded and forwarded[:_LONGEST], agent and agent[:_LONGEST]


def note_client(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Set `address` of the exchange from the peer, and `forwarded` and `agent` as in `described`.

    peer: address and port, None for a Unix socket.
    """
    if peer:
        exchange.address = peer[0]
    exchange.forwarded, exchange.agent = described(headers)
