"""Everything that a protocol states about itself, as one record: `Dialect`.

A dialect is a wire protocol for clients and for providers. Codecs are pure: they have no clock, no random
numbers and no IO. For a wrong value they raise `WireError`, which does not say whether the client or the
upstream is wrong.

    client bytes → request.check → request.decode → ir.Request → request.encode → upstream
    upstream     → response.decode / stream.decoder → ir → response.encode / stream.encoder → client bytes

When client and upstream speak the same dialect and only top-level members change, `relay` edits these members
and leaves all other bytes as they are.
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
from dragoman.dialects.live import Live
from dragoman.dialects.loss import Change
from dragoman.dialects.merging import Spelling
from dragoman.dialects.operation import AnyOperationCodec, AnyProviderSide
from dragoman.dialects.quirks import STANDARD, Quirks, Wider
from dragoman.dialects.relay import Relay
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import Operation, Target, WireRequest
from dragoman.dialects.resources import Resource
from dragoman.dialects.streaming import StreamDecoder, StreamEncoder

Feature = Literal[
    "schema",
    "json",
    "vendors_schema",
    "custom_tools",
    "forced_tool",
    "forced_thinking",
    "namespaces",
    "builtins",
    "single_call",
]
"""A feature that a protocol may have; a missing one is emulated, except for vendors_schema and single_call.
schema: answers that follow a JSON Schema. json: answers of any JSON. vendors_schema: both of these at vendors
whose `Quirks.completion_format` says so, although the protocol has neither. custom_tools: tools with free
text as input. forced_tool: forcing a tool call. forced_thinking: forcing a tool call while the model thinks.
namespaces: tools in groups. builtins: tools that the protocol defines and its client runs, and tools that a
message of the history adds. single_call: forbidding parallel tool calls; if it is missing, the encoder
reports the loss of a client's wish."""

EVERY_FEATURE: frozenset[Feature] = frozenset(get_args(Feature))
USUAL_FEATURES: frozenset[Feature] = EVERY_FEATURE - {"namespaces", "builtins", "vendors_schema"}
"""The features of a protocol that states none."""

Edits: TypeAlias = dict[str, Any]
"""For the relay: top-level member of a body -> its new value, or `msgspec.UNSET` to remove it."""


class RequestCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The functions for chat requests: they check and decode those of clients, and encode those for
    providers.
    """

    check: Callable[[WireRequest], None]
    """Raises WireError for a client's mistake (type, range, missing member), in the protocol's own words."""
    decode: Callable[[WireRequest], ir.Request]
    """Turns a request that has passed `check` into the IR."""
    encode: Callable[[ir.Request, Target], WireRequest]
    """Writes a request for an upstream. What the protocol cannot express is reported as lost, or raises
    WireError."""
    brief: Callable[[WireRequest], ir.Request]
    """Decodes only the fields that the form of the response depends on (model, stream, usage)."""
    fields: Fields
    """Which request fields the encoder handles, and which it loses and why."""
    members: frozenset[str]
    """The top-level members that have a field in `ir.Request`; all others are decoded into its `extra`."""
    locate: Callable[[str], str]
    """Turns an IR path (`sampling.seed`) into a JSON path of this protocol's request."""
    locate_in: Callable[[WireRequest, str], str] | None = None
    """Used instead of `locate` if the JSON path depends on the request, the first argument; None = unused."""
    widen: Callable[[WireRequest, frozenset[Wider]], WireRequest] | None = None
    """Makes a copy of a request for `check`, without values that `check` refuses but servers with these
    `Quirks.widens` accept; None = no server accepts more than the protocol's author.
    """
    check_portable: Callable[[WireRequest], None] | None = None
    """Raises WireError for a request that only a server of the same protocol can answer; None = no request is
    refused in this way."""
    questions: Callable[[ir.Request], Sequence[ir.Request]] | None = None
    """Splits a request with several prompts into requests for one answer each, for servers of other
    protocols. The result is empty for a request with one prompt, and for prompts of token ids. Raises
    WireError if there would be too many requests. None = a request never has several prompts.
    """
    unstored: Callable[[Mapping[str, Any], Facts, Quirks], tuple[Edits, tuple[Change, ...]]] | None = None
    """The edits by which a relayed body (the first argument) asks the provider not to store the response, and
    the changes to report; None = no such edits are made."""

    def located(self, request: WireRequest, where: str) -> str:
        """Return the JSON path, in the body of this request, of the value that has the IR path `where`. A
        codec without `locate_in` does not look at the body: the value may be missing there.
        """
        return self.locate(where) if self.locate_in is None else self.locate_in(request, where)


class ResponseCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that decode whole chat responses of providers, and encode them for clients."""

    decode: Callable[[dict[str, Any], Quirks], ir.Response]
    """Turns a provider's body into the IR. Raises RequestFailed for an error in the body, WireError for a
    malformed body."""
    encode: Callable[[ir.Response, Reply], dict[str, Any]]
    """Writes the body for the client."""
    id_prefix: str = ""
    """The prefix of response ids that the gateway makes."""


class StreamCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The decoder for chat streams of providers, the encoder for chat streams to clients, and their form."""

    decoder: Callable[[Quirks], StreamDecoder]
    """Makes a decoder for one stream of a provider with these quirks."""
    encoder: Callable[[Reply], StreamEncoder]
    """Makes an encoder for one stream to a client."""
    content_type: str
    """The `content-type` header of a stream to a client in the usual `framing`."""
    framing: Framing = "sse"
    """How streams are cut into frames, unless `json_framing` or the client says otherwise."""
    json_framing: Framing | None = None
    """The framing of a provider's stream of type `application/json`; None = that is a whole response."""
    ping: bytes = b": ping\n\n"
    """The bytes of a heartbeat to a client, which is sent when the stream is silent; empty = the protocol has
    none."""


class ErrorCodec(msgspec.Struct, frozen=True, kw_only=True):
    """The functions that decode error responses of providers, and encode errors for clients."""

    decode: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    """Turns an error response (status, headers, body) into a fault."""
    decode_frame: Callable[[bytes], ir.Fault] | None = None
    """Turns an exception of a stream's framing into a fault; None = the framing has no exceptions."""
    encode: Callable[[ir.Fault, str | None], tuple[int, dict[str, str], bytes]]
    """Writes a fault as status, extra headers and body. The text: the request's id for the body, if any."""


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """The abilities of the protocol's servers. The gateway emulates features that the servers lack
    (`Feature`), renames tools with names that they refuse, and downloads media that they do not read from a
    URL.
    """

    features: frozenset[Feature] = USUAL_FEATURES
    """The features that the protocol has. A missing one is emulated; "schema" is emulated also if the model
    (`Facts`) or the vendor (`Quirks`) lacks it."""
    tool_name: str = r"[A-Za-z0-9_-]{1,64}"
    """The regular expression that a tool's whole name must match."""
    formats_alone: bool = False
    """Whether a request may not have both tools and a form of the answer (a schema, JSON). For a request with
    both, the gateway emulates the form."""
    reads: Callable[[ir.Media], bool] | None = None
    """Whether the servers download this medium from its URL, so that the gateway need not. None = they do for
    `http:`, `https:` and `data:` URLs, unless the vendor's `media_urls` is False."""


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """How the protocol handles opaque parts of a response: only the provider that made them understands them,
    and the client's later requests send them back.
    """

    seals: bool = False
    """Whether responses hold seals (`ir.Sealed`) that the client's next request must send back."""
    foreign: tuple[bytes, ...] = ()
    """Byte strings that occur in a client's body only if it repeats another provider's reasoning, which the
    protocol's own servers refuse."""
    native: Callable[[ir.Block], ir.Native] | None = None
    """Turns a block of a response with a call or a result of the provider's own tools into the block that a
    later request repeats; None = requests repeat no such blocks."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The record of everything that one protocol states about itself."""

    name: str
    """The name in the configuration: `openai_chat`."""
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
    """Where the gateway serves the protocol to clients; None = only providers speak it."""
    abilities: Abilities = Abilities()
    opaque: Opaque = Opaque()
    operations: Mapping[Operation, AnyOperationCodec] = {}
    """The codecs of operations beside chat for which the protocol has a client's and a provider's side."""
    provides: Mapping[Operation, AnyProviderSide] = {}
    """Operations beside chat of which the protocol has only the provider's side."""
    probe: Probe | None = None
    """How `dragoman test` recognises and tests a server; None = it cannot."""
    resources: frozenset[Resource] = frozenset()
    """The kinds of stored objects at a provider (files, batches) whose requests the gateway passes on."""
    live: Live | None = None
    """The realtime sessions over WebSockets; None = the protocol has none."""
    spelling: Spelling | None = None
    """The spellings of members' names in requests; None = each name has one spelling."""
    quirks: Quirks = STANDARD
    """The quirks of a server whose vendor is not in the catalogue."""

    def asked(self) -> dict[Operation, AnyProviderSide]:
        """Return operation -> the provider's side, for every operation beside chat that providers of this
        protocol offer: those in `operations` and in `provides`. For an operation in both, the side in
        `operations` is returned.
        """
        return {
            **self.provides,
            **{operation: codec.provider for operation, codec in self.operations.items()},
        }

    def locator(self, request: WireRequest) -> Callable[[str], str]:
        """Return a function that turns an IR path into a JSON path of this request's body as the client wrote
        it. Messages that the gateway has added (`WireRequest.continued`) are not counted in the JSON paths of
        the client's messages. For an added message, the function returns the JSON path of the IR field
        `previous`, for example `$.previous_response_id`.
        """
        if request.written is not None:
            request = msgspec.structs.replace(request, body=request.written)
        codec = self.request
        locate = partial(codec.located, request)
        if not request.continued[1]:
            return locate
        return lambda where: locate(_own_place(where, request.continued))

    def check_widely(self, request: WireRequest, widens: frozenset[Wider]) -> None:
        """Raise WireError for a mistake in a client's chat request. Values that `widens` names are no
        mistakes here, although the protocol's author refuses them. A protocol without `RequestCodec.widen`
        has no such values. The request is not changed.
        """
        codec = self.request
        codec.check(request if codec.widen is None else codec.widen(request, widens))


_MESSAGE = re.compile(r"messages\[(\d+)\]")


def _own_place(where: str, continued: tuple[int, int]) -> str:
    found = _MESSAGE.match(where)
    start, count = continued
    if found is None or (number := int(found[1])) < start:
        return where
    return f"messages[{number - count}]{where[found.end() :]}" if number >= start + count else "previous"
