"""Cohere's own chat protocol, decoded and encoded: POST /v2/chat.

Specification: https://docs.cohere.com/reference/chat; read in the form of the client `cohere` 7.3.1. A stream
consists of server-sent events with a name and a `type`, and `[DONE]` at the end.

Canonical form: a body that is decoded and encoded again may differ from the original in these points, for
example:
- left out: null members, empty plans, empty lists of calls and of citations, in answers also empty content;
- changed: the arguments "null" of a call become ""; in answers, content that is a string becomes a list;
- added: the type of a tool, of a call and of a citation, and a citation's cited text; in answers also the id;
- citations stand in the order of the texts that they belong to.

The main replacements of features that the protocol lacks:
- a forced call of certain tools: only these tools are offered, and a call of any tool is forced;
- text before calls in earlier answers: `tool_plan`; an effort below "high": a budget of thinking;
- the role `developer`: `system`; refusals: text; text documents in tool results: `document` parts, other
  documents: text;
- images in messages of the assistant or in tool results: moved to a user message.

Not implemented: /v1/chat and /v1/generate, which Cohere has replaced (their models are retired or also at
/v2/chat, https://docs.cohere.com/docs/migrating-v1-to-v2, read 2026-11), and /v1/tokenize, which counts the
tokens of a text, not those of a conversation.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Headers, ModelList, Paths
from dragoman.dialects.cohere.check import check
from dragoman.dialects.cohere.embedding import EMBEDDING
from dragoman.dialects.cohere.errors import decode_error, encode_error
from dragoman.dialects.cohere.locate import locate, place
from dragoman.dialects.cohere.relay import CohereRelay
from dragoman.dialects.cohere.request import FIELDS, MAPS, brief, decode_request, encode_request
from dragoman.dialects.cohere.rerank import RERANK
from dragoman.dialects.cohere.response import decode_response, encode_response
from dragoman.dialects.cohere.stream_decoder import CohereDecoder
from dragoman.dialects.cohere.stream_encoder import CohereEncoder
from dragoman.dialects.cohere.terms import NAME, PATH
from dragoman.dialects.dialect import Abilities, Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec

_RATES: Final = frozenset(f"x-ratelimit-{part}" for part in ("limit", "remaining", "reset"))

DIALECT: Final = Dialect(
    name=NAME,
    title="Cohere",
    spec="https://docs.cohere.com/reference/chat",
    version="7.3.1",
    paths=Paths(chat=PATH, base="/v2", appends=True),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPS,
        locate_in=place,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        content_type="text/event-stream; charset=utf-8", decoder=CohereDecoder, encoder=CohereEncoder
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=CohereRelay(),
    headers=Headers(response=frozenset({"retry-after", "retry-after-ms"}) | _RATES),
    abilities=Abilities(
        # Nothing in the documentation forbids a forced call with reasoning.
        features=frozenset({"schema", "json", "forced_tool", "forced_thinking"}),
        # "not supported … with the `documents` or `tools` parameters": https://docs.cohere.com/reference/chat
        formats_alone=True,
    ),
    # https://docs.cohere.com/v1/reference/list-models.md, read in 2026-11
    models=ModelList(
        member="models",
        name="name",
        query={"page_size": "1000"},
        cursor="page_token",
        following="next_page_token",
    ),
    operations={"embed": EMBEDDING},
    provides={"rerank": RERANK},
)
