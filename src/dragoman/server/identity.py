"""Reads from a request its client's address and program, for the access log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""The most characters of a header's value that are stored."""


def described(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the values of two headers: x-forwarded-for (the client's address, as proxies state it) and
    user-agent (the client's program). None = the header is missing. Values are cut to `_LONGEST` characters.
    """
    forwarded, agent = headers.get("x-forwarded-for"), headers.get("user-agent")
    return forwarded and forwarded[:_LONGEST], agent and agent[:_LONGEST]


def note_client(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Set the fields `address`, `forwarded` and `agent` of the exchange. peer: address and port of the
    connection's other end; None = a Unix socket, or not known: `address` is not changed. headers: those of
    the request.
    """
    if peer:
        exchange.address = peer[0]
    exchange.forwarded, exchange.agent = described(headers)
