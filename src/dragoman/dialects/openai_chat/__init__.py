"""OpenAI chat completions, as OpenAI and its compatible vendors use them, decoded and encoded.

Specification: https://platform.openai.com/docs/api-reference/chat, OpenAPI document 2.3.0 of
https://github.com/openai/openai-openapi; for vendors, recorded traffic and their own pages.

Canonical form: a body that is decoded and encoded again may differ from the original, for example:
- left out: most null members; empty lists of annotations, calls or reasoning details; empty `stream_options`
  and `prompt_cache_options`; in a whole message the `index` of a call, if it equals the call's position; in a
  choice an empty `delta`, empty log probabilities;
- always written: an assistant's `content` (null if it is missing, unless the vendor rejects null), the type
  of a call (in answers the call's id, too), and what the specification requires of answers;
- a percent-encoded data URL becomes base64; other names of an audio format become the usual one; images that
  an assistant message sends back move to a user message, unless the vendor accepts them
  (`Quirks.answer_images`);
- in streams, `obfuscation` and a `message` beside `delta` are dropped, and an unknown member keeps only its
  last value.

Other dialects have, and this one lacks, among others: the order of text and calls in one message (text comes
first); seals in answers, except Gemini's on calls; calls of the provider's own tools; citations without a
URL; video; tool results that are not text (media move to a user message); the stop reason "pause"; the name
of the stop sequence that ended an answer.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Face, Headers, Paths, Probe
from dragoman.dialects.dialect import Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec
from dragoman.dialects.openai.embedding import EMBEDDING
from dragoman.dialects.openai.errors import decode_error, encode_error
from dragoman.dialects.openai.headers import REQUEST_HEADERS, RESPONSE_HEADERS
from dragoman.dialects.openai.image import IMAGE
from dragoman.dialects.openai.moderation import MODERATION
from dragoman.dialects.openai.realtime import LIVE
from dragoman.dialects.openai.rerank import RERANK
from dragoman.dialects.openai.speech import SPEECH
from dragoman.dialects.openai.terms import NAME
from dragoman.dialects.openai.transcription import TRANSCRIPTION
from dragoman.dialects.openai_chat.check import check
from dragoman.dialects.openai_chat.locate import locate, place
from dragoman.dialects.openai_chat.relay import RELAY
from dragoman.dialects.openai_chat.request import FIELDS, MAPS, brief, decode_request, encode_request
from dragoman.dialects.openai_chat.response import decode_response, encode_response
from dragoman.dialects.openai_chat.stream_decoder import ChatDecoder
from dragoman.dialects.openai_chat.stream_encoder import ChatEncoder
from dragoman.dialects.openai_chat.terms import PATH
from dragoman.dialects.openai_chat.widened import widened
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.resources import OPENAIS

DIALECT: Final = Dialect(
    name=NAME,
    title="OpenAI Chat Completions",
    spec="https://platform.openai.com/docs/api-reference/chat",
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
        widen=widened,
        locate_in=place,
    ),
    response=ResponseCodec(id_prefix="chatcmpl-", decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        content_type="text/event-stream; charset=utf-8", decoder=ChatDecoder, encoder=ChatEncoder
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=RELAY,
    headers=Headers(request=REQUEST_HEADERS, response=RESPONSE_HEADERS),
    probe=Probe(called="OpenAI's chat completions", question="messages"),
    face=Face(also=("/chat",)),
    resources=OPENAIS,
    live=LIVE,
    quirks=Quirks(functions=False),
    operations={
        "embed": EMBEDDING,
        "image": IMAGE,
        "moderation": MODERATION,
        "rerank": RERANK,
        "speech": SPEECH,
        "transcription": TRANSCRIPTION,
    },
)
