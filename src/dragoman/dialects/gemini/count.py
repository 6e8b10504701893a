"""Counts tokens with Gemini's API (https://ai.google.dev/api/tokens) and with Vertex AI's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from dragoman.dialects.counting import counting
from dragoman.dialects.gemini.check import check
from dragoman.dialects.gemini.locate import locate
from dragoman.dialects.gemini.request import MAPPED, brief, decode_request, encode_request
from dragoman.dialects.gemini.terms import camel, full_name

PATH: Final = "/models/{model}:countTokens"


def reduced(body: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """Return the body for AI Studio's endpoint, made from the body of a chat request. `model` in the body is
    ignored. If the only other member is `contents`, the result has only `contents`. Otherwise the result has
    the whole request inside `generateContentRequest`, with the model's name.

    model: the provider's name for the model; None = the name is written as `models/`.
    """
    own = {key: value for key, value in body.items() if key != "model"}
    if own.keys() == {"contents"}:
        return own
    return {"generateContentRequest": {**own, "model": full_name(model)}}


_COUNTED: Final = ("contents", "systemInstruction", "tools", "generationConfig")


def prompt(body: Mapping[str, Any], _: str | None) -> dict[str, Any]:
    """Return the body for Vertex AI's endpoint: the `contents`, `systemInstruction`, `tools` and
    `generationConfig` of a chat request. These top-level names may be in snake_case in `body`; the result has
    them in camelCase. The second argument, the model's name, is not used.
    https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/get-token-count
    """
    stated = {camel(key): value for key, value in body.items()}
    return {key: stated[key] for key in _COUNTED if key in stated}


_counting = partial(
    counting,
    path=PATH,
    member="totalTokens",
    told=lambda tokens: {"totalTokens": tokens},
    check=check,
    brief=brief,
    decode_request=decode_request,
    encode_request=encode_request,
    locate=locate,
    maps=MAPPED,
)
_STUDIO: Final = _counting(reduce=reduced)
_VERTEX: Final = _counting(reduce=prompt).provider
COUNT: Final = msgspec.structs.replace(
    _STUDIO,
    provider=msgspec.structs.replace(
        _STUDIO.provider, suited=lambda quirks: _VERTEX if quirks.vertex_operations else None
    ),
    relays=lambda _wire, quirks, _model: not quirks.vertex_operations,
)
