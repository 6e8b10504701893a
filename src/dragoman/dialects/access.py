"""Where a protocol is spoken over HTTP: paths, headers and keys, at a provider and at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, TypeAlias

import msgspec

Scheme: TypeAlias = Literal["bearer", "x-api-key", "x-goog-api-key"]
"""The header that carries a key: `Authorization: Bearer KEY`, or the header of this name with the bare key. A
key is never sent in the query, because addresses end up in logs."""


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """Paths at a provider, below its base URL. A path with `{model}` holds the model's name, the body not."""

    chat: str = ""
    """The path of chat requests; "" = no provider speaks this protocol."""
    stream: str = ""
    """The path of chat requests for a stream, with its query; "" = the path of `chat`."""
    base: str = "/v1"
    """The path that is added to a base URL without a path, for a server that is not in the catalogue."""
    appends: bool = False
    """True: the protocol's own clients add `base` to every base URL."""


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The path and the form of a server's list of models."""

    path: str = "/models"
    """Below the base URL."""
    member: str = "data"
    """The member of the answer that holds the list."""
    name: str = "id"
    """The member of each entry that holds the model's name."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """The headers that carry a key."""

    scheme: Scheme = "bearer"
    """How a provider gets its key, unless the catalogue or the configuration says otherwise."""
    headers: tuple[str, ...] = ()
    """Headers beside `authorization` in which clients send their key. Lower-case names."""
    in_query: bool = False
    """True: clients may send their key as the query parameter `key`."""


class Headers(msgspec.Struct, frozen=True, kw_only=True):
    """Headers that belong to the protocol, by lower-case name."""

    required: Mapping[str, str] = {}
    """Headers that a provider requires, with the value that is sent when neither the client nor the
    configuration states one."""
    request: frozenset[str] = frozenset()
    """Headers of a client that are passed to an upstream of the same protocol."""
    response: frozenset[str] = frozenset()
    """Headers of an upstream that are passed to a client of the same protocol."""
    id: bytes = b""
    """The header with the id of a request; empty = `x-request-id`."""

    def passed(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """The upstream's headers that are passed to a client of the same protocol."""
        return [
            (written, value.encode("latin-1", "replace"))
            for name, written in _written(self.response)
            if (value := headers.get(name)) is not None
        ]


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway serves the protocol to clients."""

    roots: tuple[str, ...] = ("/v1", "")
    """Prefixes of the protocol's paths."""
    also: tuple[str, ...] = ()
    """Further paths of chat requests, without a prefix."""
    alone: tuple[str, ...] = ()
    """Prefixes of paths that only this protocol has. Errors at unknown paths below them have its form."""
    client_headers: tuple[str, ...] = ()
    """Every client of the protocol sends at least one of these headers, other clients send none. They decide
    at a path that several protocols share."""

    def serves(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers show a client of this protocol."""
        return any(name in headers for name in self.client_headers)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How `dragoman test` finds a server of the protocol without cost, and tests it."""

    called: str
    """The protocol's name inside a sentence: "OpenAI's Responses"."""
    path: str = ""
    """The path of a GET request that finds the server; "" = an empty chat request, which it refuses."""
    member: str = ""
    """A member that the answer to `path` has."""
    question: str = ""
    """The member without which a chat request is refused; "" = no member is required."""


def key_header(scheme: Scheme, key: str) -> tuple[str, str]:
    """The name and value of the header that carries a provider's key."""
    return ("authorization", f"Bearer {key}") if scheme == "bearer" else (scheme, key)


@cache
def _written(names: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, name.encode()) for name in names)
