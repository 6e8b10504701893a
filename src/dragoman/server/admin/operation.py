"""Operations of the administration: a row for each, from which its endpoint and its description are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.server.admin import reading
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.wire.json import encode

Method: TypeAlias = Literal["GET", "POST", "DELETE"]


class Asked(msgspec.Struct, frozen=True):
    """One request for an operation. params: the values of the path's placeholders. body, query: decoded, as
    the operation's row says; None = it has none.
    """

    params: Mapping[str, str]
    body: Any
    query: Any
    request: HttpRequest
    exchange: Exchange


class Told(msgspec.Struct, frozen=True):
    """The answer of an operation. value: of the row's type `answer`. etag: with its quotes, None = none."""

    value: Any
    etag: str | None = None


Run: TypeAlias = Callable[[Asked], Awaitable[Told]]


class Operation(msgspec.Struct, frozen=True):
    """One operation. name: its method in the class that has it, and its `operationId`. summary: one line.
    answer: the type of its answer, None = any object. body, query: the types of what clients send, None =
    nothing. tagged: answers have an ETag, and a change takes If-Match.
    """

    method: Method
    path: str
    name: str
    summary: str
    answer: Any = None
    body: Any = None
    query: Any = None
    tagged: bool = False


def endpoints(owner: object, operations: Iterable[Operation]) -> Iterator[Endpoint]:
    """Yield the endpoints of these operations, whose names are those of methods of `owner` (type `Run`)."""
    found: dict[str, dict[str, Handler]] = {}
    for one in operations:
        run = partial(_answer, one, getattr(owner, one.name))
        # Also a POST without a body is read as JSON: a page of another origin then has to ask before.
        handler = Handler(run, takes_body="json" if one.method == "POST" else "")
        found.setdefault(one.path, {})[one.method] = handler
    for path, methods in found.items():
        yield Endpoint(path, DEFAULT, methods, scope="admin")


async def _answer(
    operation: Operation, run: Run, request: HttpRequest, exchange: Exchange, client: HttpClient
) -> None:
    body = reading.body(request.body, operation.body)
    query = reading.query(request.query, operation.query)
    told = await run(Asked(request.params, body, query, request, exchange))
    headers = [(b"cache-control", b"no-store")]
    if told.etag is not None:
        headers.append((b"etag", told.etag.encode()))
    await client.answer(200, headers, encode(told.value))
