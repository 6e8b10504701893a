"""Everything that a protocol states about itself, as one record: `Dialect`.

A dialect is a wire protocol in both directions. Codecs are pure: they have no clock, no random numbers and
no IO. They raise `WireError`, which does not say whether the client or the upstream is wrong.

    client bytes → request.check → request.decode → ir.Request → request.encode → upstream
    upstream     → response.decode / stream.decoder → ir → response.encode / stream.encoder → client bytes

When client and upstream speak the same dialect and only named members change, `relay` passes the bytes
through with these edits instead.
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
"""A feature that a protocol has; a missing feature is emulated. schema: an answer by JSON Schema. json: an
answer of any JSON. custom_tools: tools with free text. forced_thinking: forcing a tool while the model
thinks. namespaces: tools in groups. builtins: tools that the protocol defines and its client runs, and tools
that a message of the history adds."""

EVERY_FEATURE: frozenset[Feature] = frozenset(get_args(Feature))
USUAL_FEATURES: frozenset[Feature] = EVERY_FEATURE - {"namespaces", "builtins"}
"""The default of a dialect. Only one protocol has the other two features."""

Edits: TypeAlias = dict[str, Any]
"""Top-level members of a relayed body to their new values."""


class RequestCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request, in both directions."""

    check: Callable[[WireRequest], None]
    """Raises WireError, worded as the protocol does, for a client's mistake (type, range, missing field)."""
    decode: Callable[[WireRequest], ir.Request]
    """The request in the IR. The argument has passed `check`."""
    encode: Callable[[ir.Request, Target], WireRequest]
    """The request for an upstream. Raises WireError when the protocol cannot express it."""
    brief: Callable[[WireRequest], ir.Request]
    """The fields that the answer's form depends on (model, stream, usage), without the messages."""
    fields: Fields
    """How the dialect handles each field of the IR."""
    members: frozenset[str]
    """The top-level members that have a field in the IR, so that they never land in `extra`."""
    locate: Callable[[str], str]
    """Turns a path in the IR into a JSON path of this protocol's request."""
    locate_in: Callable[[WireRequest, str], str] | None = None
    """As `locate`, for a protocol with several members for one IR field: it also reads the request."""
    widen: Callable[[WireRequest, frozenset[Wider]], WireRequest] | None = None
    """The request without the values that `check` refuses but servers with these quirks accept
    (`Quirks.widens`); None = no server accepts more than the protocol's author."""
    check_portable: Callable[[WireRequest], None] | None = None
    """Raises WireError for a request that only a server of the same protocol can answer; None = every
    request can be translated."""
    questions: Callable[[ir.Request], Sequence[ir.Request]] | None = None
    """Splits a request with several prompts into requests with one prompt each, for servers of other
    protocols; empty for one prompt. None = a request has one prompt. Raises WireError for too many."""
    unstored: Callable[[Mapping[str, Any], Facts, Quirks], tuple[Edits, tuple[Change, ...]]] | None = None
    """The edits that tell the provider of a relayed body to store nothing, and the changes to report; None =
    providers never store anything."""


class ResponseCodec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, in both directions."""

    decode: Callable[[dict[str, Any], Quirks], ir.Response]
    """The answer in the IR."""
    encode: Callable[[ir.Response, Reply], dict[str, Any]]
    """The body to send to the client."""
    id_prefix: str = ""
    """The prefix of an answer's id when the gateway makes the id."""


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
    """The framing of a stream in `application/json`; None = such an answer is never a stream."""
    ping: bytes = b": ping\n\n"
    """A heartbeat before the first event of a stream; empty when the protocol has none."""


class ErrorCodec(msgspec.Struct, frozen=True, kw_only=True):
    """An error, in both directions."""

    decode: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    """The fault in an error's status, headers and body."""
    encode: Callable[[ir.Fault, str | None], tuple[int, dict[str, str], bytes]]
    """Status, extra headers and body. The text is the request's id, for envelopes that carry it."""


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the protocol's servers accept. The gateway emulates, renames or fetches everything else."""

    features: frozenset[Feature] = USUAL_FEATURES
    """The features that need no emulation."""
    tool_name: str = r"[A-Za-z0-9_-]{1,64}"
    """The pattern that a tool's whole name must match."""
    reads: Callable[[ir.Media], bool] | None = None
    """Whether the servers download a medium from its address; None = always. Otherwise the gateway fetches
    it."""


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of an answer that only the protocol's own servers understand, and that later requests repeat."""

    seals: bool = False
    """True: answers hold seals that the next request must bring back."""
    foreign: tuple[bytes, ...] = ()
    """Bytes that show reasoning of another provider in a client's body. The protocol's own servers refuse
    such reasoning."""
    native: Callable[[ir.Block], ir.Native] | None = None
    """Turns a call or result of the provider's own tools, as an answer holds it, into the block of a later
    request; None = requests hold no such blocks."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol, both directions."""

    name: str
    """The name in the configuration."""
    title: str
    """The name in documentation and on screens."""
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
    """Where the gateway serves the protocol; None = only providers speak it."""
    abilities: Abilities = Abilities()
    opaque: Opaque = Opaque()
    operations: Mapping[Operation, AnyOperationCodec] = {}
    """Operations beside chat that both clients and providers have."""
    provides: Mapping[Operation, AnyProviderSide] = {}
    """Operations beside chat that only providers have: at the path of chat, or at a path without clients."""

    probe: Probe | None = None
    """How `dragoman test` tests a server; None = it cannot."""
    resources: frozenset[Resource] = frozenset()
    """Resources of a provider's account (files, batches) whose requests the gateway passes on."""
    quirks: Quirks = STANDARD
    """The quirks of a server of an unknown vendor."""

    def asked(self) -> dict[Operation, AnyProviderSide]:
        """How a provider is asked for each operation beside chat."""
        return {
            **self.provides,
            **{operation: codec.provider for operation, codec in self.operations.items()},
        }

    def locator(self, request: WireRequest) -> Callable[[str], str]:
        """A function from a path in the IR to a JSON path of this request, as its client wrote it."""
        if request.written is not None:
            request = msgspec.structs.replace(request, body=request.written)
        codec = self.request
        locate = codec.locate if codec.locate_in is None else partial(codec.locate_in, request)
        if not request.continued[1]:
            return locate
        return lambda where: locate(_own_place(where, request.continued))

    def check_widely(self, request: WireRequest, widens: frozenset[Wider]) -> None:
        """Check a request for servers that accept these further values. Raises WireError."""
        codec = self.request
        codec.check(request if codec.widen is None else codec.widen(request, widens))


_MESSAGE = re.compile(r"messages\[(\d+)\]")


def _own_place(where: str, continued: tuple[int, int]) -> str:
    """The path in the client's own messages; `previous` for a message that the request continues."""
    found = _MESSAGE.match(where)
    start, count = continued
    if found is None or (number := int(found[1])) < start:
        return where
    return f"messages[{number - count}]{where[found.end() :]}" if number >= start + count else "previous"
