"""A client's body on its way to a provider, piece by piece, without being held."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dragoman.errors import RequestFailed
from dragoman.net.client import Flow
from dragoman.server.bodies import stated_size
from dragoman.server.client import ClientGone
from dragoman.server.endpoint import HttpRequest


class ClientBody:
    """A client's body on its way to the provider. flow: the bytes to send; None = the endpoint takes no body.
    failure: the error by which the client's sending broke off; None = it did not. whole: what is sent in its
    place; None = the client's body, as it comes in.
    """

    def __init__(self, request: HttpRequest, whole: bytes | None = None) -> None:
        self.failure: Exception | None = None
        self.flow: bytes | Flow | None = whole
        if whole is None and request.parts is not None:
            length = request.headers.get("content-length", "0")
            chunked = "transfer-encoding" in request.headers
            if chunked or length != "0":
                size = None if chunked else stated_size(length)
                self.flow = Flow(self._watched(request.parts), size)
            else:
                self.flow = b""

    async def _watched(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                yield part
        except (RequestFailed, ClientGone) as failed:
            self.failure = failed
            raise
