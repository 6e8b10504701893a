"""Anthropic's protocol besides the messages themselves: counting tokens, and its own form of the model list.

https://platform.claude.com/docs/en/api/messages-count-tokens,
https://platform.claude.com/docs/en/api/models-list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dragoman import ir
from dragoman.engine.asked import Inbound
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import HttpRequest
from dragoman.wire.json import decode_head, encode, encode_head

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

NAME: Final = "anthropic"
PREFIXES: Final = ("/v1", "/anthropic/v1")
"""The prefixes of the protocol's paths. Clients append `/v1/messages` to their base URL; the second prefix
is for clients whose base URL must differ from that of the other protocols.
"""
VERSION_HEADER: Final = "anthropic-version"
"""A header that every client of this protocol sends, and no other client."""

_NO_BOUND: Final = msgspec.Raw(b"1000000000")
"""A limit above every answer's length, and above every thinking budget, which must be less than the limit."""
_USUAL, _MOST = 20, 1000
"""Models on one page by default and at most, as in Anthropic's API."""


class MessagesApi:
    """The handlers of one gateway. inbound: turns an HTTP request into one for the engine."""

    def __init__(self, gateway: Core, inbound: Callable[[HttpRequest], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    async def count_tokens(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        inbound = msgspec.structs.replace(
            self._inbound(request), body=_bounded(request.body), operation="count"
        )
        await self._gateway.engine.handle(exchange, inbound, client)

    async def models(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        """Answer with one page of the models that the caller may use."""
        entries = self._gateway.entries(request.caller.models)
        query = request.query
        limit = _limit(query.get("limit"))
        names = [entry.id for entry in entries]
        if (before := query.get("before_id")) is not None:
            end = _place(names, before, "before_id")
            start = max(0, end - limit)
            page, more = entries[start:end], start > 0
        else:
            after = query.get("after_id")
            start = 0 if after is None else _place(names, after, "after_id") + 1
            page, more = entries[start : start + limit], start + limit < len(entries)
        listed = {
            "data": [listing(entry) for entry in page],
            "has_more": more,
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
        await client.answer(200, (), encode(listed))

    async def model(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        """Answer with one model. Raises RequestFailed (404)."""
        name = request.params["model"]
        exchange.asked = name
        if not request.caller.may_use(name):
            raise RequestFailed(ir.Fault("model_not_found", f"model: {name[:128]}", "model_not_found"))
        await client.answer(200, (), encode(listing(self._gateway.engine.table.entry(name))))


def listing(entry: Entry) -> dict[str, Any]:
    """One model as Anthropic lists it."""
    return {
        "type": "model",
        "id": entry.id,
        "display_name": entry.id,
        "created_at": datetime.fromtimestamp(entry.created, UTC).isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": entry.context_window,
        "max_tokens": entry.max_output_tokens,
    }


def _bounded(body: bytes) -> bytes:
    """A token-counting body as a valid messages body: with a `max_tokens`, which it need not have, and
    without streaming. An invalid body stays; the engine refuses it.
    """
    try:
        head = decode_head(body)
    except WireError:
        return body
    head["stream"] = msgspec.Raw(b"false")
    head.setdefault("max_tokens", _NO_BOUND)
    return encode_head(head)


def _limit(stated: str | None) -> int:
    if stated is None:
        return _USUAL
    if not (stated.isascii() and stated.isdigit() and 1 <= int(stated[:9]) <= _MOST):
        raise RequestFailed(
            ir.Fault("invalid_request", f"must be a number from 1 to {_MOST}", "invalid_value", "limit")
        )
    return int(stated)


def _place(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise RequestFailed(
            ir.Fault("invalid_request", "is not the id of a model in this list", "invalid_value", param)
        ) from None
