"""No failure tells a client a key, in whatever way the client is told: also in a protocol whose encoders do
not think of it, as the toy's, and when the failure is made by a hook or by an upstream of one's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS, registered
from dragoman.engine.operate import told_in_band
from dragoman.errors import CallFailed, RequestFailed
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server.endpoint import Endpoint, Handler
from dragoman.server.faults import error_answer
from tests.laws.toy import TOY
from tests.unit.server.test_app import SAID
from tests.unit.server.test_websocket import Socket

KEY = "sk-proj-abcd12345678"
FAULT = ir.Fault("unavailable", f"The key {KEY} is bad.", "bad_key", f"headers.{KEY}", blame="upstream")
TOLD = "The key [redacted] is bad."
ASKED: dict[str, dict[str, Any]] = {
    "/toy/say": {"model": "own/x", "said": [{"who": "user", "words": "Hi"}]},
    "/v1/chat/completions": {"model": "own/x", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"model": "own/x", "input": "Hi"},
    "/v1/messages": {"model": "own/x", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1beta/models/own/x:generateContent": {"contents": [{"parts": [{"text": "Hi"}]}]},
    "/api/chat": {"model": "own/x", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"model": "own/x", "prompt": "Hi"},
}
"""A path of each face, and what is asked there."""
STREAMED = {"/toy/say": {"live": True}, "/v1beta/models/own/x:generateContent": {}}
"""How a stream is asked for, unless by `stream`."""


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    with registered(TOY):
        yield


class Failing:
    """An upstream that fails before its answer, or after a part of it (`within`)."""

    name = "own"

    def __init__(self, *, within: bool) -> None:
        self._within = within

    @asynccontextmanager
    async def chat(self, request: Any, call: Any) -> Any:
        if not self._within:
            raise RequestFailed(FAULT)

        async def events() -> Any:
            yield SAID[:3]
            yield [ir.Error(FAULT)]

        yield events()


class Ending:
    """A hook that ends each request."""

    def before(self, exchange: Exchange, request: Any) -> Any:
        raise RequestFailed(FAULT)


def gateway(*, within: bool = False, **more: Any) -> Gateway:
    return Gateway({"retries": {"attempts": 1}}, upstreams={"own": Failing(within=within)}, **more)


def shown(told: Any) -> None:
    """The words of the failure without the key, wherever they stand."""
    text = told if isinstance(told, str) else json.dumps(told)
    assert TOLD in text
    assert "abcd1234" not in text


@pytest.mark.parametrize("path", ASKED)
async def test_in_a_whole_error(path: str) -> None:
    with pytest.raises(CallFailed) as failed:
        await gateway().ask(ASKED[path], path)
    shown(failed.value.error)


@pytest.mark.parametrize("path", ASKED)
async def test_in_a_stream(path: str) -> None:
    asked = {**ASKED[path], **STREAMED.get(path, {"stream": True})}
    target = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    told = (await gateway(within=True).ask(asked, target)).decode()
    assert "Hello" in told
    shown(told)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
@pytest.mark.parametrize("within", [False, True])
async def test_on_a_websocket(path: str, within: bool) -> None:
    site = gateway(within=within)
    socket = Socket(site.asgi(), path=path)
    more = {"type": "response.create"} if path == "/v1/responses" else {"stream": True}
    socket.said.put_nowait({"type": "websocket.receive", "text": json.dumps({**more, **ASKED[path]})})
    told: list[Any] = []
    while TOLD not in json.dumps(told):
        told = await socket.told(len(told) + 1)
    shown(told)
    await socket.leave()
    await site.close()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/embeddings", {"input": "a"}),
        ("/v1/audio/speech", {"input": "a", "voice": "alloy"}),
        ("/v1/images/generations", {"prompt": "a"}),
        ("/v1/moderations", {"input": "a"}),
        ("/v1/rerank", {"query": "a", "documents": ["a"]}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "a"}]}),
    ],
)
async def test_of_an_operation(path: str, asked: dict[str, Any]) -> None:
    class Telling:
        """A hook that gives each failure other words."""

        def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault:
            return FAULT

    with pytest.raises(CallFailed) as failed:
        await gateway(hooks=[Telling()]).ask({"model": "none/x", **asked}, path)
    shown(failed.value.error)


def test_in_the_stream_of_an_operation() -> None:
    shown(told_in_band(FAULT).decode())


async def test_of_a_hook() -> None:
    with pytest.raises(CallFailed) as failed:
        await gateway(hooks=[Ending()]).ask(ASKED["/toy/say"], "/toy/say")
    shown(failed.value.error)


async def nothing(*_: object) -> None:
    """Answer nothing."""


@pytest.mark.parametrize("kind", ["authentication", "not_found", "too_large"])
@pytest.mark.parametrize("face", ["toy", *DIALECTS])
def test_at_the_edge(face: str, kind: ir.Kind) -> None:
    exchange = Exchange("ex_1", "req_1", face, "POST", "/a", 0.0, 0.0)
    endpoint = Endpoint("/a", DIALECTS[face], {"POST": Handler(nothing)})
    for place in (endpoint, None):
        _, headers, body = error_answer(ir.Fault(kind, f"The key {KEY} is bad."), place, exchange)
        shown(body.decode())
        assert b"abcd1234" not in b"".join(value for _, value in headers)


async def test_of_a_request_that_quotes_a_key() -> None:
    """The checks of the protocol quote what the client wrote."""
    with pytest.raises(CallFailed) as failed:
        await gateway().ask({**ASKED["/toy/say"], "said": [{"who": KEY, "words": "Hi"}]}, "/toy/say")
    assert "abcd1234" not in json.dumps(failed.value.error)
    with pytest.raises(CallFailed) as failed:
        await gateway().ask({**ASKED["/v1/chat/completions"], "model": KEY}, "/v1/chat/completions")
    assert "[redacted]" in json.dumps(failed.value.error)
    assert "abcd1234" not in json.dumps(failed.value.error)
