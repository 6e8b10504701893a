"""The floor: the same forwarding written by hand on the same server and client, and nothing else.

It reads the body, posts it to the provider with one pooled session, and sends back status, content type and
body; a stream goes on read by read. It looks into nothing: no JSON, no authentication, no log. Every setting
that makes either library faster is used, so that a ratio to this is a ratio to the best that they allow.
"""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn
from multidict import CIMultiDict
from yarl import URL

# Given in full, so that aiohttp has none of its own to add; naming what it shall skip costs more.
HEADERS = CIMultiDict(
    {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer bench-provider-key",
        "content-type": "application/json",
        "user-agent": "bench",
    }
)

PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Floor:
    """An ASGI application that forwards every request to one provider."""

    def __init__(self, provider: str, trusted: str | None = None) -> None:
        """`trusted`: a PEM file with the certificate of a provider that speaks TLS."""
        self._urls = {path: URL(provider + path) for path in PATHS}
        self._tls = ssl.create_default_context(cafile=trusted) if trusted else True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._forward(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._session.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        body: bytes = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        url = self._urls[scope["path"]]
        # `async with` and `answer.read()` are handier, and together cost 3 % more.
        answer = await self._session.post(url, data=body, headers=HEADERS, allow_redirects=False)
        try:
            kind = answer.headers["content-type"].encode()
            if answer.content_length is not None:
                whole = await answer.content.read()
                length = str(len(whole)).encode()
                await send(_start(answer.status, [(b"content-type", kind), (b"content-length", length)]))
                await send({"type": "http.response.body", "body": whole})
                return
            await send(_start(answer.status, [(b"content-type", kind)]))
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.release()


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def main() -> None:
    """Serve on loopback until the process is ended."""
    parser = argparse.ArgumentParser(description="The benchmark's floor.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider", required=True, help="the fake provider's origin")
    parser.add_argument("--trusted", help="a PEM file with the certificate of a provider by TLS")
    options = parser.parse_args()
    uvicorn.run(
        Floor(options.provider, options.trusted),
        host="127.0.0.1",
        port=options.port,
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
