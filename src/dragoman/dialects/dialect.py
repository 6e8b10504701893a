"""Everything that a protocol states of itself, as one record: `Dialect`.

A dialect is a wire protocol in both directions. Codecs are pure: bytes and values in, values and
bytes out, no clock, no random, no IO. They raise `WireError`, which blames nobody.

    client bytes → request.check → request.decode → ir.Request → request.encode → upstream
    upstream     → response.decode / stream.decoder → ir → response.encode / stream.encoder → client bytes

When client and upstream share the dialect and nothing has to be changed but names, `relay` passes
frames through with named edits instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from dragoman import ir
from dragoman.dialects.access import Face, Headers, Keys, ModelList, Paths, Probe
from dragoman.dialects.facts import Facts
from dragoman.dialects.fields import Fields
from dragoman.dialects.loss import Change
from dragoman.dialects.operation import AnyOperationCodec, AnyProviderSide
from dragoman.dialects.quirks import STANDARD, Quirks, Wider
from dragoman.dialects.relay import Relay
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import Operation, Target, WireRequest
from dragoman.dialects.resources import Resource
from dragoman.dialects.streaming import StreamDecoder, StreamEncoder

Feature = Literal["schema", "json", "custom_tools", "forced_thinking", "namespaces", "builtins"]
"""What a dialect says natively. schema: an answer by JSON Schema. json: an answer of any JSON. custom_tools:
tools with free text. forced_thinking: forcing a tool while the model thinks. namespaces: tools in groups.
builtins: tools that the protocol defines and its client runs, and tools made known in the history. The rest
is emulated."""

EVERY_FEATURE: frozenset[Feature] = frozenset(get_args(Feature))
USUAL_FEATURES: frozenset[Feature] = EVERY_FEATURE - {"namespaces", "builtins"}
"""What is taken as it is unless it is said otherwise: the others are one protocol's alone."""

Edits: TypeAlias = dict[str, Any]
"""Top-level members of a relayed body to their new values."""


class RequestCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request, in both directions."""

    check: Callable[[WireRequest], None]
    """Raises WireError, exactly worded, for a client's mistake (types, ranges, required fields)."""
    decode: Callable[[WireRequest], ir.Request]
    """The request in the IR. It has passed `check`."""
    encode: Callable[[ir.Request, Target], WireRequest]
    """The request as an upstream is asked it. Raises WireError for what cannot be said."""
    brief: Callable[[WireRequest], ir.Request]
    """What the answer's form depends on (model, stream, usage asked for), without decoding messages."""
    fields: Fields | None = None
    """What becomes of each field of the IR; None = not stated."""
    members: frozenset[str]
    """The top-level members that the IR carries. They never land in `extra`."""
    locate: Callable[[str], str]
    """A place in IR terms, as a JSON path of this protocol's request."""
    locate_in: Callable[[WireRequest, str], str] | None = None
    """The same with the request at hand, where the protocol has several words for one thing."""
    widen: Callable[[WireRequest, frozenset[Wider]], WireRequest] | None = None
    """A request that `check` refuses, with everything put right of which a server may take more than the
    protocol's author (`Quirks.widens`); None = nobody takes more."""
    check_portable: Callable[[WireRequest], None] | None = None
    """Raises WireError for a request that only a server of the same protocol can be asked; None = every
    request can be translated."""
    questions: Callable[[ir.Request], Sequence[ir.Request]] | None = None
    """The questions of a request that asks several, of which a server of another protocol is asked one at a
    time; empty where it asks one. None = no request asks several. Raises WireError for too many."""
    unstored: Callable[[Mapping[str, Any], Facts, Quirks], tuple[Edits, tuple[Change, ...]]] | None = None
    """The edits of a relayed body by which its provider stores nothing, and what they change; None = nothing
    is ever stored there."""


class ResponseCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, in both directions."""

    decode: Callable[[dict[str, Any], Quirks], ir.Response]
    """The answer in the IR."""
    encode: Callable[[ir.Response, Reply], dict[str, Any]]
    """The body to send to the client."""
    id_prefix: str = ""
    """What the ids of answers begin with, where the gateway makes them."""


class StreamCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A streamed answer, in both directions."""

    decoder: Callable[[Quirks], StreamDecoder]
    """A decoder for one stream of an upstream."""
    encoder: Callable[[Reply], StreamEncoder]
    """An encoder for one stream to a client."""
    content_type: str
    """The content type of a stream to a client."""
    framing: Framing = "sse"
    """How a stream is cut into frames."""
    json_framing: Framing | None = None
    """How an answer in `application/json` is cut, where that may be a stream; None = it is a whole answer."""
    ping: bytes = b": ping\n\n"
    """A heartbeat before the stream has begun to speak; empty where the protocol has none."""


class ErrorCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal, in both directions."""

    decode: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    """The fault that a status, headers and a body tell."""
    encode: Callable[[ir.Fault, str | None], tuple[int, dict[str, str], bytes]]
    """Status, extra headers and body, with the request's id where the envelope carries one."""


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the protocol's servers take as it is. The rest is emulated, renamed or fetched."""

    features: frozenset[Feature] = USUAL_FEATURES
    """What the protocol says natively."""
    tool_name: str = r"[A-Za-z0-9_-]{1,64}"
    """The pattern that a tool's whole name must match."""
    reads: Callable[[ir.Media], bool] | None = None
    """Whether the servers read these media at their address themselves; None = they read all. The gateway
    fetches the others."""


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """What answers hold that only the protocol's own servers understand, and that requests bring back."""

    seals: bool = False
    """True: answers hold seals that the next request must bring back."""
    foreign: tuple[bytes, ...] = ()
    """What stands in a client's body that brings back reasoning of another origin, which the protocol's own
    servers refuse."""
    native: Callable[[ir.Block], ir.Native] | None = None
    """A block of an answer as it stands in a request, for what no other protocol can say (what the
    provider's own tools did); None = requests hold nothing of that kind."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol, both directions."""

    name: str
    """As in configuration."""
    title: str
    """For people."""
    spec: str
    """The address of the specification."""
    version: str
    """The version of the specification that was read."""
    paths: Paths
    request: RequestCodec
    response: ResponseCodec
    stream: StreamCodec
    errors: ErrorCodec
    relay: Relay
    models: ModelList = ModelList()
    headers: Headers = Headers()
    keys: Keys = Keys()
    face: Face | None = None
    """Where the gateway serves the protocol; None = it only asks providers in it."""
    abilities: Abilities = Abilities()
    opaque: Opaque = Opaque()
    operations: Mapping[Operation, AnyOperationCodec] = {}
    """What is asked beside chat, of the gateway by clients and of providers by the gateway."""
    provides: Mapping[Operation, AnyProviderSide] = {}
    """What only providers are asked beside chat: by chat's path, or by one that no client is served."""

    probe: Probe | None = None
    """How it is tested; None = `dragoman test` does not know it."""
    resources: frozenset[Resource] = frozenset()
    """What providers keep for their accounts that can be passed through."""
    quirks: Quirks = STANDARD
    """How a server deviates of which only the protocol is known."""

    def asked(self) -> dict[Operation, AnyProviderSide]:
        """What providers are asked beside chat."""
        return {
            **self.provides,
            **{operation: codec.provider for operation, codec in self.operations.items()},
        }

    def locator(self, request: WireRequest) -> Callable[[str], str]:
        """What turns a place in IR terms into a JSON path of this request, in its client's spelling."""
        if request.written is not None:
            request = msgspec.structs.replace(request, body=request.written)
        codec = self.request
        locate = codec.locate if codec.locate_in is None else partial(codec.locate_in, request)
        if not request.continued[1]:
            return locate
        return lambda where: locate(_own_place(where, request.continued))

    def check_widely(self, request: WireRequest, widens: frozenset[Wider]) -> None:
        """Check a request for servers of this protocol that take so much more. Raises WireError."""
        codec = self.request
        codec.check(request if codec.widen is None else codec.widen(request, widens))


_MESSAGE = re.compile(r"messages\[(\d+)\]")


def _own_place(where: str, continued: tuple[int, int]) -> str:
    """A place in what the client wrote; what the request continues is one place, `previous`."""
    found = _MESSAGE.match(where)
    start, count = continued
    if found is None or (number := int(found[1])) < start:
        return where
    return f"messages[{number - count}]{where[found.end() :]}" if number >= start + count else "previous"
