"""Vectors over HTTP, on OpenAI's paths.

https://platform.openai.com/docs/api-reference/embeddings; `/v1/engines/{model}/embeddings` is the address of
old, as some clients still write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Handler
from dragoman.wire.json import decode_head, encode_head
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway


class EmbeddingsApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for the face of these paths."""

    def __init__(self, gateway: Gateway, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[tuple[str, str, Mapping[str, Handler]]]:
        """What stands before and after a model's name, and the methods; nothing after where there is none."""
        for path in ("/v1/embeddings", "/embeddings"):
            yield path, "", {"POST": Handler(self.embed, takes_body="json")}
        yield "/v1/engines/", "/embeddings", {"POST": Handler(self.engine, takes_body="json")}

    async def embed(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Answer with vectors."""
        inbound = msgspec.structs.replace(self._inbound(call), operation="embed", turn=None)
        await self._gateway.engine.handle(exchange, inbound, client)

    async def engine(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """The model of the path is the body's. A body that is no JSON stays, for the engine to refuse."""
        try:
            body = encode_head({**decode_head(call.body), "model": call.params["model"]})
        except WireError:
            body = call.body
        await self.embed(msgspec.structs.replace(call, body=body), exchange, client)
