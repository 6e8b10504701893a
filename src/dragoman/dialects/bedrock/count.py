"""The operation that counts the tokens of a prompt: CountTokens,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html, read in 2026-11. Only
some models have it; for the others Bedrock answers 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.bedrock.check import check
from dragoman.dialects.bedrock.locate import locate
from dragoman.dialects.bedrock.request import MAPPED, brief, decode_request, encode_request
from dragoman.dialects.bedrock.terms import COUNT_PATH
from dragoman.dialects.counting import counting

_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def reduced(body: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """Return the body of a CountTokens request: `{"input": {"converse": …}}` with those members of the chat
    request `body` that belong to its prompt (`_COUNTED`). The second parameter is not used.
    """
    return {"input": {"converse": {key: body[key] for key in _COUNTED if key in body}}}


COUNT: Final = counting(
    path=COUNT_PATH,
    member="inputTokens",
    reduce=reduced,
    told=lambda tokens: {"inputTokens": tokens},
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MAPPED,
)
