"""Endpoints of the HTTP API: a path, the protocol of its errors, and the handler for each method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from dragoman.accounts.caller import Caller, Scope
from dragoman.capacity.space import Share, unbounded
from dragoman.dialects.dialect import Dialect, ErrorCodec
from dragoman.engine.asked import Wishes
from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.wire.headers import HeaderMap
from dragoman.wire.json import decode_head, encode_head
from dragoman.wire.multipart import Form


class HttpRequest(msgspec.Struct, frozen=True):
    """A client's HTTP request as a handler gets it, after the check of its key.

    body: b"" if the body is a form, if the handler reads it from `parts`, or if the handler wants none.
    params: the values of the path's placeholders, by name. query: the last value of each field of the query
    string; search: that string itself. form: the fields of a form, which the end of the exchange frees; None
    = the body is no form. parts: the body piece by piece, for a handler that takes "parts". room: is charged
    with the memory that the request takes. reading: the weight of the body for steps that do not read its
    texts (`wire.json.Measured`); 0 = not measured yet. wishes: what the headers ask of the engine, as far as
    it has been read already, by the name of the protocol. raw: the path as the client has encoded it; b"" =
    not known.
    """

    body: bytes
    headers: HeaderMap
    params: Mapping[str, str]
    caller: Caller
    query: Mapping[str, str] = {}
    form: Form | None = None
    search: str = ""
    parts: AsyncIterator[bytes] | None = None
    room: Share = msgspec.field(default_factory=unbounded)
    reading: int = 0
    wishes: dict[str, Wishes] = {}
    raw: bytes = b""


def with_model(request: HttpRequest) -> HttpRequest:
    """The request with the model of its path (`{model}`) in its body; unchanged if the body is no object."""
    try:
        body = encode_head({**decode_head(request.body), "model": request.params["model"]})
    except WireError:
        return request
    return msgspec.structs.replace(request, body=body)


Door: TypeAlias = Literal["public", "admin", "socket"]
"""A way into the gateway: the port for clients; the operator's own port (`server.admin_port`); or the Unix
socket, which only the user who runs the gateway can open, so that no key is needed.
"""
Bodies: TypeAlias = Literal["", "json", "any", "form", "either", "parts"]
"""How a request's body is read: "" = not at all, "json", "any" = as JSON, whatever its content type (except
from strange web pages), "form", "either" = JSON or form, "parts" = any bytes, piece by piece, by the handler.
"""
Handle = Callable[[HttpRequest, Exchange, HttpClient], Awaitable[None]]


class Handler(msgspec.Struct, frozen=True):
    """The handler of one method of an endpoint. takes_body: how the body is read before it is called."""

    run: Handle
    takes_body: Bodies = ""


class Endpoint(msgspec.Struct, frozen=True):
    """One path of the HTTP API. template: the path with placeholders in braces, also its name in logs. face:
    the protocol of its errors. methods: a handler for each; empty = there is nothing at this path. public: no
    key is needed. scope: what the client key has to allow. slashes: the only placeholder's value may hold
    slashes. shared: several protocols have the path, and a request's headers tell which one its client
    speaks. errors: the form of the errors, None = that of `face`. faceless: the protocol depends on the
    request, so the handler itself checks whether the client may speak it.
    """

    template: str
    face: Dialect
    methods: Mapping[str, Handler]
    public: bool = False
    scope: Scope = "inference"
    slashes: bool = False
    shared: bool = False
    errors: ErrorCodec | None = None
    faceless: bool = False


def below(dialect: Dialect, paths: Iterable[tuple[str, Mapping[str, Handler]]]) -> Iterator[Endpoint]:
    """Yield an endpoint for each path and its handlers by method, below each root of a protocol."""
    assert dialect.face is not None
    for path, methods in paths:
        for root in dialect.face.roots:
            yield Endpoint(root + path, dialect, methods)
