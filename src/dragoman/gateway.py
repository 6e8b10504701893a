"""The whole gateway as one object, for a server or for a program that embeds it.

    gateway = Gateway()                     # what `dragoman serve` would read here
    app.mount("/ai", gateway.asgi())        # in any ASGI application; starts with its first request

`Gateway("dragoman.yaml")` reads that file, `Gateway({"providers": …})` takes settings as a file states them,
and `Gateway.from_env()` looks for no file. Several gateways may live in one process; nothing here is global.
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
        decoded if it is JSON, else its bytes. body, path, headers: as a client of any protocol sends them; if
        the gateway has client keys, `Authorization` must hold one. Raises CallFailed if the answer is an
        error.
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
        """Send a request as `ask` does, and yield the decoded events of its streamed answer as they arrive.
        Closing the generator before its end cancels the request. Raises CallFailed if the answer or an event
        is an error. Adds `stream: true` to a body without `stream`, unless `path` contains `:stream`
        (Gemini).
        """
        from dragoman.server import inprocess

        wanted = body if ":stream" in path else {"stream": True, **body}
        return inprocess.stream(self._own_app(), path, wanted, headers or {})

    def _own_app(self) -> App:
        if self._app is None:
            self._app = self.asgi()
        return self._app
