"""What the head of a request says, and what follows from it alone.

Clients that keep a connection repeat their head with each request, but for the length of the body. So our own
server reads a head once and uses it for all requests that repeat it (`server.http`).
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
    """What was found for a head, so that a later request with the same head needs no further look: the body
    is plain JSON, and the caller is admitted as long as `keys` are still the gateway's keys.
    """

    keys: ClientKeys
    caller: Caller
    handler: Handler
    query: Mapping[str, str]


class Head(msgspec.Struct, eq=False):
    """The head of one or more equal requests. Nothing in it is changed but the values that are looked up at
    the first use, which are None before.

    path: decoded, without the client key before it; key: that key, None = none. search: the query string.
    headers: of the first of the requests; fields: all of them as they came in, with lower-case names.
    version: of HTTP, without "HTTP/". peer: the client's address and port, None = a Unix socket, or unknown.
    params: the values of the path's placeholders. face: the protocol of its errors, by name; id_header: its
    header for the request's id, b"" = none. named: the path as logs show it. cors: the headers that answers
    get for web pages. request_id: stated by the client, None = none that can be used. forwarded, agent: as
    noted in the exchange. wishes: for the engine, by the protocol as which they are read. plain: the body is
    not compressed. query: the fields of `search`. form: the body is a form. admission: the keys by which the
    caller was admitted, and the caller. again: how a request with this head is handled whose body is small
    and comes in with it; None = it has to be looked at. raw: the path as the client has encoded it, b"" =
    not known.
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
