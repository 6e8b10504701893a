"""OpenAI Responses, as OpenAI and Azure serve it, and Open Responses 2026-04-24, both decoded and encoded.

Specification: https://platform.openai.com/docs/api-reference/responses, OpenAPI document 2.3.0 of
https://github.com/openai/openai-openapi, and https://www.openresponses.org/specification.

Canonical form: a body that is decoded and encoded again may differ from the original in these points, for
example:
- null members of a request, and its empty lists of log probabilities, are left out;
- an `output_text` has `annotations`, even if empty, and in an answer also `logprobs`; data URLs are written
  in base64;
- a request states `store`, and without `store: true` it also asks for encrypted reasoning, unless the model
  is known to have no reasoning; a vendor that refuses one of these two members does not get it;
- an answer has `error`, `incomplete_details` and `usage`, even if they are null.

A request leaves out thinking whose seal comes from another dialect, and thinking of another dialect's client
that has no seal. In an answer, the seal of another dialect is tagged with the name of that dialect. When the
client sends the seal back, the gateway can send it to a server of that dialect.

Items of OpenAI's own tools, except pictures, and unknown items become Native and keep all their members.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Face, Headers, Paths, Probe
from dragoman.dialects.dialect import (
    EVERY_FEATURE,
    Abilities,
    Dialect,
    ErrorCodec,
    Opaque,
    RequestCodec,
    ResponseCodec,
    StreamCodec,
)
from dragoman.dialects.openai.headers import REQUEST_HEADERS, RESPONSE_HEADERS
from dragoman.dialects.openai.realtime import LIVE
from dragoman.dialects.openai_responses.check import check
from dragoman.dialects.openai_responses.count import COUNT
from dragoman.dialects.openai_responses.errors import decode_error, encode_error
from dragoman.dialects.openai_responses.include import stateless
from dragoman.dialects.openai_responses.items import native
from dragoman.dialects.openai_responses.locate import locate, place
from dragoman.dialects.openai_responses.parts import reads
from dragoman.dialects.openai_responses.relay import ResponsesRelay
from dragoman.dialects.openai_responses.request import (
    FIELDS,
    MAPS,
    brief,
    decode_request,
    encode_request,
    portable,
)
from dragoman.dialects.openai_responses.response import decode_response, encode_response
from dragoman.dialects.openai_responses.stream_decoder import ResponsesDecoder
from dragoman.dialects.openai_responses.stream_encoder import ResponsesEncoder
from dragoman.dialects.openai_responses.terms import ID_PREFIX, NAME, OPEN_RESPONSES, PATH
from dragoman.dialects.openai_responses.widened import widened
from dragoman.dialects.resources import OPENAIS

DIALECT: Final = Dialect(
    name=NAME,
    title="OpenAI Responses",
    spec="https://platform.openai.com/docs/api-reference/responses",
    version="2026-04-24",
    paths=Paths(chat=PATH),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPS,
        locate_in=place,
        unstored=stateless,
        check_portable=portable,
        widen=widened,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response, id_prefix=ID_PREFIX),
    stream=StreamCodec(
        content_type="text/event-stream; charset=utf-8",
        decoder=ResponsesDecoder,
        encoder=ResponsesEncoder,
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=ResponsesRelay(),
    headers=Headers(
        request=REQUEST_HEADERS | {OPEN_RESPONSES},
        response=RESPONSE_HEADERS,
    ),
    abilities=Abilities(features=EVERY_FEATURE, reads=reads),
    opaque=Opaque(seals=True, native=native),
    probe=Probe(called="OpenAI's Responses", question="input"),
    face=Face(),
    resources=OPENAIS,
    live=LIVE,
    operations={"count": COUNT},
)
