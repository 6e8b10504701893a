"""Gemini, both directions: generateContent and streamGenerateContent of AI Studio and of Vertex AI.

Specification: https://ai.google.dev/api/generate-content, read in the form of the client google-genai 3.4.0.
Keys may be written in camelCase or snake_case, as protocol buffers demand; the former is what is written.
The model is in the path and so is the wish to stream, not in the body.

Canonical form. A request or an answer that goes through the IR comes back as it was, except that
- keys of the API's own are in camelCase; arguments, results, schemas and labels are the client's and stay;
- members that are null, an empty `generationConfig` or `thinkingConfig`, an empty list of allowed names are
  left out;
- where Google's examples write one object for a list of one, it is a list;
- each tool of the provider's own is an object of its own, neighbouring declarations of functions share one;
- types of OpenAPI schemas are all in upper case, unless all are in lower case, never numbers;
  counts in them are numbers;
- levels of thinking are in upper case;
- base64 is padded;
- an empty answer has an empty list of parts, and a stream may cut its texts elsewhere.

What it cannot say, and what becomes of it:
- free-text tools: emulated before they come here; files of other providers: refused;
- system text in the middle: tagged user text;
- keywords of JSON Schema that the API refuses: described to the model, each a loss;
- serial calls only, logit_bias, min_p, repetition penalties, marks for prompt caching, authors' names,
  metadata, ids of end users: losses;
- voices and formats of other providers: a voice of Google's, PCM at 24 kHz;
- reasoning of other providers: dropped from requests, shown in answers with its seal as a tagged signature.
"""

from __future__ import annotations

from dragoman.dialects.access import Face, Headers, Keys, ModelList, Paths, Probe
from dragoman.dialects.dialect import (
    Abilities,
    Dialect,
    ErrorCodec,
    Opaque,
    RequestCodec,
    ResponseCodec,
    StreamCodec,
)
from dragoman.dialects.gemini.check import check, portable
from dragoman.dialects.gemini.count import COUNT
from dragoman.dialects.gemini.embedding import EMBEDDING
from dragoman.dialects.gemini.errors import decode_error, encode_error
from dragoman.dialects.gemini.image import IMAGE
from dragoman.dialects.gemini.locate import locate, place
from dragoman.dialects.gemini.media import reads
from dragoman.dialects.gemini.part_encoder import native
from dragoman.dialects.gemini.relay import GeminiRelay
from dragoman.dialects.gemini.request import (
    FIELDS,
    MAPPED,
    PATH,
    STREAM_PATH,
    brief,
    decode_request,
    encode_request,
)
from dragoman.dialects.gemini.response import decode_response, encode_response
from dragoman.dialects.gemini.signatures import FOREIGN
from dragoman.dialects.gemini.speech import SPEECH
from dragoman.dialects.gemini.stream_decoder import GeminiDecoder
from dragoman.dialects.gemini.stream_encoder import GeminiEncoder
from dragoman.dialects.gemini.terms import NAME
from dragoman.dialects.gemini.transcription import TRANSCRIPTION

DIALECT = Dialect(
    name=NAME,
    title="Gemini",
    spec="https://ai.google.dev/api/generate-content",
    version="v1beta",
    paths=Paths(chat=PATH, stream=STREAM_PATH, base="/v1beta", appends=True),
    request=RequestCodec(
        check=check,
        check_portable=portable,
        decode=decode_request,
        encode=encode_request,
        locate=locate,
        fields=FIELDS,
        brief=brief,
        members=MAPPED,
        locate_in=place,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response),
    stream=StreamCodec(
        json_framing="json_array",
        content_type="text/event-stream",
        decoder=GeminiDecoder,
        encoder=GeminiEncoder,
        ping=b"",
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=GeminiRelay(),
    headers=Headers(response=frozenset({"retry-after"})),
    abilities=Abilities(
        features=frozenset({"schema", "json", "forced_thinking"}),
        tool_name=r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}",
        reads=reads,
    ),
    opaque=Opaque(seals=True, foreign=(FOREIGN,), native=native),
    models=ModelList(member="models", name="name"),
    keys=Keys(scheme="x-goog-api-key", headers=("x-goog-api-key",), in_query=True),
    probe=Probe(called="Google's Gemini API", path="/models", member="models", question="contents"),
    face=Face(
        roots=("/v1beta", "/v1alpha", "/v1"),
        alone=("/v1beta", "/v1alpha"),
        client_headers=("x-goog-api-key", "x-goog-api-client"),
    ),
    operations={"count": COUNT, "embed": EMBEDDING},
    provides={"image": IMAGE, "speech": SPEECH, "transcription": TRANSCRIPTION},
)
