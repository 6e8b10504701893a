"""Requests that go beyond the limits of OpenAI, put right, so that the rest of them can be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_Body = dict[str, Any]
Put = Callable[[_Body], None]
"""Puts a body right whose top level may be written to, and nothing below it."""


def put_right(wire: WireRequest, widens: frozenset[Wider], puts: Mapping[Wider, Put]) -> WireRequest:
    """A copy of the request with those of the ways applied that `widens` names."""
    body = dict(wire.body)
    for name, put in puts.items():
        if name in widens:
            put(body)
    return replace(wire, body=body)


def put_stop(body: _Body) -> None:
    """Any number of stop sequences."""
    stop = body.get("stop")
    if type(stop) is list and all(type(text) is str for text in stop):
        del body["stop"]


def put_max_tokens(body: _Body) -> None:
    """A number below 1, for as many as there is room for."""
    for member in ("max_tokens", "max_completion_tokens"):
        if type(most := body.get(member)) is int and most < 1:
            del body[member]
