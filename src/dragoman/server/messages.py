"""What Anthropic's protocol has besides asking a model: counting tokens, and its own form of the model list.

https://platform.claude.com/docs/en/api/messages-count-tokens, https://platform.claude.com/docs/en/api/models-list.
Who counts is the engine's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dragoman import ir
from dragoman.engine.work import Inbound
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call
from dragoman.wire.json import decode_head, encode, encode_head

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

NAME: Final = "anthropic"
PREFIXES: Final = ("/v1", "/anthropic/v1")
"""Where the protocol is served. Clients put `/v1/messages` behind their base URL themselves; the second is
for those whose base URL must tell the protocols of one gateway apart.
"""
VERSION_HEADER: Final = "anthropic-version"
"""Every client of the protocol sends it, no other does."""

_NO_BOUND: Final = msgspec.Raw(b"1000000000")
"""More than any answer has, and than any budget for thoughts, which must be less."""
_USUAL, _MOST = 20, 1000
"""Models on one page, as the API has it."""


class MessagesApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for this face."""

    def __init__(self, gateway: Core, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    async def count_tokens(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """How many tokens a request's prompt is."""
        inbound = msgspec.structs.replace(self._inbound(call), body=_bounded(call.body), operation="count")
        await self._gateway.engine.handle(exchange, inbound, client)

    async def models(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """One page of the models that the caller may use."""
        entries = self._gateway.entries(call.caller.models)
        query = call.query
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

    async def model(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """One model. Raises RequestFailed (404)."""
        name = call.params["model"]
        exchange.asked = name
        if not call.caller.may_use(name):
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
    """A question of tokens as a request: it need state no bound of an answer. What is no JSON stays, for the
    engine to refuse.
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
