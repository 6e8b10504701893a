"""The rows that describe operations of the administration, and the endpoints that are made from such rows.
The OpenAPI description is made from the rows, too (`server.admin.openapi`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.server.admin import problems, reading
from dragoman.server.admin.audit import Author
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Bodies, Endpoint, Handler, HttpRequest
from dragoman.wire.json import encode

Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE"]


class Asked(msgspec.Struct, frozen=True):
    """One request for an operation. params: the values of the path's placeholders. body, query: decoded as
    the types that the operation's row states; None = the row states None, or it states Any and the client
    sent null.
    """

    params: Mapping[str, str]
    body: Any
    query: Any
    request: HttpRequest
    exchange: Exchange


class Told(msgspec.Struct, frozen=True):
    """The answer of an operation. value: of the type that the operation's row states as `answer`. etag: with
    its quotes; None = the answer has no ETag.
    """

    value: Any
    etag: str | None = None


def author(asked: Asked) -> Author:
    """Return who has sent a request ("anyone" if nobody is known), with the address and the request's id, for
    the audit. The address is None if it is unknown, and for a user of this machine.
    """
    exchange = asked.exchange
    who = exchange.client or "anyone"
    address = None if exchange.address == who else exchange.address  # a user of this machine has none
    return Author(who, address, exchange.request_id)


Run: TypeAlias = Callable[[Asked], Awaitable[Told]]


class Operation(msgspec.Struct, frozen=True):
    """One operation. name: of its method in the class that implements it, and its `operationId`. summary: one
    line for readers. answer: the type of its answer, None = any JSON object. body, query: the types that the
    client's body and query must have; None = the client sends none. A `body` of Any allows any JSON, and
    `about` describes it for readers. tagged: answers can have an ETag, and changes accept If-Match. slashes:
    True = the path has one placeholder, whose value may contain slashes; if it is True for one operation of a
    path, it holds for all operations of the path. for_tenants: True = a key that belongs to a tenant may call
    the operation, too, which then shows and changes only what belongs to this tenant.
    """

    method: Method
    path: str
    name: str
    summary: str
    answer: Any = None
    body: Any = None
    query: Any = None
    about: str = ""
    tagged: bool = False
    slashes: bool = False
    for_tenants: bool = False


def endpoints(owner: object, operations: Iterable[Operation]) -> Iterator[Endpoint]:
    """Yield the endpoints of these operations, one for each path. owner: has a method of the type `Run` for
    each operation, of the same name.
    """
    found: dict[str, dict[str, Handler]] = {}
    slashed: set[str] = set()
    for one in operations:
        run = partial(_answer, one, getattr(owner, one.name))
        # Also a POST without a body is read as JSON: a page of another origin then has to ask before.
        takes: Bodies = "json" if one.method in {"POST", "PUT"} else ""
        handler = Handler(run, takes, one.for_tenants)
        found.setdefault(one.path, {})[one.method] = handler
        slashed |= {one.path} if one.slashes else set()
    for path, methods in found.items():
        yield Endpoint(path, DEFAULT, methods, scope="admin", slashes=path in slashed)


async def _answer(
    operation: Operation, run: Run, request: HttpRequest, exchange: Exchange, client: HttpClient
) -> None:
    body = reading.body(request.body, operation.body)
    query = reading.query(request.query, operation.query)
    try:
        told = await run(Asked(request.params, body, query, request, exchange))
    except problems.Unusable as failed:
        await problems.answer(failed, exchange, client)
        return
    headers = [(b"cache-control", b"no-store")]
    if told.etag is not None:
        headers.append((b"etag", told.etag.encode()))
    await client.answer(200, headers, encode(told.value))
