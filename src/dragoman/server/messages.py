"""Endpoints of Anthropic's protocol: old text completions, counting tokens, and the model list in Anthropic's
form. The protocol's chat is in `server.chat`, files and batches in `server.passthrough`.

https://platform.claude.com/docs/en/api/messages-count-tokens,
https://platform.claude.com/docs/en/api/models-list
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.anthropic import DIALECT, complete
from dragoman.dialects.anthropic.count import PATH as COUNT_PATH
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, below
from dragoman.server.listed import entry_of, in_turns
from dragoman.server.numbers import whole_number
from dragoman.wire.json import decode_head, encode, encode_head

_NO_BOUND: Final = msgspec.Raw(b"1000000000")
"""A `max_tokens` above the limit of every model and above every thinking budget, which must be less than
`max_tokens`.
"""
_USUAL, _MOST = 20, 1000
"""How many models one page of the list has: by default, and at most, as in Anthropic's API."""


class MessagesApi:
    """Endpoints of Anthropic's protocol at one gateway: old text completions, counting tokens, the model
    list.
    """

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._chat = chat
        assert DIALECT.face is not None
        self.face = DIALECT.face

    def endpoints(self) -> Iterator[Endpoint]:
        yield from below(DIALECT, self._paths())
        for root in self.face.roots[1:]:  # below the first stands OpenAI's list
            yield Endpoint(f"{root}/models", DIALECT, {"GET": Handler(self.models)})
            yield Endpoint(f"{root}/models/{{model}}", DIALECT, {"GET": Handler(self.model)}, slashes=True)

    def _paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        yield "/complete", {"POST": Handler(partial(self._chat.ask, complete.FACE), takes_body="json")}
        yield COUNT_PATH, {"POST": Handler(self.count_tokens, takes_body="json")}

    async def count_tokens(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the number of input tokens that the request in the body has. The body may lack `max_tokens`,
        and its `stream` has no effect. The engine counts and sends the answer, also an error. Raises
        RequestFailed (400) for an invalid header X-Session-Id (see `ChatApi.inbound`).
        """
        inbound = msgspec.structs.replace(
            self._chat.inbound(DIALECT, request), body=_bounded(request.body), operation="count"
        )
        await self._gateway.engine.handle(exchange, inbound, client)

    async def models(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the model list, in Anthropic's form, with the models that the caller may use. If
        the query has both `before_id` and `after_id`, `after_id` is ignored. Raises RequestFailed (400) for
        an invalid `limit`, `before_id` or `after_id` in the query; an ignored `after_id` is not checked.
        """
        entries = [entry async for entry in in_turns(self._gateway.entries(request.caller))]
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

    async def model(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one entry of the model list, in Anthropic's form. Raises RequestFailed (404) if there is no
        such model, or if the caller may not use it.
        """
        name = request.params["model"]
        exchange.asked = name
        if (entry := entry_of(self._gateway, name, request.caller)) is None:
            raise RequestFailed(ir.Fault("model_not_found", f"model: {name[:128]}", "model_not_found"))
        await client.answer(200, (), encode(listing(entry)))


def listing(entry: Entry) -> dict[str, Any]:
    """Return one entry of the model list in Anthropic's form. A size that is not known is None."""
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
    """Return the body of a token count as the body of a chat request: `stream` is set to false, and
    `max_tokens` to `_NO_BOUND` if it is missing. A body that is not a JSON object is returned unchanged; the
    engine refuses it.
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
    number = whole_number(stated)
    if number is None or not 1 <= number <= _MOST:
        text = f"must be a number from 1 to {_MOST}"
        raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "limit"))
    return number


def _place(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        text = "is not the id of a model in this list"
        raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", param)) from None
