"""Ollama's own protocol, both directions: POST /api/chat.

Specification: https://docs.ollama.com/api/chat, read at ollama/ollama fb307609 (api/types.go,
server/routes.go). Streams are JSON values, one a line, and a request that says nothing of it gets one.

Canonical form, up to which a body comes back as it was: a member that is null, "", or an empty list or map
where it lists or maps nothing is absent; `stream` is always written; roles are in lower case; `type:
"function"` of a tool or a call goes without saying, and so does a call's `index`; the lines of a stream have
one `created_at`, and may cut its words elsewhere.

What it cannot say, and what becomes of it:
- forcing a call, serial calls only: losses; a subset of the tools: only those are offered;
- the order of words and pictures in one message: pictures stand beside the words;
- media that are named by an address: fetched before they come here; files of other providers, PDF: refused;
- free-text tools: emulated before they come here;
- budgets of thinking: a level; seals, sources, refusals as such, marks for prompt caching: losses;
- several answers to one question, logit_bias, authors' names, end users, metadata, tiers: losses;
- an id of an answer, counts of cached and of reasoning tokens: losses.

Options and members that only this server has (`num_ctx`, `keep_alive`, …) stay with it, and are a hint of a
loss elsewhere. `generate` is the older endpoint, in terms of this one (`GENERATE`).
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
from dragoman.dialects.ollama.relay import OllamaRelay
from dragoman.dialects.ollama.request import FIELDS, MAPS, brief, decode_request, encode_request
from dragoman.dialects.ollama.response import decode_response, encode_response
from dragoman.dialects.ollama.stream_decoder import OllamaDecoder
from dragoman.dialects.ollama.stream_encoder import OllamaEncoder
from dragoman.dialects.ollama.terms import NAME, PATH
from dragoman.dialects.ollama.widened import widened

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
        # A call cannot be forced at all, so nothing about forcing one forbids to think.
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
"""What the older endpoint's clients speak. No provider is asked in it, so everything is translated."""
