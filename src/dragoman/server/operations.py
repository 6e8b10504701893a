"""The endpoints of operations other than chat: embeddings, images, audio, moderations, reranking.

The paths are OpenAI's (https://platform.openai.com/docs/api-reference/embeddings, and the pages images, audio
and moderations there). `/v1/engines/{model}/embeddings` is OpenAI's old path, which some clients still use.
The paths for reranking are Cohere's (https://docs.cohere.com/v2/reference/rerank); the clients of Jina and
vLLM use the same paths.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from dragoman.assembly.core import Core
from dragoman.dialects.dialect import ErrorCodec
from dragoman.dialects.request import Operation
from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Bodies, Endpoint, Handler, HttpRequest, with_model

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
"""For each path (served with and without the root /v1): the operation, and how the body is read."""
_ROOTS: Final[Mapping[str, tuple[str, ...]]] = {"/rerank": ("/v2",)}
"""Further root paths, besides the root "" and /v1, at which a path is served: Cohere's clients rerank at /v2.
"""


class OperationsApi:
    """The endpoints of the operations in `PATHS`, and of OpenAI's old path for embeddings, at one gateway."""

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._chat = chat

    def endpoints(self) -> Iterator[Endpoint]:
        for path, (operation, body) in PATHS.items():
            methods = {"POST": Handler(partial(self.ask, operation, path), takes_body=body)}
            for root in ("", "/v1", *_ROOTS.get(path, ())):
                yield Endpoint(root + path, DEFAULT, methods)
        engine = {"POST": Handler(self._engine, takes_body="json")}
        yield Endpoint("/v1/engines/{model}/embeddings", DEFAULT, engine, slashes=True)

    def ask(
        self,
        operation: Operation,
        path: str,
        request: HttpRequest,
        exchange: Exchange,
        client: HttpClient,
        *,
        errors: ErrorCodec | None = None,
    ) -> Awaitable[None]:
        """Return an awaitable in which the engine answers a request for an operation. path: the operation's
        path without a root (a key of `PATHS`). errors: writes errors in the form of another protocol; None =
        OpenAI's form. The engine sends its errors to the client itself. The call itself raises RequestFailed
        (400) only for an invalid header X-Session-Id that counts (see `ChatApi.inbound`).
        """
        inbound = self._chat.inbound(DEFAULT, request)
        inbound = msgspec.structs.replace(
            inbound,
            operation=operation,
            path=path,
            turn=None,
            errors=errors,
            fields=request.form or (),
            # An empty form lacks all required fields; an empty object gives the error for that.
            body=b"{}" if request.form == () else inbound.body,
        )
        self._chat.streams(DEFAULT, client)
        return self._gateway.engine.handle(exchange, inbound, client)

    def _engine(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        return self.ask("embed", "/embeddings", with_model(request), exchange, client)
