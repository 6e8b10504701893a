"""Vectors over HTTP: OpenAI's paths, and what the faces of other protocols need for theirs.

https://platform.openai.com/docs/api-reference/embeddings; `/v1/engines/{model}/embeddings` is the address of
old, as some clients still write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dragoman.dialects.dialect import Dialect
from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Handler
from dragoman.wire.json import decode_head, encode_head
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway


class EmbeddingsApi:
    """The handlers of one gateway. face: a dialect that can be asked for vectors."""

    def __init__(self, gateway: Gateway, face: Dialect) -> None:
        self._gateway = gateway
        self._face = face

    def paths(self) -> Iterator[tuple[str, str, Mapping[str, Handler]]]:
        """OpenAI's paths: what stands before and after a model's name, and the methods; where nothing stands
        after it, there is no name.
        """
        for path in ("/v1/embeddings", "/embeddings"):
            yield path, "", {"POST": Handler(self.embed, takes_body=True)}
        yield "/v1/engines/", "/embeddings", {"POST": Handler(self._engine, takes_body=True)}

    async def embed(self, call: Call, exchange: Exchange, client: AsgiClient, path: str = "") -> None:
        """Answer with vectors. path: which of the dialect's paths was asked, where the model travels in it as
        the call's parameter `model`.
        """
        settings = self._gateway.config.server
        inbound = Inbound(
            self._face,
            call.body,
            call.headers,
            settings.max_depth,
            call.caller.models,
            settings.max_values,
            path=path,
            params=call.params,
            operation="embed",
        )
        await self._gateway.engine.handle(exchange, inbound, client)

    def at(self, path: str) -> Handler:
        """The handler of one of the dialect's paths in which the model travels."""
        return Handler(partial(self.embed, path=path), takes_body=True)

    async def _engine(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """The model of the path is the body's. A body that is no JSON stays, for the engine to refuse."""
        try:
            body = encode_head({**decode_head(call.body), "model": call.params["model"]})
        except WireError:
            body = call.body
        await self.embed(msgspec.structs.replace(call, body=body), exchange, client)
