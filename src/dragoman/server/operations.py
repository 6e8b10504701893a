"""Operations beside chat over HTTP, on OpenAI's paths: vectors, pictures, sound, judgements, rankings.

https://platform.openai.com/docs/api-reference/embeddings, and images, audio and moderations there;
`/v1/engines/{model}/embeddings` is the address of old, as some clients still write it. Rankings have the
paths of Cohere's clients (https://docs.cohere.com/v2/reference/rerank), which Jina's and vLLM's are among.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from dragoman.dialects.request import Operation
from dragoman.engine.work import Inbound
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Bodies, Call, Handler, with_model

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

PATHS: Final[Mapping[str, tuple[Operation, Bodies]]] = {
    "/embeddings": ("embed", "json"),
    "/images/generations": ("image", "json"),
    "/images/edits": ("image", "either"),
    "/images/variations": ("image", "form"),
    "/audio/speech": ("speech", "json"),
    "/audio/transcriptions": ("transcription", "form"),
    "/audio/translations": ("transcription", "form"),
    "/moderations": ("moderation", "json"),
    "/rerank": ("rerank", "json"),
}
"""What is asked for at a path, and in which kind of body. Each is served below /v1 and without it."""


class OperationsApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for the face of these paths."""

    def __init__(self, gateway: Core, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[tuple[str, str, Mapping[str, Handler]]]:
        """What stands before and after a model's name, and the methods; nothing after where there is none."""
        for path, (operation, body) in PATHS.items():
            methods = {"POST": Handler(partial(self._ask, operation, path), takes_body=body)}
            yield path, "", methods
            yield f"/v1{path}", "", methods
            if operation == "rerank":
                yield f"/v2{path}", "", methods
        yield "/v1/engines/", "/embeddings", {"POST": Handler(self._engine, takes_body="json")}

    async def _ask(
        self, operation: Operation, path: str, call: Call, exchange: Exchange, client: AsgiClient
    ) -> None:
        inbound = self._inbound(call)
        inbound = msgspec.structs.replace(
            inbound,
            operation=operation,
            path=path,
            turn=None,
            fields=call.form or (),
            # A form without a field lacks what every form must have, which is found in an empty object too.
            body=b"{}" if call.form == () else inbound.body,
        )
        face, heartbeat = inbound.face, self._gateway.config.server.heartbeat
        client.streams_as(face.stream.content_type.encode(), face.stream.ping, heartbeat or None)
        await self._gateway.engine.handle(exchange, inbound, client)

    async def _engine(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        await self._ask("embed", "/embeddings", with_model(call), exchange, client)
