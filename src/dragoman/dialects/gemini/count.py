"""Counting tokens as Gemini does it: https://ai.google.dev/api/tokens.

Contents alone may be the body. Whatever stands beside them is counted only inside of a whole request, which
must name its model.
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
    """A request as the endpoint takes it."""
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
