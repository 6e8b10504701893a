"""The head of a request, and all that is determined by the head alone: the endpoint, the headers' meaning,
the caller.

Clients that keep a connection open repeat their head with each request; only content-length differs. So our
own server reads a head once, and uses the result for the following requests on the same connection that
repeat the head (`server.http`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from dragoman.accounts.caller import Caller
from dragoman.accounts.keys import ClientKeys
from dragoman.engine.asked import Wishes
from dragoman.server.endpoint import Endpoint, Handler
from dragoman.server.origins import Headers
from dragoman.wire.headers import HeaderMap


class Again(NamedTuple):
    """The result of the checks for a head. Later requests with the same head are handled with it, without
    these checks. keys: the gateway's keys at the time of the checks; when the gateway has other keys, the
    result no longer counts. caller: the client. handler: the endpoint's handler, which takes a JSON body that
    is not compressed. query: the fields of the query string.
    """

    keys: ClientKeys
    caller: Caller
    handler: Handler
    query: Mapping[str, str]


class Head(msgspec.Struct, eq=False):
    """The head of one request, or of several requests with the same head. The fields `wishes`, `query`,
    `handler`, `form`, `admission` and `again` are filled when they are first needed (before, they are empty
    or None). No other field is changed.

    path: decoded, without the client key in it; key: that key, None = there is none. raw: the path,
    percent-encoded as the client sent it, b"" = not known. search: the query string. headers: those of the
    first of the requests; fields: the same headers as they came in, a name perhaps several times, with
    lower-case names. version: of HTTP, "1.1". peer: the client's address and port; None = a Unix socket, or
    not known. endpoint: None = there is none for the path. params: the values of the path's placeholders.
    face: the name of the protocol in which errors are sent, unless `endpoint.errors` states another form;
    id_header: that protocol's header for the request's id, b"" = none. named: the path as logs show it. cors:
    the headers that answers get for web pages. request_id: that which the client states, None = none, or not
    a usable one. forwarded, agent: see `Exchange`. plain: whether the header content-encoding is missing, so
    that the body is not compressed.

    wishes: what the headers tell the engine, by protocol. query: the fields of `search`. handler: the
    endpoint's handler for the method. form: whether the body is a form. admission: the keys by which the
    caller was admitted, and the caller; None = the caller must be looked up. again: how to handle a further
    request with this head, if its body is small and has come in already; None = by all checks.
    """

    method: str
    path: str
    key: str | None
    search: str
    headers: HeaderMap
    fields: Sequence[tuple[bytes, bytes]]
    version: str
    peer: Sequence[Any] | None
    endpoint: Endpoint | None
    params: dict[str, str]
    face: str
    id_header: bytes
    named: str
    cors: Headers
    request_id: str | None
    forwarded: str | None
    agent: str | None
    plain: bool = True
    wishes: dict[str, Wishes] = {}
    query: dict[str, str] | None = None
    handler: Handler | None = None
    form: bool | None = None
    admission: tuple[ClientKeys, Caller] | None = None
    again: Again | None = None
    raw: bytes = b""
