"""Anthropic Messages, both directions: POST /v1/messages.

Specification: https://platform.claude.com/docs/en/api/messages, read in the form of the client `anthropic`
2.12.0 (types and beta types), API versions 2023-06-01 and 2026-10-21.

Canonical form. A request or an answer that is decoded to the IR and encoded again may differ from the
original in these points, for example:
- in a request, null in a member with an IR field is left out, and so is `stream: false`;
- an empty list of citations is left out; thinking without a signature gets an empty signature in an answer,
  and is left out of a request for a server that verifies signatures, which is reported as a loss;
- an empty list as the content of a `tool_result` is left out;
- a document's `content` source that is a string becomes a list with this text;
- in streams, an empty `partial_json` and other empty deltas are left out, a tool's empty input is written as
  the delta `{}`, and the last `message_delta` states the whole usage.
"""

from __future__ import annotations

from dragoman.dialects.access import Face, Headers, Keys, ModelList, Paths, Probe
from dragoman.dialects.anthropic.block_encoder import native
from dragoman.dialects.anthropic.check import MEMBERS, check
from dragoman.dialects.anthropic.count import COUNT
from dragoman.dialects.anthropic.errors import decode_error, encode_error
from dragoman.dialects.anthropic.locate import locate, place
from dragoman.dialects.anthropic.relay import AnthropicRelay
from dragoman.dialects.anthropic.request import FIELDS, PATH, brief, decode_request, encode_request, portable
from dragoman.dialects.anthropic.response import decode_response, encode_response
from dragoman.dialects.anthropic.stream_decoder import AnthropicDecoder
from dragoman.dialects.anthropic.stream_encoder import PING, AnthropicEncoder
from dragoman.dialects.anthropic.terms import BETA_HEADER, FOREIGN, NAME, VERSION, VERSION_HEADER
from dragoman.dialects.anthropic.widened import widened
from dragoman.dialects.dialect import (
    Abilities,
    Dialect,
    ErrorCodec,
    Opaque,
    RequestCodec,
    ResponseCodec,
    StreamCodec,
)

_RATE_LIMITS = frozenset(
    f"anthropic-ratelimit-{what}-{part}"
    for what in ("requests", "tokens", "input-tokens", "output-tokens")
    for part in ("limit", "remaining", "reset")
)

DIALECT = Dialect(
    name=NAME,
    title="Anthropic Messages",
    spec="https://platform.claude.com/docs/en/api/messages",
    version="2026-10-21",
    paths=Paths(chat=PATH, appends=True),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MEMBERS,
        locate_in=place,
        check_portable=portable,
        widen=widened,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response, id_prefix="msg_"),
    stream=StreamCodec(
        content_type="text/event-stream; charset=utf-8",
        decoder=AnthropicDecoder,
        encoder=AnthropicEncoder,
        ping=PING,
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=AnthropicRelay(),
    headers=Headers(
        # Required. Other servers than Anthropic's may support only the older version.
        # https://platform.claude.com/docs/en/api/versioning
        required={VERSION_HEADER: VERSION},
        id=b"request-id",
        request=frozenset({VERSION_HEADER, BETA_HEADER}),
        response=frozenset({"request-id", "retry-after", "x-should-retry"}) | _RATE_LIMITS,
    ),
    abilities=Abilities(
        features=frozenset({"schema", "forced_tool", "single_call"}), tool_name=r"[A-Za-z0-9_-]{1,128}"
    ),
    opaque=Opaque(seals=True, foreign=FOREIGN, native=native),
    # https://platform.claude.com/docs/en/api/cli/models/list.md, read in 2026-11
    models=ModelList(query={"limit": "1000"}, cursor="after_id", following="last_id", more="has_more"),
    keys=Keys(scheme="x-api-key", headers=("x-api-key",)),
    probe=Probe(called="Anthropic's Messages", question="messages"),
    # The second root is for clients whose base URL must select one protocol of the gateway.
    face=Face(roots=("/v1", "/anthropic/v1"), client_headers=(VERSION_HEADER,)),
    resources=frozenset({"files", "message_batches"}),
    operations={"count": COUNT},
)
