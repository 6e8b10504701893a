"""OpenAI's legacy completions, decoded and encoded: POST /v1/completions.

Specification: https://platform.openai.com/docs/api-reference/completions, OpenAPI document 2.3.0 of
https://github.com/openai/openai-openapi. The model continues a prompt; there is no conversation. Usage,
finish reasons and errors have the forms of chat.

Canonical form: decoding and encoding a request drops null members and an empty `stream_options`. A response
loses a null `usage` and its unknown members that are null, and a stream also `obfuscation`, and all but the
last value of an unknown member.

Prompts of token ids are sent only to servers of this protocol. Several prompts of one request (at most 16
answers) are sent to servers of other protocols one after another. If the client asks for its prompt in the
response (`echo`) and the answer comes in another protocol, the gateway repeats the prompt.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Face, Headers, Paths
from dragoman.dialects.dialect import Abilities, Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec
from dragoman.dialects.openai.errors import decode_error, encode_error
from dragoman.dialects.openai.headers import REQUEST_HEADERS, RESPONSE_HEADERS
from dragoman.dialects.openai_completions.check import check
from dragoman.dialects.openai_completions.locate import locate
from dragoman.dialects.openai_completions.relay import CompletionsRelay
from dragoman.dialects.openai_completions.request import (
    FIELDS,
    MAPS,
    brief,
    decode_request,
    encode_request,
    parts,
    portable,
)
from dragoman.dialects.openai_completions.response import decode_response, encode_response
from dragoman.dialects.openai_completions.stream_decoder import CompletionsDecoder
from dragoman.dialects.openai_completions.stream_encoder import CompletionsEncoder
from dragoman.dialects.openai_completions.terms import ID_PREFIX, NAME, PATH
from dragoman.dialects.openai_completions.widened import widened
from dragoman.dialects.resources import OPENAIS

DIALECT: Final = Dialect(
    name=NAME,
    title="OpenAI Completions",
    spec="https://platform.openai.com/docs/api-reference/completions",
    version="2.3.0",
    paths=Paths(chat=PATH),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPS,
        check_portable=portable,
        widen=widened,
        questions=parts,
    ),
    response=ResponseCodec(id_prefix=ID_PREFIX, decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        content_type="text/event-stream; charset=utf-8",
        decoder=CompletionsDecoder,
        encoder=CompletionsEncoder,
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=CompletionsRelay(),
    headers=Headers(request=REQUEST_HEADERS, response=RESPONSE_HEADERS),
    face=Face(),
    resources=OPENAIS,
    abilities=Abilities(features=frozenset({"vendors_schema"})),
)
