"""Speech and transcription over HTTP, on OpenAI's paths.

https://platform.openai.com/docs/api-reference/audio. What is to be written down comes as a form, of which a
large recording stays on disk until it has been passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dragoman.dialects.dialect import Operation
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call, Handler
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway


class AudioApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for the face of these paths."""

    def __init__(self, gateway: Gateway, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        """Each path below /v1, and its methods."""
        yield "/audio/speech", {"POST": Handler(partial(self._handle, "speech", ""), takes_body="json")}
        for path in ("/audio/transcriptions", "/audio/translations"):
            run = partial(self._handle, "transcription", path)
            yield path, {"POST": Handler(run, takes_body="form")}

    async def _handle(
        self, operation: Operation, path: str, call: Call, exchange: Exchange, client: AsgiClient
    ) -> None:
        inbound = self._inbound(call)
        fields = call.form or ()
        inbound = msgspec.structs.replace(
            inbound,
            operation=operation,
            path=path,
            turn=None,
            fields=fields,
            # A form without a field lacks what every form must have, which is found in an empty object too.
            body=b"{}" if call.form == () else inbound.body,
        )
        face, heartbeat = inbound.face, self._gateway.config.server.heartbeat
        client.streams_as(face.stream_type.encode(), face.ping, heartbeat or None)
        await self._gateway.engine.handle(exchange, inbound, client)
