"""A gateway as one object, for a server or for a program that embeds it.

    gateway = Gateway()                     # what `dragoman serve` would read here
    app.mount("/ai", gateway.asgi())        # in any ASGI application; starts with its first request

`Gateway("dragoman.yaml")` reads that file, and `Gateway({"providers": …})` takes settings in the form of such
a file. `Gateway.from_env()` reads no configuration file except the one that the environment variable
DRAGOMAN_CONFIG names. A process may have several gateways.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from dragoman.assembly.core import Core

if TYPE_CHECKING:
    from dragoman.server.app import App


class Gateway(Core):
    """A gateway that other programs call over an ASGI application, and that this program can call directly.
    The constructor takes the settings (see the module) and the other parameters of `Core`.
    """

    _app: App | None = None

    def asgi(self) -> App:
        """Return a new ASGI application that serves this gateway's API over HTTP and WebSockets."""
        from dragoman.server.app import App

        return App(self)

    async def ask(
        self,
        body: Mapping[str, Any],
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a POST request from this program to its own gateway, without a connection. Return the body of
        the answer: decoded if its content type is application/json, else its bytes.

        body: sent as JSON. path, headers: as a client of any protocol sends them; if the gateway requires
        client keys, `headers` must contain one. Raises CallFailed if the answer is an error, if there is no
        answer or only its beginning, or if the path or a header cannot be sent over HTTP; TypeError or
        ValueError if `body` is not JSON.
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
        Adds `stream: true` to a body without `stream`, unless `path` contains `:stream` (Gemini). An answer
        that is JSON instead of a stream is yielded as one event. The last event `[DONE]` of some protocols is
        not yielded. Closing the generator cancels the request. The generator raises what `ask` raises, and
        CallFailed for an error event in the stream; but the event `response.failed` (OpenAI Responses) is
        yielded like any other.
        """
        from dragoman.server import inprocess

        wanted = body if ":stream" in path else {"stream": True, **body}
        return inprocess.stream(self._own_app(), path, wanted, headers or {})

    def _own_app(self) -> App:
        if self._app is None:
            self._app = self.asgi()
        return self._app
