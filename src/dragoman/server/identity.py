"""Reads from a request its client's address and program, for the access log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.exchange import Exchange

_LONGEST: Final = 200
"""The most characters of user-agent that are stored."""
_CHAIN: Final = 1000
"""The most characters of x-forwarded-for that are stored."""


def described(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return (the addresses that proxies state in the header x-forwarded-for, the client's program from the
    header user-agent). None = the header is missing. Of a long chain of addresses the last ones are returned,
    at most `_CHAIN` characters: the first ones are the client's own words, the last ones those of the nearest
    proxies. Of user-agent the first `_LONGEST` characters are returned. headers: with lower-case names.
    """
    forwarded, agent = headers.get("x-forwarded-for"), headers.get("user-agent")
    return forwarded and _last(forwarded), agent and agent[:_LONGEST]


def _last(chain: str) -> str:
    """Return a chain of addresses. If it is longer than `_CHAIN` characters, return only its end: the last
    addresses that are complete and fit into this length; if none is, the last `_CHAIN` characters.
    """
    if len(chain) <= _CHAIN:
        return chain
    _, _, whole = chain[-_CHAIN:].partition(",")  # what is before the first comma may be a part of an address
    return whole.strip() or chain[-_CHAIN:]


def note_client(exchange: Exchange, peer: Sequence[Any] | None, headers: Mapping[str, str]) -> None:
    """Set the fields `address`, `forwarded` and `agent` of the exchange (see `described`). peer: address and
    port of the connection's other end; None or empty = not known, and `address` is not changed. headers:
    those of the request, with lower-case names.
    """
    if peer:
        exchange.address = peer[0]
    exchange.forwarded, exchange.agent = described(headers)
