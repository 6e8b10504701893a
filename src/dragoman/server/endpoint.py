"""What a path is: whose envelope its errors wear, and what each of its methods does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from dragoman.accounts.keys import Caller, Scope
from dragoman.dialects.dialect import Dialect
from dragoman.engine.work import UNBOUNDED, Room
from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.server.client import AsgiClient
from dragoman.wire.json import decode_head, encode_head
from dragoman.wire.multipart import Form


class Call(msgspec.Struct, frozen=True):
    """A request as handlers get it: authenticated, its body read.

    params: what the path holds. query: the last value of each parameter behind the `?`. form: the body, where
    it is a form; `body` is empty then. Its values end with the exchange. search: what stands behind the `?`,
    as it came. parts: the body as it comes in, where it is not read before. room: where what is read of the
    store for it takes its part of the memory.
    """

    body: bytes
    headers: Mapping[str, str]
    params: Mapping[str, str]
    caller: Caller
    query: Mapping[str, str] = {}
    form: Form | None = None
    search: str = ""
    parts: AsyncIterator[bytes] | None = None
    room: Room = UNBOUNDED


def with_model(call: Call) -> Call:
    """The call with its path's model in its body. A body that is no JSON stays, for the engine to refuse."""
    try:
        body = encode_head({**decode_head(call.body), "model": call.params["model"]})
    except WireError:
        return call
    return msgspec.structs.replace(call, body=body)


Bodies: TypeAlias = Literal["", "json", "any", "form", "either", "parts"]
"""What a method takes: "" = no body is read, "any" = JSON, whatever the client says that it is, "parts" =
anything, piece by piece.
"""
Run = Callable[[Call, Exchange, AsgiClient], Awaitable[None]]


class Handler(msgspec.Struct, frozen=True):
    """What one method of an endpoint does."""

    run: Run
    takes_body: Bodies = ""


class Endpoint(msgspec.Struct, frozen=True):
    """One path. template: how logs and metrics name it. methods: none = there is nothing at the path. public:
    needs no key. scope: what its callers need. slashes: the name in braces may hold slashes. shared: several
    protocols have the path, and the request's headers tell which one its client speaks.
    """

    template: str
    face: Dialect
    methods: Mapping[str, Handler]
    public: bool = False
    scope: Scope = "inference"
    slashes: bool = False
    shared: bool = False


def below(dialect: Dialect, paths: Iterable[tuple[str, Mapping[str, Handler]]]) -> Iterator[Endpoint]:
    """Endpoints of paths with their methods, below each root of a dialect that is served."""
    assert dialect.face is not None
    for path, methods in paths:
        for root in dialect.face.roots:
            yield Endpoint(root + path, dialect, methods)
