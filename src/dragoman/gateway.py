"""The whole gateway as one object, for a server or for a program that embeds it.

    gateway = Gateway()                     # what `dragoman serve` would read here
    app.mount("/ai", gateway.asgi())        # in any ASGI application; starts with its first request

`Gateway("dragoman.yaml")` reads that file, `Gateway({"providers": …})` takes settings as a file states them,
and `Gateway.from_env()` reads no file but the one that DRAGOMAN_CONFIG names. A process may have several.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from dragoman.assembly.core import Core

if TYPE_CHECKING:
    from dragoman.server.app import App


class Gateway(Core):
    """A gateway that other programs call as an ASGI application, and this program directly. Parameters: of
    `Core`.
    """

    _app: App | None = None

    def asgi(self) -> App:
        """A new ASGI application that serves this gateway's HTTP API."""
        from dragoman.server.app import App

        return App(self)

    async def ask(
        self,
        body: Mapping[str, Any],
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request from this program itself, without a connection. Returns the body of the answer:
        decoded if it is JSON, else its bytes. body: sent as JSON. path, headers: as a client of any protocol
        sends them; if the gateway asks for client keys, one must be among them. Raises CallFailed if the
        answer is an error.
        """
        from dragoman.server import inprocess

        return await inprocess.ask(self._own_app(), path, body, headers or {})

    def stream(
        self,
        body: Mapping[str, Any],
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Any]:
        """Send a request as `ask` does, and yield the decoded events of its streamed answer as they arrive; a
        JSON answer is one event. Closing the generator cancels the request. Raises CallFailed for an error
        answer or an error event (but yields `response.failed`). Adds `stream: true` to a body without
        `stream`, unless `path` contains `:stream` (Gemini).
        """
        from dragoman.server import inprocess

        wanted = body if ":stream" in path else {"stream": True, **body}
        return inprocess.stream(self._own_app(), path, wanted, headers or {})

    def _own_app(self) -> App:
        if self._app is None:
            self._app = self.asgi()
        return self._app
