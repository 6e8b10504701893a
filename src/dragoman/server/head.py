"""The head of a request, and everything that the gateway determines from the head alone: the endpoint, the
meaning of the headers, the caller.

Many clients keep a connection open and repeat their head with each request; only content-length differs. Our
own server parses such a head once, and uses the result for later requests on this connection that repeat it
(`server.http`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.keys import ClientKeys
from dragoman.engine.asked import Wishes
from dragoman.errors import RequestFailed
from dragoman.server.endpoint import Endpoint, Handler
from dragoman.server.link import Link, Receive
from dragoman.server.origins import Headers
from dragoman.wire.headers import HeaderMap


class Again(NamedTuple):
    """The result of the checks of a head. A later request with the same head may be handled with this result,
    without repeating the checks (`Head.again`). keys: the gateway's keys at the time of the checks; the
    result is not used any more when the gateway has other keys. caller: the client. handler: the endpoint's
    handler for the method, which takes a JSON body. query: the fields of the query string; of a repeated
    field the last value.
    """

    keys: ClientKeys
    caller: Caller
    handler: Handler
    query: Mapping[str, str]


class Head(msgspec.Struct, eq=False):
    """The head of one request, or of several requests with the same head. The fields `wishes`, `query`,
    `handler`, `form`, `admission` and `again` are empty or None until they are first needed, and are filled
    then; `admission` and `again` are replaced when the gateway has other keys. No other field is changed.

    path: decoded, without a client key in it; key: the client key that was in the path, None = none. raw: the
    path, percent-encoded as the client sent it, b"" = not known. search: the query string, without `?`.
    headers: the headers of the first of the requests; fields: the same headers as a list, with lower-case
    names; a name may occur several times. version: of HTTP, "1.1". peer: the client's address and port; at
    the operators' Unix socket the user and 0, such as ("uid 1000", 0); None = not known. endpoint: None =
    there is none for the path. params: the values of the path's placeholders. face: the name of the protocol
    in which errors are sent, unless `endpoint.errors` states another form; id_header: that protocol's header
    for the request's id, b"" = none. named: the path as logs show it, usually the endpoint's template. cors:
    the headers that answers get for web pages. request_id: the value of x-request-id, None = the header is
    missing or not usable. forwarded: the addresses that proxies state (x-forwarded-for); agent: the value of
    user-agent; both perhaps cut (`identity.described`), None = the header is missing. plain: True = there is
    no header content-encoding, so the body is not compressed.

    wishes: what the headers ask of the engine, by the protocol's name. query: the fields of `search`.
    handler: the endpoint's handler for the method. form: whether the body is a form. admission: the keys by
    which the caller was admitted, and the caller; None = the caller must be looked up. again: used for a
    later request with this head whose body is small and has come in completely; None = every check is made.
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


class Arrival(msgspec.Struct, frozen=True):
    """One request as it comes in. head: may be that of an earlier request on this connection; then only
    content-length differs. headers: those of this request. receive: ASGI's function, for the body. link:
    tells whether the client has disconnected (`Link`). foreign: True = another ASGI server runs the
    application, so `link` learns of a disconnect only after `Link.watch` was called.
    """

    head: Head
    headers: HeaderMap
    receive: Receive
    link: Link
    foreign: bool = False


def query_of(stated: str) -> dict[str, str]:
    """Return the decoded fields of a query string; of a repeated field the last value. stated: without `?`.
    Raises RequestFailed (400) for more than 256 fields; empty ones (`&&`) count, too.
    """
    if not stated:
        return {}
    if stated.count("&") >= _QUERY_FIELDS:
        raise RequestFailed(_MANY_QUERY_FIELDS)
    return dict(parse_qsl(stated, keep_blank_values=True))


_QUERY_FIELDS: Final = 256  # the most fields of a query, which is parsed before the key is checked
_MANY_QUERY_FIELDS: Final = ir.Fault(
    "invalid_request", f"The query has more than {_QUERY_FIELDS} fields.", "too_many_query_fields"
)
