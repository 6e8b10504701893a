"""The rows that describe operations of the administration, and the endpoints that are made from such rows.
The OpenAPI description is made from the rows, too (`server.admin.openapi`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.dialects.table import DEFAULT
from dragoman.exchange import Exchange
from dragoman.seams.tasks import spawn
from dragoman.server.admin import problems, reading
from dragoman.server.admin.audit import Audit, Author, Notes
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Bodies, Endpoint, Handler, HttpRequest
from dragoman.wire.json import encode

Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE"]


class Asked(msgspec.Struct, frozen=True):
    """One request for an operation. params: the values of the path's placeholders. body, query: decoded as
    the types that the operation's row states; None = the row states None, or it states Any and the client
    sent null. notes: makes the audit's entries for what the operation changes.
    """

    params: Mapping[str, str]
    body: Any
    query: Any
    request: HttpRequest
    exchange: Exchange
    notes: Notes


class Told(msgspec.Struct, frozen=True):
    """The answer of an operation. value: of the type that the operation's row states as `answer`. etag: with
    its quotes; None = the answer has no ETag.
    """

    value: Any
    etag: str | None = None


def author(exchange: Exchange) -> Author:
    """Return who has sent a request ("anyone" if nobody is known), with the address and the request's id, for
    the audit. The address is None if it is unknown, and for a request over the Unix socket.
    """
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
    the operation, too, which then shows and changes only what belongs to this tenant. harmless: True = the
    operation changes nothing although its method is not GET.
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
    harmless: bool = False

    @property
    def changes(self) -> bool:
        """Whether the operation changes anything, so that the audit needs an entry for each call."""
        return self.method != "GET" and not self.harmless


def endpoints(owner: object, operations: Iterable[Operation], audit: Audit) -> Iterator[Endpoint]:
    """Yield the endpoints of these operations, one for each path. owner: has a method of the type `Run` for
    each operation, of the same name. audit: gets the entries that the method makes by `Asked.notes`; if a
    method of an operation that changes anything (`Operation.changes`) succeeds and has made none, one with
    the operation's name and the path. A change that has begun is finished, and so are its entries, even if
    the client disconnects.
    """
    found: dict[str, dict[str, Handler]] = {}
    slashed: set[str] = set()
    for one in operations:
        run = partial(_answer, _Row(one, getattr(owner, one.name), audit))
        # Also a POST without a body is read as JSON: a page of another origin then has to ask before.
        takes: Bodies = "json" if one.method in {"POST", "PUT"} else ""
        handler = Handler(run, takes, one.for_tenants)
        found.setdefault(one.path, {})[one.method] = handler
        slashed |= {one.path} if one.slashes else set()
    for path, methods in found.items():
        yield Endpoint(path, DEFAULT, methods, scope="admin", slashes=path in slashed)


class _Row(NamedTuple):
    """An operation, the method that carries it out, and the audit of its changes."""

    operation: Operation
    run: Run
    audit: Audit


async def _answer(row: _Row, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
    operation = row.operation
    body = reading.body(request.body, operation.body)
    query = reading.query(request.query, operation.query)
    notes = Notes(row.audit, author(exchange))
    asked = Asked(request.params, body, query, request, exchange, notes)
    try:
        told = await (_changed(row, asked) if operation.changes else row.run(asked))
    except problems.Unusable as failed:
        await problems.answer(failed, exchange, client)
        return
    headers = [(b"cache-control", b"no-store")]
    if told.etag is not None:
        headers.append((b"etag", told.etag.encode()))
    await client.answer(200, headers, encode(told.value))


async def _changed(row: _Row, asked: Asked) -> Told:
    """Run an operation that changes something to its end, also if this task is cancelled meanwhile, and make
    an entry in the audit if the operation has made none. Raises what the operation raises.
    """

    async def changing() -> Told | Exception:
        try:
            told = await row.run(asked)
        except Exception as error:  # noqa: BLE001 - raised below, unless nobody waits any more
            return error
        if not asked.notes.made:
            asked.notes.add(row.operation.name, asked.exchange.path, before=None, after=None)
        return told

    outcome: Told | Exception = await asyncio.shield(spawn(changing(), "a change by an operator"))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
