"""Counting tokens with Gemini's API: https://ai.google.dev/api/tokens.

The body may have only contents. Other members are counted only inside a whole request, which must name its
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.counting import counting
from dragoman.dialects.gemini.check import check
from dragoman.dialects.gemini.locate import locate
from dragoman.dialects.gemini.request import MAPPED, brief, decode_request, encode_request

PATH: Final = "/models/{model}:countTokens"


def reduced(body: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """The endpoint's body for a request's body. model: the provider's name of the model; None = empty."""
    own = {key: value for key, value in body.items() if key != "model"}
    if own.keys() == {"contents"}:
        return own
    return {"generateContentRequest": {**own, "model": f"models/{(model or '').removeprefix('models/')}"}}


def _told(tokens: int) -> dict[str, Any]:
    return {"totalTokens": tokens}


COUNT: Final = counting(
    path=PATH,
    member="totalTokens",
    reduce=reduced,
    told=_told,
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MAPPED,
)
