"""The chat paths of all protocols but Gemini's, and what handlers of other paths need to ask a model."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from functools import partial

from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.openai_completions import DIALECT as COMPLETIONS
from dragoman.dialects.table import DEFAULT, faces
from dragoman.engine.asked import Inbound, wishes
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, with_model
from dragoman.server.turns import turn_of


class ChatApi:
    """The chat endpoints of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._heartbeat = gateway.config.server.heartbeat

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
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        """Answer a chat request in the protocol `face` by the engine."""
        self.streams(face, client)
        return self._gateway.engine.handle(exchange, self.inbound(face, request), client)

    def streams(self, face: Dialect, client: HttpClient) -> None:
        """Make `client` send streams, and pings within them, in the form of the protocol `face`."""
        client.streams_as(face.stream.content_type.encode(), face.stream.ping, self._heartbeat)

    def _engine(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        return self.ask(face, with_model(request), exchange, client)

    def inbound(self, face: Dialect, request: HttpRequest) -> Inbound:
        """A request as the engine takes it, with its turn. Raises RequestFailed (400: bad X-Session-Id)."""
        gateway = self._gateway
        settings = gateway.config.server
        wished = request.wishes.get(face.name)
        if wished is None:
            wished = request.wishes[face.name] = wishes(request.headers, face)
        return Inbound(
            face,
            request.body,
            request.headers,
            settings.max_depth,
            request.caller.models,
            settings.max_values,
            turn=turn_of(gateway, face, request.caller, request.headers, body=request.body),
            room=request.room,
            reading=request.reading,
            wishes=wished,
        )
