"""Asks a model in Ollama's protocol: conversations, single prompts, embeddings.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate, https://docs.ollama.com/api/embed. If
an answer contains the model's name, it is the name as the client wrote it, or the default model's name if the
client named none. In Ollama, a request without a prompt loads or unloads the model. Here the gateway answers
such a request without asking a provider. It can unload an embedded model (one that this machine runs), but
does not load one, because the first prompt loads the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.ollama import DIALECT, GENERATE
from dragoman.dialects.ollama.check import check_keep_alive
from dragoman.dialects.ollama.embedding import OLD_PATH
from dragoman.dialects.ollama.terms import dated
from dragoman.engine.asked import Inbound
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Route
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import HttpRequest
from dragoman.server.ollama.bodies import STREAM_TYPE, head, is_empty, odd, value
from dragoman.server.ollama.naming import find, find_granted
from dragoman.wire.json import encode, encode_head

Head = dict[str, msgspec.Raw]
_NOT_TO_THINK: Final = (None, False, "")


class Asking:
    """The handlers that ask a model. inbound: makes the engine's input from a dialect and an HTTP request."""

    def __init__(self, gateway: Core, inbound: Callable[[Dialect, HttpRequest], Inbound]) -> None:
        self._gateway = gateway
        self._inbound = inbound

    def chat(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        stated = head(self._gateway, request)
        if is_empty(stated.get("messages")):
            said = {"message": {"role": "assistant", "content": ""}}
            return self._load(stated, said, request, exchange, client)
        return self._ask(DIALECT, stated, request, exchange, client)

    def generate(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        stated = head(self._gateway, request)
        if is_empty(stated.get("prompt")) and is_empty(stated.get("images")):
            return self._load(stated, {"response": ""}, request, exchange, client)
        return self._ask(GENERATE, stated, request, exchange, client)

    def embed(
        self, path: str, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        """Send the embedding vectors of the texts in the request. If the request has no texts, send an empty
        list without asking a model. path: of the endpoint; Ollama's old path (`/api/embeddings`) has another
        form of request and answer. Raises RequestFailed, for example for a wrong body (400) or an unknown
        model (404). The engine sends its errors itself.
        """
        old = path == OLD_PATH
        stated = head(self._gateway, request)
        name = _name(stated)
        if is_empty(stated.get("prompt" if old else "input")):
            route = find_granted(self._gateway, request.caller, name)
            nothing = {"embedding": []} if old else {"model": name or route.asked, "embeddings": []}
            return client.answer(200, (), encode(nothing))
        inbound = self._inbound(DIALECT, request)
        exchange.asked, exchange.phase = name or None, "route"
        if name:
            inbound = self._named(DIALECT, stated, name, find(self._gateway, request.caller, name), request)
        inbound = msgspec.structs.replace(inbound, operation="embed", path=path, turn=None)
        return self._gateway.engine.handle(exchange, inbound, client)

    def _ask(
        self, face: Dialect, stated: Head, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> Awaitable[None]:
        name = _name(stated)
        exchange.asked, exchange.phase = name or None, "route"
        route = find(self._gateway, request.caller, name)
        _refuse_to_think(stated, name, route)
        client.streaming = Streaming(STREAM_TYPE)
        return self._gateway.engine.handle(exchange, self._named(face, stated, name, route, request), client)

    def _named(self, face: Dialect, stated: Head, name: str, route: Route, request: HttpRequest) -> Inbound:
        """Return the request as the engine's input. stated: the fields of the body. route: of the model to
        ask; in the body, the route's name replaces the client's name. name: the model's name as the client
        wrote it, which the answer shows; "" = the client named no model, and the answer shows the route's
        name.
        """
        inbound = self._inbound(face, request)
        body = request.body if name == route.asked else encode_head({**stated, "model": route.asked})
        return msgspec.structs.replace(inbound, body=body, shown=name or route.asked)

    async def _load(
        self, stated: Head, said: dict[str, Any], request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> None:
        gateway, name = self._gateway, _name(stated)
        exchange.asked, exchange.phase = name or None, "route"
        route = find_granted(gateway, request.caller, name)
        exchange.asked = route.asked
        keep = value(stated.get("keep_alive"))
        unload = keep not in (None, "") and _is_over(keep)
        if unload and (local := gateway.running.own_machine) is not None:
            for deployment in route.deployments:
                if deployment.provider == local.name:
                    local.unload(deployment.model)
        answer = {
            "model": name or route.asked,
            "created_at": dated(None, exchange.created),
            **said,
            "done": True,
            "done_reason": "unload" if unload else "load",
        }
        await client.answer(200, (), encode(answer))


def _name(stated: Head) -> str:
    name = value(stated.get("model"))
    if name is not None and not isinstance(name, str):
        raise RequestFailed(odd(WireError("'model' must be a string", "model", "invalid_type")))
    return name or ""


def _is_over(keep: Any) -> bool:
    """Whether the duration `keep` is zero, so that the model has to be unloaded; False for a negative
    duration, which means forever. keep: the value of `keep_alive`, seconds or a text such as "5m". Raises
    RequestFailed (400) if it is not a valid duration.
    """
    try:
        check_keep_alive(keep, "keep_alive")
    except WireError as error:
        raise RequestFailed(odd(error)) from error
    return not any(digit in "123456789" for digit in str(keep))


def _refuse_to_think(stated: Head, name: str, route: Route) -> None:
    """Raise RequestFailed (400, with Ollama's text) if the request asks for thinking and all deployments of
    the route are known not to think. name: the model's name as the client wrote it, for the text; "" = the
    client named none.
    """
    if value(stated.get("think")) not in _NOT_TO_THINK and all(
        deployment.facts.reasoning is False for deployment in route.deployments
    ):
        text = f'"{name or route.asked}" does not support thinking'
        raise RequestFailed(ir.Fault("unsupported", text, "unsupported_value", "think"))
