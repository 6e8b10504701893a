"""The HTTP side of a protocol as records: its paths, headers, API keys and list of models, at a provider and
at the gateway, and how `dragoman test` recognises it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman.wire.headers import HeaderMap

Scheme: TypeAlias = Literal["bearer", "token", "x-api-key", "x-goog-api-key", "api-key", "xi-api-key"]
"""The header that carries an API key. bearer: `Authorization: Bearer KEY`. token: `Authorization: Token KEY`
(Deepgram). Else the header of this name with the bare key. api-key is Azure's, which takes access tokens as
well: a key that is a JSON Web Token is sent as a bearer token. The gateway sends no key in the query, because
URLs end up in logs."""

_JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
"""A signed token of RFC 7519: three parts in base64url. The first is a JSON object; `eyJ` stands for `{"`,
its usual beginning."""


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of chat requests at a provider, below the provider's base URL, and the path with which base
    URLs of this protocol usually end (`base`). If a path has `{model}`, the body does not name the model.
    """

    chat: str = ""
    """The path of chat requests; "" = no provider speaks this protocol."""
    stream: str = ""
    """The path and query of chat requests that ask for a stream; "" = the same as `chat`."""
    base: str = "/v1"
    """The path that is appended to a base URL without a path, if the provider is not in the catalogue."""
    appends: bool = False
    """Whether `base` is appended also to a base URL that has a path, unless this path ends in `base` or in a
    version such as `/v1`."""


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server lists its models: the path of the request, the JSON members of the response that hold
    the list and each model's name, and how the next page of a list is requested.
    """

    path: str = "/models"
    """The path below the base URL; "" = the protocol has no path for the list."""
    member: str = "data"
    """The top-level member of the JSON response that holds the list. Without this member, `items` is read. A
    response that is itself an array is read as the list."""
    further: tuple[str, ...] = ()
    """Other top-level members that hold lists of models, too."""
    name: str = "id"
    """The member of each entry in the list that holds the model's name."""
    prefix: str = ""
    """A text with which names in the list begin and that the gateway removes from them; "" = there is
    none."""
    query: Mapping[str, str] = {}
    """The query parameters of each request, which ask for large pages; {} = there are none."""
    cursor: str = ""
    """The query parameter that requests a later page than the first; "" = only one page is requested."""
    following: str = ""
    """The top-level member of a page that holds the value of `cursor` for the next page; "" = there is no
    such member.
    """
    numbered: bool = False
    """Whether `cursor` is the number of a page, from 1. The list ends at a page without new names."""
    more: str = ""
    """The top-level member of a page that is true if there is a next page; "" = there is no such member.
    Unless `numbered`, a next page also needs a non-empty text in `following`."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider gets its API key, and the places in which the gateway looks for a client's API key."""

    scheme: Scheme = "bearer"
    """The header for a provider's key, unless the catalogue or the configuration states another."""
    headers: tuple[str, ...] = ()
    """The headers, beside `authorization`, in which clients send their gateway key. Lower-case names."""
    in_query: bool = False
    """Whether clients may send their gateway key as the query parameter `key`."""
    signs: str = ""
    """The name of the AWS service for which an access key (`ID:SECRET` or `ID:SECRET:SESSION_TOKEN`) signs
    each request, instead of being sent; "" = keys are sent."""


OF_LIMITS: Final = ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")
"""The prefixes of the names of rate-limit headers."""


class Headers(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP headers that belong to the protocol, except API keys; all names in lower case."""

    required: Mapping[str, str] = {}
    """Headers that a provider requires: name -> value, unless the client or the configuration states one."""
    request: frozenset[str] = frozenset()
    """The request headers that are passed from a client to an upstream of the same protocol."""
    response: frozenset[str] = frozenset()
    """The response headers that are passed from an upstream to a client of the same protocol."""
    id: bytes = b""
    """The response header that tells the client the request's id; empty = `x-request-id`."""

    def passed(self, headers: Mapping[str, str], *, limits: bool = True) -> list[tuple[bytes, bytes]]:
        """Return the headers of an upstream's response that are passed to the client (`response` has their
        names), as (name, value) pairs. headers: those of the upstream's response, with names in lower case.
        limits: False = the rate-limit headers (`OF_LIMITS`) are left out.
        """
        names = _encoded(self.response) if limits else _without_limits(self.response)
        if type(headers) is HeaderMap:
            return headers.picked(names)
        return [
            (name.encode(), value.encode("latin-1", "replace"))
            for name in self.response
            if name.encode() in names and (value := headers.get(name)) is not None
        ]


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """The paths at which the gateway serves the protocol to clients, and the headers by which it recognises
    these clients.
    """

    roots: tuple[str, ...] = ("/v1", "")
    """Prefixes of the protocol's paths at the gateway; "" = the path without a prefix."""
    also: tuple[str, ...] = ()
    """Further whole paths of chat requests; `roots` is not put before them."""
    alone: tuple[str, ...] = ()
    """Path prefixes that only this protocol has. Errors for unknown paths below them have its form."""
    client_headers: tuple[str, ...] = ()
    """Request headers (lower case) that only clients of this protocol send; its official clients send at
    least one of them. At a path that several protocols share, they show which protocol the client speaks;
    empty = no header shows it.
    """

    def serves(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has at least one of the `client_headers`. headers: the request's headers, with
        names in lower case.
        """
        return any(name in headers for name in self.client_headers)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How `dragoman test` finds out, without cost, whether a server speaks the protocol, and what the command
    tests at that server.
    """

    called: str
    """The protocol's name inside a sentence: "OpenAI's Responses"."""
    path: str = ""
    """The path of the GET request that shows whether the server speaks the protocol; "" = an empty object is
    sent to the chat path by POST instead, so that no model is asked."""
    member: str = ""
    """The member that the JSON answer to the GET request must have if its status is 200; "" = no member is
    required. Any other status, also of a POST, shows the protocol, except 404, 405 and 501."""
    question: str = ""
    """The member whose absence from a chat request the server must answer with 400; "" = this is not
    tested."""


def key_header(scheme: Scheme, key: str) -> tuple[str, str]:
    """Return (name, value) of the header that carries this API key. For the schemes "bearer" and "token", it
    is `authorization: Bearer KEY` or `authorization: Token KEY`. Any other scheme is the name of the header,
    and the value is the key alone; but with the scheme "api-key", a key that has the form of a JSON Web Token
    is sent as a bearer token.
    """
    if scheme == "bearer" or (scheme == "api-key" and _JSON_WEB_TOKEN.fullmatch(key)):
        return "authorization", f"Bearer {key}"
    if scheme == "token":
        return "authorization", f"Token {key}"
    return scheme, key


@cache
def _without_limits(names: frozenset[str]) -> frozenset[bytes]:
    return _encoded(frozenset(name for name in names if not name.startswith(OF_LIMITS)))


@cache
def _encoded(names: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)
