"""Paths that are Dragoman's own: one question at /generate, an id that belongs to nobody, what runs now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.openai_chat import generate
from dragoman.dialects.table import DIALECTS
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Endpoint, Handler
from dragoman.wire.json import encode
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway

_DIGITS: Final = 24
"""Of an anonymous id, hexadecimal: 96 random bits."""


class NativeApi:
    """The handlers of one gateway. inbound: a call to a face as the engine takes it."""

    def __init__(self, gateway: Gateway, inbound: Callable[[Dialect, Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[Endpoint]:
        """Every path. An id is given to everybody: whoever needs one is not to be known."""
        face = DIALECTS["openai_chat"]
        yield Endpoint("/generate", face, {"POST": Handler(self.generate, takes_body="json")})
        yield Endpoint("/anonymous-id", face, {"GET": Handler(self.anonymous_id)}, public=True)
        yield Endpoint("/admin/requests", face, {"GET": Handler(self.requests)}, scope="admin")

    async def generate(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Answer one question with a text."""
        await self._gateway.engine.handle(exchange, self._inbound(generate.FACE, call), client)

    async def anonymous_id(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """A new random id. It is kept nowhere and made of nothing."""
        id_ = self._gateway.seams.random_id()[:_DIGITS]
        await client.answer(200, ((b"cache-control", b"no-store"),), encode({"id": id_}))

    async def requests(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """What runs in this process, the oldest first: who asked whom for what, never what was said."""
        gateway = self._gateway
        now = gateway.seams.monotonic()
        running = sorted(gateway.exchanges - {exchange}, key=attrgetter("began"))
        body = {
            "object": "list",
            "worker": gateway.worker,
            "workers": gateway.workers,
            "data": [_shown(one, now) for one in running],
        }
        await client.answer(200, ((b"cache-control", b"no-store"),), encode(body))


def _shown(exchange: Exchange, now: float) -> dict[str, Any]:
    """One that runs, in the words of the access log."""
    return {
        "id": exchange.id,
        "object": "request",
        "request_id": exchange.request_id,
        "client": exchange.client,
        "method": exchange.method,
        "path": exchange.path,
        "operation": exchange.operation,
        "model": exchange.asked,
        "deployment": exchange.answered,
        "mode": exchange.mode,
        "stream": exchange.streamed,
        "tags": exchange.tags,
        "phase": exchange.phase,
        "attempts": len(exchange.attempts),
        "created_at": int(exchange.created),
        "seconds": round(now - exchange.began, 3),
    }
