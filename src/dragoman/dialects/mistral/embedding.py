"""Decodes and encodes Mistral's embeddings: POST /embeddings, like OpenAI's.

Specification: https://docs.mistral.ai/api/#tag/embeddings. Differences from OpenAI: inputs cannot be token
ids; `output_dimension` stands for `dimensions`; `output_dtype` can ask for numbers other than floats; an
answer has an id; and the limits of one request are lower (`MOST_INPUTS`, `MOST_TOKENS`).
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.batching import batches, joined
from dragoman.dialects.inputs import texts_of
from dragoman.dialects.mistral.terms import NAME, leftovers, restore
from dragoman.dialects.openai import embedding as family
from dragoman.dialects.openai.operation import model_of
from dragoman.dialects.operation import ClientSide, OperationCodec, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import Rule, a_string, an_object, check_members, integer, one_of, wrong_type
from dragoman.errors import WireError

MOST_INPUTS: Final = 512
"""The most inputs of a request. More give the error 3210:
https://github.com/raphaelmansuy/edgequake-llm/pull/74"""
MOST_TOKENS: Final = 16_384
"""The most tokens of a request's inputs: https://github.com/aurelio-labs/semantic-router/issues/297"""
MAPS: Final = frozenset({"model", "input", "output_dimension", "encoding_format"})


def check(request: WireRequest) -> None:
    """Raise WireError, with a path and a code, for the first mistake in an embedding request."""
    check_members(request.body, _RULES, "input")


def _input(value: Any, path: str) -> None:
    family.check_input(value, path)
    if type(value) is list and type(value[0]) is not str:
        wrong_type(f"{path}[0]", "a string", value[0])


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "input": _input,
    "output_dimension": integer(1),
    "output_dtype": one_of("float", "int8", "uint8", "binary", "ubinary"),
    "encoding_format": one_of("float", "base64"),
    "metadata": an_object,
}


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Decode a request that has passed `check`. Raises WireError if `output_dtype` asks for numbers other
    than floats.
    """
    body = wire.body
    if body.get("output_dtype") not in {None, "float"}:
        raise WireError("Only Mistral itself supports this output type.", "output_dtype", "unsupported_value")
    inputs, form = family.decode_input(body["input"])
    return ir.EmbedRequest(
        NAME,
        model_of(wire),
        inputs,
        dimensions=body.get("output_dimension"),
        encoding=body.get("encoding_format"),
        form=form,
        extra=leftovers(body, MAPS),
    )


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Encode the request in Mistral's form. Losses and changes go to `target.report`. Inputs that are token
    ids are sent as text; WireError is raised if they cannot be converted.
    """
    report = target.report
    texts = texts_of(request, report)
    body: dict[str, Any] = {
        "model": target.model if target.model is not None else request.model,
        "input": texts[0] if request.form == "one" else texts,
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    if request.encoding is not None and request.dialect == NAME:
        body["encoding_format"] = request.encoding
    family.lose_purpose(request, report)
    family.lose_cutting(request, report)
    if request.user is not None:
        report.lose("user", "the Mistral API has no end user id", "hint")
    restore(body, request.extra, report, "")
    return WireRequest("embed", body, path=family.PATH)


def locate(request: ir.EmbedRequest, where: str) -> str:
    """Return the JSON path in the client's request (`$.input[0]`, or `$.input` for a single input) for the IR
    path `where` (`inputs[0]`).
    """
    return "$.output_dimension" if where == "dimensions" else family.locate(request, where)


EMBEDDING: Final = OperationCodec(
    relay=family.EmbeddingRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=family.encode_response,
        locate=locate,
        members=MAPS | {"output_dtype", "metadata"},
    ),
    provider=ProviderSide(
        paths=(family.PATH,),
        encode=encode_request,
        decode=family.decode_response,
        split=batches(MOST_INPUTS, MOST_TOKENS),
        join=joined,
    ),
)
