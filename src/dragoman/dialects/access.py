"""Where a protocol is spoken over HTTP: paths, headers and keys, at a provider and at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, TypeAlias

import msgspec

Scheme: TypeAlias = Literal["bearer", "x-api-key", "x-goog-api-key"]
"""How a key travels: `Authorization: Bearer KEY`, or as it is in the header of this name. Never in the query:
addresses end up in logs."""


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """Paths at a provider, below its base URL. `{model}` stands for the model's name, absent in the body."""

    chat: str = ""
    """Where an answer is asked for; "" = no provider is asked in this protocol."""
    stream: str = ""
    """Where a streamed answer is asked for, with its query; "" = at `chat`."""
    base: str = "/v1"
    """The path of a base URL that is written without any, for a server that the catalogue does not know."""
    appends: bool = False
    """True: the protocol's own clients add `base` to every base URL that they are given."""


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Where and in which form a server lists its models."""

    path: str = "/models"
    """Below the base URL."""
    member: str = "data"
    """The member of the answer that holds the list."""
    name: str = "id"
    """The member of each entry that holds the model's name."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key travels."""

    scheme: Scheme = "bearer"
    """How a provider gets it, where neither the catalogue nor the configuration says another way."""
    headers: tuple[str, ...] = ()
    """The headers, beside `authorization`, in which the protocol's clients send it. Lower-case names."""
    in_query: bool = False
    """True: clients may send it behind the `?` instead, as `key`."""


class Headers(msgspec.Struct, frozen=True, kw_only=True):
    """Headers that belong to the protocol, by lower-case name."""

    required: Mapping[str, str] = {}
    """Those that a provider insists on, with the values sent when neither the client nor the operator states
    one."""
    request: frozenset[str] = frozenset()
    """Those of a client that its upstream of the same protocol sees."""
    response: frozenset[str] = frozenset()
    """Those of an upstream that its client of the same protocol sees."""
    id: bytes = b""
    """Where clients look for the id of a request; empty = in `x-request-id`."""

    def passed(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """The upstream's headers that a client of the same protocol sees."""
        return [
            (written, value.encode("latin-1", "replace"))
            for name, written in _written(self.response)
            if (value := headers.get(name)) is not None
        ]


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway serves the protocol to clients."""

    roots: tuple[str, ...] = ("/v1", "")
    """What stands before the paths of the protocol."""
    also: tuple[str, ...] = ()
    """Further paths at which chat requests are taken, whole."""
    alone: tuple[str, ...] = ()
    """The beginnings of paths at which only this protocol is spoken, so that errors there are told in it."""
    client_headers: tuple[str, ...] = ()
    """Headers of which the protocol's clients send at least one, and other clients none. They tell who asks
    at a path that several protocols share."""

    def serves(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers show a client of this protocol."""
        return any(name in headers for name in self.client_headers)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How `dragoman test` finds a server that speaks the protocol, at no cost, and tests it."""

    called: str
    """The protocol in a sentence for people: "OpenAI's Responses"."""
    path: str = ""
    """What is read to find the server; "" = an empty request to the path of chat, refused by who knows it."""
    member: str = ""
    """A member of what is read."""
    question: str = ""
    """The member without which a request is refused; "" = a request may ask nothing."""


def key_header(scheme: Scheme, key: str) -> tuple[str, str]:
    """The name and the value of the header in which a provider gets a key."""
    return ("authorization", f"Bearer {key}") if scheme == "bearer" else (scheme, key)


@cache
def _written(names: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, name.encode()) for name in names)
