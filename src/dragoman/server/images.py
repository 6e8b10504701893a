"""Pictures over HTTP, on OpenAI's paths.

https://platform.openai.com/docs/api-reference/images. Pictures that are to be edited come as a form, of which
large files stay on disk until they have been passed on, or are named in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Bodies, Call, Handler
from dragoman.work import Inbound

if TYPE_CHECKING:
    from dragoman.gateway import Gateway

_PATHS: Final[Mapping[str, Bodies]] = {
    "/images/generations": "json",
    "/images/edits": "either",
    "/images/variations": "form",
}


class ImagesApi:
    """The handlers of one gateway. inbound: a call as the engine takes it, for the face of these paths."""

    def __init__(self, gateway: Gateway, inbound: Callable[[Call], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        """Each path below /v1, and its methods."""
        for path, body in _PATHS.items():
            yield path, {"POST": Handler(partial(self._draw, path), takes_body=body)}

    async def _draw(self, path: str, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        inbound = self._inbound(call)
        inbound = msgspec.structs.replace(
            inbound,
            operation="image",
            path=path,
            turn=None,
            fields=call.form or (),
            # A form without a field lacks what every form must have, which is found in an empty object too.
            body=b"{}" if call.form == () else inbound.body,
        )
        face, heartbeat = inbound.face, self._gateway.config.server.heartbeat
        client.streams_as(face.stream_type.encode(), face.ping, heartbeat or None)
        await self._gateway.engine.handle(exchange, inbound, client)
