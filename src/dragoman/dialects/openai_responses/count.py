"""Counting tokens with OpenAI's API: https://platform.openai.com/docs/api-reference/responses/input-tokens.

Members that change only the answer, as far as they are in `LEFT_OUT`, are left out of the request. A stored
prompt (`prompt`) is not left out, although the endpoint refuses it: without the prompt the count would be
wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.counting import counting
from dragoman.dialects.openai_responses.check import check
from dragoman.dialects.openai_responses.locate import locate
from dragoman.dialects.openai_responses.request import MAPS, brief, decode_request, encode_request

PATH: Final = "/responses/input_tokens"
ANSWER_ONLY: Final = frozenset(
    {
        *("access_programs", "background", "background_options", "context_management", "image", "include"),
        *("max_output_tokens", "max_tool_calls", "metadata", "moderation", "prompt_cache_key"),
        *("prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier", "store"),
        *("stream", "stream_options", "temperature", "top_logprobs", "top_p", "user"),
    }
)


def reduced(body: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """Return the body for counting: the request's body without the members in `ANSWER_ONLY`, which change
    only the answer. The second parameter is not used.
    """
    return {key: value for key, value in body.items() if key not in ANSWER_ONLY}


COUNT: Final = counting(
    path=PATH,
    member="input_tokens",
    reduce=reduced,
    told=lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens},
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MAPS,
)
