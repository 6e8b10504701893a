"""Counts tokens with Anthropic's API: https://platform.claude.com/docs/en/api/messages-count-tokens.

Known members that affect only the answer (`ANSWER_ONLY`) are left out, because the endpoint refuses every
member that it does not know. A refused member that affects the prompt (a thread, a container's skills) is
sent, because an error is better than a wrong number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.anthropic.check import MEMBERS, check
from dragoman.dialects.anthropic.locate import locate
from dragoman.dialects.anthropic.request import brief, decode_request, encode_request
from dragoman.dialects.counting import counting

PATH: Final = "/messages/count_tokens"
ANSWER_ONLY: Final = frozenset(
    {
        *("max_tokens", "stop_sequences", "stream", "temperature", "top_k", "top_p"),
        *("diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "metadata", "service_tier"),
    }
)


def reduced(body: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """Return a copy of a chat request's body without the members in `ANSWER_ONLY`, which affect only the
    answer. The second parameter is not used.
    """
    return {key: value for key, value in body.items() if key not in ANSWER_ONLY}


COUNT: Final = counting(
    path=PATH,
    member="input_tokens",
    reduce=reduced,
    told=lambda tokens: {"input_tokens": tokens},
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MEMBERS,
)
