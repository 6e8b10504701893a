"""Counting tokens with Anthropic's API: https://platform.claude.com/docs/en/api/messages-count-tokens.

The endpoint refuses every unknown member. Members that only affect the answer are left out. Members that
affect the prompt but that the endpoint does not accept (a thread, a container's skills) are sent, because a
refusal is better than a wrong number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.anthropic.check import MEMBERS, check
from dragoman.dialects.anthropic.locate import locate
from dragoman.dialects.anthropic.request import brief, decode_request, encode_request
from dragoman.dialects.counting import counting

PATH: Final = "/messages/count_tokens"
LEFT_OUT: Final = frozenset(
    {
        *("max_tokens", "stop_sequences", "stream", "temperature", "top_k", "top_p"),
        *("diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "metadata", "service_tier"),
    }
)


def reduced(body: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """A request's body without `LEFT_OUT`, the members that only affect the answer."""
    return {key: value for key, value in body.items() if key not in LEFT_OUT}


def _told(tokens: int) -> dict[str, Any]:
    return {"input_tokens": tokens}


COUNT: Final = counting(
    path=PATH,
    member="input_tokens",
    reduce=reduced,
    told=_told,
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MEMBERS,
)
