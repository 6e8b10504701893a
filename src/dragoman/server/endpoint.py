"""Endpoints of the HTTP API, and the requests that their handlers get. An endpoint is a path with the
protocol in which its errors are sent, and a handler for each method.
"""

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
    """A client's HTTP request as a handler gets it: the client's key has been checked, or none is needed.

    body: the complete body, decompressed; b"" if it is a form, if the handler reads it from `parts`, or if
    the handler takes no body. params: the values of the path's placeholders, by name. query: the fields of
    the query string, decoded; of a repeated field the last value. form: the fields of a form, which must not
    be used after the exchange has ended; None = the body is not a form. search: the query string as the
    client sent it, without `?`; "" if the body is a form. parts: yields the body piece by piece, for a
    handler that takes "parts"; None for all others. room: counts the memory that the request takes. reading:
    the work of decoding the body, as the size in bytes of a body of short values that takes the same time
    (`wire.json.Measured`); 0 = not measured. wishes: what the headers ask of the engine, by the protocol's
    name; a protocol is added when a handler first needs it. raw: the path, percent-encoded as the client sent
    it; b"" = not known.
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
    """Return a copy of the request in whose JSON body the field `model` has the value of the path's
    placeholder `model`. If the body is not a valid JSON object, return the request unchanged; the engine will
    refuse it.
    """
    try:
        body = encode_head({**decode_head(request.body), "model": request.params["model"]})
    except WireError:
        return request
    return msgspec.structs.replace(request, body=body)


Door: TypeAlias = Literal["public", "admin", "socket"]
"""A way into the gateway: the port for clients ("public"); the operator's port (`server.admin_port`,
"admin"); the Unix socket ("socket"). Only root and the user who runs the gateway can open the Unix socket, so
it needs no key.
"""
Bodies: TypeAlias = Literal["", "json", "any", "form", "either", "parts"]
"""How the body of a request is read: "" = not at all; "json" = as JSON; "any" = as JSON, whatever its content
type, but a web page whose origin is not allowed must state a JSON type; "form" = as a form; "either" = as
JSON or as a form, by its content type; "parts" = by the handler, any bytes, piece by piece.
"""
Handle = Callable[[HttpRequest, Exchange, HttpClient], Awaitable[None]]


class Handler(msgspec.Struct, frozen=True):
    """The handler of one method of an endpoint. run: returns an awaitable that answers a request. So that the
    engine can free a large body while the answer streams, it is the engine's own, not one of a coroutine that
    refers to the request. takes_body: how the body of the request is read (`Bodies`); "" = the body is not
    read. for_tenants: of a handler for operators, True = a key that belongs to a tenant may call it, too, and
    the handler then shows and changes only what belongs to this tenant.
    """

    run: Handle
    takes_body: Bodies = ""
    for_tenants: bool = False


class Endpoint(msgspec.Struct, frozen=True):
    """One path of the HTTP API.

    template: the path with placeholders in braces; it is also the path's name in logs. face: the protocol in
    which errors are sent, unless `shared` or `errors` says otherwise. methods: the handler of each HTTP
    method (upper case); empty = no method is served at this path, and requests get 404. public: True = no key
    is needed. scope: the scope that a client's key must have. slashes: True = the path has one placeholder,
    whose value may contain slashes. shared: True = clients of several protocols use the path; the headers of
    a request decide its protocol (`Face.serves`). errors: the form of error answers, None = that of the
    protocol `face`. faceless: True = whether the client's key allows the protocol is not checked before the
    handler runs; the handler must check it.
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
    """Yield an endpoint for each of `paths` below each root of a protocol (such as `/v1`). paths: pairs of a
    path without its root, and the handlers by HTTP method. The protocol must have a face.
    """
    assert dialect.face is not None
    for path, methods in paths:
        for root in dialect.face.roots:
            yield Endpoint(root + path, dialect, methods)
