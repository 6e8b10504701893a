"""Paths that are Dragoman's own: one question at /generate, and an id that belongs to nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

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

    async def generate(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Answer one question with a text."""
        await self._gateway.engine.handle(exchange, self._inbound(generate.FACE, call), client)

    async def anonymous_id(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """A new random id. It is kept nowhere and made of nothing."""
        id_ = self._gateway.seams.random_id()[:_DIGITS]
        await client.answer(200, ((b"cache-control", b"no-store"),), encode({"id": id_}))
