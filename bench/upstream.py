"""The fake provider: prebuilt bytes of OpenAI's two APIs, Anthropic and Gemini, as cheaply as Python allows.

It shares a core with the load generator, so it does nothing but find the order in the request and write its
bytes (see answers.py). It must keep and record nothing per request, and it refuses a body that it cannot
read, so that a gateway which sends nonsense does not look fast.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools
import msgspec
import uvloop

from bench.answers import Answer, Dialect, answer

PATHS: dict[bytes, Dialect] = {
    b"/v1/chat/completions": "openai_chat",
    b"/v1/responses": "openai_responses",
    b"/v1/messages": "anthropic",
}
GENERATE = re.compile(rb"/v1beta/models/([^/:]+):(?:(generateContent)|streamGenerateContent\?alt=sse)")
"""Gemini's path, which has the model, and tells whether a stream is asked for."""

_PROBLEM = b'{"error":{"message":"not an order of the benchmark","type":"invalid_request_error"}}'
_REFUSAL = Answer(
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (len(_PROBLEM), _PROBLEM)
)


class StreamOptions(msgspec.Struct):
    """The chat dialect's `stream_options`."""

    include_usage: bool = False


class Order(msgspec.Struct):
    """What is read of a request's body, where it has all."""

    model: str
    messages: msgspec.Raw
    stream: bool = False
    stream_options: StreamOptions | None = None


class Input(msgspec.Struct):
    """What is read of a request's body in the dialect of Responses. store: nothing is ever kept here."""

    model: str
    input: msgspec.Raw
    store: bool = True
    stream: bool = False


class Contents(msgspec.Struct):
    """What is read of a request's body in Gemini's dialect."""

    contents: msgspec.Raw


class Pace:
    """Wakes streams that share one pause, in the order in which they fell asleep: one timer for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pause: float) -> None:
        self._loop = loop
        self._pause = pause
        self._waiting: deque[tuple[float, Callable[[float], None]]] = deque()
        self._armed = False

    def sleep(self, since: float, wake: Callable[[float], None]) -> None:
        """Call `wake` one pause after `since` with the moment that it was due, so lateness never adds up."""
        self._waiting.append((since + self._pause, wake))
        self._arm()

    def _arm(self) -> None:
        if self._waiting and not self._armed:
            self._armed = True
            self._loop.call_at(self._waiting[0][0], self._ring)

    def _ring(self) -> None:
        waiting = self._waiting
        soon = self._loop.time() + 0.0005  # the loop's timers have 1 ms: nearer than half of that is now
        while waiting and waiting[0][0] <= soon:
            due, wake = waiting.popleft()
            wake(due)
        self._armed = False
        self._arm()


class Provider(asyncio.Protocol):
    """One connection: reads a request, writes its answer, and waits for the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop, paces: dict[float, Pace]) -> None:
        self._loop = loop
        self._paces = paces
        self._parser = httptools.HttpRequestParser(self)
        self._decoder = msgspec.json.Decoder(Order)
        self._input = msgspec.json.Decoder(Input)
        self._contents = msgspec.json.Decoder(Contents)
        self._url = b""
        self._body: list[bytes] = []
        self._left: deque[bytes] = deque()
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol: whoever sleeps wakes to find nothing left to say."""
        self._left.clear()

    def pause_writing(self) -> None:
        """Part of asyncio.Protocol: the reader is slow."""
        self._full = True

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol: the reader has caught up."""
        self._full = False
        self._pour()

    def on_url(self, url: bytes) -> None:
        """Part of httptools: the request's target."""
        self._url = url

    def on_body(self, body: bytes) -> None:
        """Part of httptools: some of the request's body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Part of httptools: the request is whole."""
        said = self._answer(b"".join(self._body))
        self._body.clear()
        self._transport.write(said.opening)
        if not said.pieces:
            return
        self._left = deque(said.pieces)
        if said.pause:
            self._pace = self._paces.get(said.pause) or self._paces.setdefault(
                said.pause, Pace(self._loop, said.pause)
            )
            self._pace.sleep(self._loop.time(), self._next)
        else:
            self._pour()

    def _answer(self, body: bytes) -> Answer:
        try:
            if asked := GENERATE.fullmatch(self._url):
                self._contents.decode(body)
                return answer("gemini", asked[1].decode(), stream=asked[2] is None, usage=False)
            dialect = PATHS[self._url.partition(b"?")[0]]
            if dialect == "openai_responses":
                given = self._input.decode(body)
                return (
                    _REFUSAL
                    if given.store
                    else answer(dialect, given.model, stream=given.stream, usage=False)
                )
            order = self._decoder.decode(body)
            usage = order.stream_options is not None and order.stream_options.include_usage
            return answer(dialect, order.model, stream=order.stream, usage=usage)
        except (msgspec.MsgspecError, KeyError, ValueError):
            return _REFUSAL

    def _next(self, due: float) -> None:
        if self._left:
            self._transport.write(self._left.popleft())
            if self._left:
                self._pace.sleep(due, self._next)

    def _pour(self) -> None:
        while self._left and not self._full:
            self._transport.write(self._left.popleft())


async def serve(port: int, tls_port: int | None, certificate: str | None) -> None:
    """Serve on loopback until the process is ended.

    tls_port, certificate: serve by TLS too, with the key and the certificate of a PEM file.
    """
    loop = asyncio.get_running_loop()
    paces: dict[float, Pace] = {}

    def provider() -> Provider:
        return Provider(loop, paces)

    if tls_port is not None and certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        await loop.create_server(provider, "127.0.0.1", tls_port, backlog=4096, ssl=context)
    server = await loop.create_server(provider, "127.0.0.1", port, backlog=4096)
    gc.collect()
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The benchmark's fake provider.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int)
    parser.add_argument("--certificate")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.tls_port, options.certificate))
