"""Ollama's own protocol, decoded and encoded: POST /api/chat.

Specification: https://docs.ollama.com/api/chat, read at ollama/ollama fb307609 (api/types.go,
server/routes.go). A stream is one JSON value per line; a request without `stream` gets a stream.

Canonical form: a body that is decoded and encoded again may differ from the original, for example:
- left out: null members, most known members that are empty, the type of a call, in requests a call's `index`;
- always written: `stream`, `content`, in answers the model, the date and `done`, and the type "function" of a
  tool;
- roles are in lower case; 3.0 becomes 3 in the options `seed`, `top_k` and `num_predict`; a call without an
  id gets the id that its result states;
- all lines of a stream have the same date, and the text may be cut at other places.

Some features that the protocol lacks are replaced:
- a choice of no tool or of some tools: only the chosen tools are offered; free-text tools and forced calls
  are emulated before encoding;
- media by URL are downloaded before encoding; media of the assistant or in a tool's result move to a message
  of the user;
- thinking budgets and other efforts become a level; documents and refusals become text; images in answers
  become Markdown.

Members that only Ollama has (`num_ctx`, `keep_alive`, …) are lost in other protocols, mostly as a "hint".
`generate` translates the older endpoint into this one (`GENERATE`).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from dragoman.dialects.access import Face, Headers, ModelList, Paths, Probe
from dragoman.dialects.dialect import Abilities, Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec
from dragoman.dialects.ollama import generate
from dragoman.dialects.ollama.check import check
from dragoman.dialects.ollama.embedding import EMBEDDING
from dragoman.dialects.ollama.errors import decode_error, encode_error
from dragoman.dialects.ollama.history import reads
from dragoman.dialects.ollama.locate import locate, place
from dragoman.dialects.ollama.options import widened
from dragoman.dialects.ollama.relay import OllamaRelay
from dragoman.dialects.ollama.request import FIELDS, MAPS, brief, decode_request, encode_request
from dragoman.dialects.ollama.response import decode_response, encode_response
from dragoman.dialects.ollama.stream_decoder import OllamaDecoder
from dragoman.dialects.ollama.stream_encoder import OllamaEncoder
from dragoman.dialects.ollama.terms import NAME, PATH

DIALECT: Final = Dialect(
    name=NAME,
    title="Ollama",
    spec="https://docs.ollama.com/api/chat",
    version="fb307609",
    paths=Paths(chat=PATH, base=""),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPS,
        locate_in=place,
        widen=widened,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        framing="ndjson",
        content_type="application/x-ndjson",
        decoder=OllamaDecoder,
        encoder=OllamaEncoder,
        ping=b"",
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=OllamaRelay(),
    headers=Headers(response=frozenset({"retry-after"})),
    abilities=Abilities(
        # A forced call is requested by a schema, which never conflicts with thinking.
        features=frozenset({"schema", "json", "forced_thinking"}),
        reads=reads,
    ),
    models=ModelList(path="/api/tags", member="models", name="name"),
    probe=Probe(called="Ollama's API", path="/api/version", member="version"),
    face=Face(roots=("",), alone=("/api/",)),
    operations={"embed": EMBEDDING},
)

GENERATE: Final = replace(
    DIALECT,
    spec="https://docs.ollama.com/api/generate",
    paths=Paths(),
    request=replace(
        DIALECT.request,
        check=generate.check,
        decode=generate.decode_request,
        members=generate.MAPS,
        locate_in=generate.located,
    ),
    response=replace(DIALECT.response, encode=generate.encode_response),
    stream=replace(DIALECT.stream, encoder=generate.GenerateEncoder),
)
"""The dialect of clients of /api/generate, the older endpoint. Every such request is translated."""
