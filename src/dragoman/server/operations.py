"""Operations over HTTP whose requests and answers are JSON: vectors, judgements, rankings.

https://platform.openai.com/docs/api-reference/embeddings,
https://platform.openai.com/docs/api-reference/moderations; `/v1/engines/{model}/embeddings` is the address of
old, as some clients still write it. Rankings have the paths of Cohere's clients
(https://docs.cohere.com/v2/reference/rerank), which Jina's and vLLM's are among.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from dragoman.dialects.dialect import Operation
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Handler, with_model
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway

PATHS: Final[Mapping[str, Operation]] = {
    "/v1/embeddings": "embed",
    "/embeddings": "embed",
    "/v1/moderations": "moderation",
    "/moderations": "moderation",
    "/v1/rerank": "rerank",
    "/v2/rerank": "rerank",
    "/rerank": "rerank",
}


class OperationsApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for the face of these paths."""

    def __init__(self, gateway: Gateway, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[tuple[str, str, Mapping[str, Handler]]]:
        """What stands before and after a model's name, and the methods; nothing after where there is none."""
        for path, operation in PATHS.items():
            yield path, "", {"POST": Handler(partial(self._ask, operation), takes_body="json")}
        yield "/v1/engines/", "/embeddings", {"POST": Handler(self._engine, takes_body="json")}

    async def _ask(self, operation: Operation, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        inbound = msgspec.structs.replace(self._inbound(call), operation=operation, turn=None)
        await self._gateway.engine.handle(exchange, inbound, client)

    async def _engine(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        await self._ask("embed", with_model(call), exchange, client)
