"""Amazon Bedrock, both directions: Converse and ConverseStream.

Specification: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, read in the
form of the service model `bedrock-runtime/2023-09-30` of botocore 1.44.5. The path states the model (the id
of a model or of an inference profile, or an ARN) and whether the response streams. The gateway sends requests
in this protocol to providers; it has no endpoint for clients that speak it.

Canonical form. A request or a response that is decoded to the IR and encoded again may differ from the
original in these points, for example:
- null in a member with an IR field, an empty `inferenceConfig`, and an empty `serverToolUsage` are left out;
- a `type` beside a block that only repeats the block's kind is left out; a call without `input` gets `{}`;
- the schema of the output is JSON text of the same value, without other white space;
- in streams, the padding `p` and empty deltas are left out.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Headers, Keys, ModelList, Paths
from dragoman.dialects.bedrock.block_encoder import reads
from dragoman.dialects.bedrock.check import check
from dragoman.dialects.bedrock.count import COUNT
from dragoman.dialects.bedrock.errors import decode_error, encode_error, fault_of
from dragoman.dialects.bedrock.locate import locate
from dragoman.dialects.bedrock.relay import BedrockRelay
from dragoman.dialects.bedrock.request import FIELDS, MAPPED, brief, decode_request, encode_request
from dragoman.dialects.bedrock.response import decode_response, encode_response
from dragoman.dialects.bedrock.stream_decoder import BedrockDecoder
from dragoman.dialects.bedrock.stream_encoder import BedrockEncoder
from dragoman.dialects.bedrock.terms import NAME, PATH, STREAM_PATH
from dragoman.dialects.dialect import (
    Abilities,
    Dialect,
    ErrorCodec,
    Opaque,
    RequestCodec,
    ResponseCodec,
    StreamCodec,
)
from dragoman.wire.eventstream import MIME

DIALECT: Final = Dialect(
    name=NAME,
    title="Bedrock Converse",
    spec="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    version="2023-09-30",
    paths=Paths(chat=PATH, stream=STREAM_PATH, base=""),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPPED,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        content_type=MIME, framing="eventstream", decoder=BedrockDecoder, encoder=BedrockEncoder, ping=b""
    ),
    errors=ErrorCodec(decode=decode_error, decode_frame=fault_of, encode=encode_error),
    relay=BedrockRelay(),
    headers=Headers(response=frozenset({"retry-after", "x-amzn-requestid"})),
    abilities=Abilities(
        # `ToolChoice` in the service model of botocore 1.44.5: `any`, and `tool` "only supported by Anthropic
        # Claude 3 and Amazon Nova models". A model that refuses both has `Facts.forced_tool` False.
        features=frozenset({"schema", "forced_tool"}),
        tool_name=r"[A-Za-z0-9_-]{1,64}",
        reads=reads,
    ),
    opaque=Opaque(seals=True),
    models=ModelList(path=""),
    keys=Keys(signs="bedrock"),
    operations={"count": COUNT},
)
