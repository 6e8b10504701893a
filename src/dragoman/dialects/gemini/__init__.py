"""Gemini, both directions: generateContent and streamGenerateContent of AI Studio and of Vertex AI.

Specification: https://ai.google.dev/api/generate-content, read in the form of the client google-genai 3.4.0.
Clients may write keys in camelCase or snake_case; the encoders write camelCase. The path states the model and
whether the answer streams; a `model` in the body is not read.

Canonical form. A request or an answer that is decoded to the IR and encoded again may differ from the
original in these points, for example:
- the API's own keys are in camelCase; keys in arguments, results, schemas and labels are the client's and
  stay unchanged;
- `model`, null in a member that has an IR field, and an empty `generationConfig`, `thinkingConfig`,
  `toolConfig`, `functionDeclarations` or list of allowed names are left out;
- 40.0 becomes 40 in `topK`;
- a single object in place of a list, as in Google's examples, becomes a list;
- each of the provider's own tools is a separate object in `tools`; neighbouring function declarations share
  one object;
- types in an OpenAPI schema are words, all in lower case or all in upper case; counts in these schemas
  are numbers;
- levels of thinking are in upper case;
- base64 is padded;
- an empty answer has an empty list of parts, and a stream may split its texts at other places.
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
from dragoman.dialects.gemini.live import LIVE
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
from dragoman.dialects.gemini.terms import NAME, SPELLING
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
    spelling=SPELLING,
    headers=Headers(response=frozenset({"retry-after"})),
    abilities=Abilities(
        features=frozenset({"schema", "json", "forced_tool", "forced_thinking"}),
        tool_name=r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}",
        reads=reads,
    ),
    opaque=Opaque(seals=True, foreign=(FOREIGN,), native=native),
    # https://ai.google.dev/api/rest/v1beta/models/list, read in 2026-11
    models=ModelList(
        member="models",
        name="name",
        prefix="models/",
        query={"pageSize": "1000"},
        cursor="pageToken",
        following="nextPageToken",
    ),
    resources=frozenset({"google_files"}),
    keys=Keys(scheme="x-goog-api-key", headers=("x-goog-api-key",), in_query=True),
    live=LIVE,
    probe=Probe(called="Google's Gemini API", path="/models", member="models", question="contents"),
    face=Face(
        roots=("/v1beta", "/v1alpha", "/v1", "/v1beta1"),
        alone=("/v1beta", "/v1alpha", "/v1beta1"),
        client_headers=("x-goog-api-key", "x-goog-api-client"),
    ),
    operations={"count": COUNT, "embed": EMBEDDING},
    provides={"image": IMAGE, "speech": SPEECH, "transcription": TRANSCRIPTION},
)
