"""Mistral chat completions, both directions: POST /v1/chat/completions.

Specification: https://docs.mistral.ai/api/#tag/chat; read in the form of the client `mistralai` 3.7.0. The
protocol descends from OpenAI's chat, and so does this code (docs/decisions/0024): what both say in the same
form is in `dialects/chat`, what differs has its own tables here.

Canonical form, up to which a body comes back as it was: a member that is null is absent; `type: "function"`
of a tool or a call, an id of a call that is "null", `prefix: false` and `closed: true` go without saying;
arguments that are an object are its text, and those that are "null" are none; a call's `index` is its place;
several texts of one thinking chunk are one. In answers neighbouring texts are one text, and a list of nothing
but text is the text. In streams the padding `p` is not kept, and of an unknown member that changes only the
last value is.

What it cannot say, and what becomes of it:
- a user or a system right after a tool's result: the assistant says "OK" between them;
- system text that follows the assistant or comes last: a user's, in tags;
- `top_p` 0: the least that is taken;
- an assistant that speaks last: its words are to be continued (`prefix`);
- ids of calls that are not nine letters and digits: nine made of them, the same every time;
- `developer`: `system`; names of authors, logit_bias, min_p, store, end users, verbosity: losses;
- citations by address, and seals of other dialects: losses; video and free-text tools: refused;
- a subset of the tools: only those are offered.
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
from dragoman.dialects.mistral.usage import decode_usage, estimated

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
    # Mistral tells the usage of every stream without being asked.
    relay=ChatRelay(Words(decode_usage, fault_of, PADDING, asks=False, counts=estimated)),
    headers=Headers(response=frozenset({"retry-after", "retry-after-ms", "mistral-correlation-id"}) | _RATES),
    abilities=Abilities(
        # Nothing is documented that forbids a forced call to a model that reasons.
        features=frozenset({"schema", "json", "forced_thinking"})
    ),
    resources=frozenset({"files", "fine_tuning"}),
    operations={"embed": EMBEDDING, "moderation": MODERATION},
    provides={"speech": SPEECH, "transcription": TRANSCRIPTION},
)
