"""The chat endpoints of the protocols whose chat path names no model, and methods by which the handlers of
other paths send requests to the engine. Gemini's chat paths name the model: see `server.generate_content`.
"""

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
    """The chat endpoints of the protocols whose chat path names no model. Handlers of other paths use `ask`,
    `inbound` and `streams` too.
    """

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
        """Yield the chat endpoints of each protocol that has a face and whose chat path names no model
        (Gemini's names one), and OpenAI's old paths `/v1/engines/{model}/…` for chat and completions.
        """
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
        """Return an awaitable in which the engine answers a chat request in the protocol `face`. If the
        request fails, the awaitable sends the error to the client. But the call itself may raise
        RequestFailed (400), as `inbound` does. Sets `client.streaming` to the form of the protocol's streams.
        errors: the form of error answers, None = the form of `face`.
        """
        client.streaming = self._streaming[face.name]
        inbound = self.inbound(face, request)
        if errors is not None:
            inbound = msgspec.structs.replace(inbound, errors=errors)
        return self._gateway.engine.handle(exchange, inbound, client)

    def streams(self, face: Dialect, client: HttpClient) -> None:
        """Set `client.streaming` to the form of the protocol's streams and of the pings within them. face:
        the protocol.
        """
        client.streaming = self._streaming[face.name]

    def _engine(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        return self.ask(face, with_model(request), exchange, client)

    def inbound(self, face: Dialect, request: HttpRequest) -> Inbound:
        """Return a request of the protocol `face` in the form that the engine takes. Raises RequestFailed
        (400) for an invalid header X-Session-Id, unless X-Session-Affinity is there too: then the session's
        id is not used.
        """
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
