"""Decodes and encodes Mistral's moderation: POST /moderations, like OpenAI's.

Specification: https://docs.mistral.ai/api/#tag/classifiers. Inputs are texts only. Answers have no `flagged`:
an input is flagged when any category applies.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.mistral.terms import NAME, leftovers, restore
from dragoman.dialects.openai import moderation as family
from dragoman.dialects.openai.operation import ListRelay, model_of
from dragoman.dialects.operation import ClientSide, OperationCodec, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import a_string, an_object, missing

MAPS: Final = frozenset({"model", "input"})


def check(request: WireRequest) -> None:
    """Raise WireError, with a path and a code, for the first mistake in a moderation request."""
    body = request.body
    if body.get("model") is None:
        missing("model")
    if type(value := body.get("input")) is list:
        for index, text in enumerate(value):
            a_string(text, f"input[{index}]")
    family.check(request)
    if body.get("metadata") is not None:
        an_object(body["metadata"], "metadata")


def decode_request(wire: WireRequest) -> ir.ModerationRequest:
    """Decode a request that has passed `check`."""
    value = wire.body["input"]
    texts = (value,) if isinstance(value, str) else value
    return ir.ModerationRequest(
        NAME,
        model_of(wire),
        tuple((ir.Text(text),) for text in texts),
        "one" if isinstance(value, str) else None,
        leftovers(wire.body, MAPS),
    )


def encode_request(request: ir.ModerationRequest, target: Target) -> WireRequest:
    """Encode the request in Mistral's form, and report losses and changes to `target.report`: several texts
    of one input are joined by line breaks. Raises WireError for an image.
    """
    texts = family.only_texts(request, target.report)
    body: dict[str, Any] = {
        "model": target.model if target.model is not None else request.model,
        "input": texts[0] if request.form == "one" else list(texts),
    }
    restore(body, request.extra, target.report, "")
    return WireRequest("moderation", body, path=family.PATH)


MODERATION: Final = OperationCodec(
    relay=ListRelay(family.PATH, "results"),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=family.encode_response,
        locate=family.locate,
        members=MAPS | {"metadata"},
    ),
    provider=ProviderSide(paths=(family.PATH,), encode=encode_request, decode=family.decode_response),
)
