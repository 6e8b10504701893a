"""Counting tokens with Gemini's API: https://ai.google.dev/api/tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.counting import counting
from dragoman.dialects.gemini.check import check
from dragoman.dialects.gemini.locate import locate
from dragoman.dialects.gemini.request import MAPPED, brief, decode_request, encode_request
from dragoman.dialects.gemini.terms import full_name

PATH: Final = "/models/{model}:countTokens"


def reduced(body: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """The body for the endpoint, from the body of a chat request: `contents` alone, if the request has
    nothing else; else the whole request inside `generateContentRequest`, which must name its model.

    model: the provider's name for the model; None = only `models/` is written.
    """
    own = {key: value for key, value in body.items() if key != "model"}
    if own.keys() == {"contents"}:
        return own
    return {"generateContentRequest": {**own, "model": full_name(model)}}


COUNT: Final = counting(
    path=PATH,
    member="totalTokens",
    reduce=reduced,
    told=lambda tokens: {"totalTokens": tokens},
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MAPPED,
)
