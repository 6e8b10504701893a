"""Mistral chat completions, decoded and encoded: POST /v1/chat/completions.

Specification: https://docs.mistral.ai/api/#tag/chat; read in the form of the client `mistralai` 3.7.0. The
protocol comes from OpenAI's chat (docs/decisions/0024): the common code is in `dialects/chat`, the
differences are here.

Canonical form: a body that is decoded and encoded again may differ from the original, for example:
- left out: most null members, `prefix: false`, `closed: true`, the id "null" of a call, and in requests the
  `index` of a call if it is 0 or the call's position;
- added: the type of a tool and of a call, and in answers the id and the position of a call;
- the arguments of a call are text; the arguments "null" become "";
- the texts of one thinking chunk are joined; in answers adjacent texts are joined, too, and a list that holds
  one text becomes a string;
- in streams, the padding `p` is dropped, and an unknown member keeps only its last value.

For a client of another dialect, the main replacements of content that Mistral does not accept are:
- a user or system message directly after a tool's result: the assistant says "OK" between them;
- system text after the assistant or at the end: tagged text of the user;
- `top_p` 0: the lowest accepted value;
- an assistant message at the end: it gets `prefix`, so that the model continues it;
- ids of calls other than nine letters and digits: nine characters derived from the id;
- the role `developer`: `system`; refusals: text;
- a choice among some of the tools: only these tools are offered.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import Headers, Paths
from dragoman.dialects.chat.relay import ChatRelay, Words
from dragoman.dialects.dialect import Abilities, Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec
from dragoman.dialects.mistral.check import check
from dragoman.dialects.mistral.embedding import EMBEDDING
from dragoman.dialects.mistral.errors import decode_error, encode_error, fault_of
from dragoman.dialects.mistral.locate import locate, place
from dragoman.dialects.mistral.moderation import MODERATION
from dragoman.dialects.mistral.request import FIELDS, MAPS, brief, decode_request, encode_request
from dragoman.dialects.mistral.response import decode_response, encode_response
from dragoman.dialects.mistral.speech import SPEECH
from dragoman.dialects.mistral.stream_decoder import PADDING, MistralDecoder
from dragoman.dialects.mistral.stream_encoder import MistralEncoder
from dragoman.dialects.mistral.terms import NAME, PATH
from dragoman.dialects.mistral.transcription import TRANSCRIPTION
from dragoman.dialects.mistral.usage import decode_usage, encode_usage

_RATES: Final = frozenset(
    f"x-ratelimit-{part}"
    for part in (
        *("limit-req-minute", "remaining-req-minute", "limit-tokens-minute", "remaining-tokens-minute"),
        *("limit-tokens-month", "remaining-tokens-month", "tokens-query-cost"),
    )
)

DIALECT: Final = Dialect(
    name=NAME,
    title="Mistral",
    spec="https://docs.mistral.ai/api/#tag/chat",
    version="3.7.0",
    paths=Paths(chat=PATH, appends=True),
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
        content_type="text/event-stream; charset=utf-8", decoder=MistralDecoder, encoder=MistralEncoder
    ),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    # Mistral states the usage in every stream, without a request for it.
    relay=ChatRelay(
        Words(
            decode_usage,
            fault_of,
            PADDING,
            asks=False,
            encode_usage=encode_usage,
            tier=("usage", "service_tier"),
        )
    ),
    headers=Headers(response=frozenset({"retry-after", "retry-after-ms", "mistral-correlation-id"}) | _RATES),
    abilities=Abilities(
        # The documentation does not forbid a forced call with reasoning.
        features=frozenset({"schema", "json", "forced_tool", "forced_thinking", "single_call"})
    ),
    resources=frozenset({"files", "fine_tuning", "batch_jobs"}),
    operations={"embed": EMBEDDING, "moderation": MODERATION},
    provides={"speech": SPEECH, "transcription": TRANSCRIPTION},
)
