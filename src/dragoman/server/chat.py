"""The chat paths of all protocols but Gemini's, and what handlers of other paths need to ask a model."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from functools import partial

import msgspec

from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect, ErrorCodec
from dragoman.dialects.openai_completions import DIALECT as COMPLETIONS
from dragoman.dialects.table import DEFAULT, DIALECTS, faces
from dragoman.engine.asked import Inbound, wishes
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, with_model
from dragoman.server.turns import turn_of


class ChatApi:
    """The chat endpoints of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._settings = gateway.config.server
        self._streaming = {
            name: Streaming(
                dialect.stream.content_type.encode(), dialect.stream.ping, self._settings.heartbeat
            )
            for name, dialect in DIALECTS.items()
        }

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield all protocols' chat paths but Gemini's (it names a model), and OpenAI's old engines paths."""
        for dialect, face in faces():
            if "{model}" in dialect.paths.chat:
                continue
            asking = {"POST": Handler(partial(self.ask, dialect), takes_body="json")}
            for path in (*(root + dialect.paths.chat for root in face.roots), *face.also):
                yield Endpoint(path, dialect, asking)
        for dialect in (DEFAULT, COMPLETIONS):
            engine = {"POST": Handler(partial(self._engine, dialect), takes_body="json")}
            yield Endpoint(f"/v1/engines/{{model}}{dialect.paths.chat}", dialect, engine, slashes=True)

    def ask(
        self,
        face: Dialect,
        request: HttpRequest,
        exchange: Exchange,
        client: HttpClient,
        errors: ErrorCodec | None = None,
    ) -> Awaitable[None]:
        """Answer a chat request in the protocol `face` by the engine. errors: the form of errors, None = the
        protocol's.
        """
        client.streaming = self._streaming[face.name]
        inbound = self.inbound(face, request)
        if errors is not None:
            inbound = msgspec.structs.replace(inbound, errors=errors)
        return self._gateway.engine.handle(exchange, inbound, client)

    def streams(self, face: Dialect, client: HttpClient) -> None:
        """Make `client` send streams, and pings within them, in the form of the protocol `face`."""
        client.streaming = self._streaming[face.name]

    def _engine(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        return self.ask(face, with_model(request), exchange, client)

    def inbound(self, face: Dialect, request: HttpRequest) -> Inbound:
        """A request as the engine takes it, with its turn. Raises RequestFailed (400: bad X-Session-Id)."""
        settings, body, headers, caller = self._settings, request.body, request.headers, request.caller
        wished = request.wishes.get(face.name)
        if wished is None:
            wished = request.wishes[face.name] = wishes(headers, face)
        return Inbound(
            face,
            body,
            headers,
            settings.max_depth,
            caller.models,
            settings.max_values,
            turn=turn_of(self._gateway, face, caller, headers, body=body),
            room=request.room,
            reading=request.reading,
            wishes=wished,
            may=caller.may,
        )
