"""Ollama's embeddings, decoded and encoded: POST /api/embed, and the older POST /api/embeddings.

Specification: https://docs.ollama.com/api/embed. /api/embed accepts one or several texts and normalises the
vectors to length 1. /api/embeddings accepts one prompt and returns the model's vector unchanged. Requests of
other protocols are sent to /api/embed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose, sqrt
from operator import mul
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.batching import batches, joined, lose_length, one_each, vectors_in
from dragoman.dialects.inputs import texts_of
from dragoman.dialects.ollama.check import check_keep_alive
from dragoman.dialects.ollama.errors import fault_of
from dragoman.dialects.ollama.options import check_options
from dragoman.dialects.ollama.terms import NAME, leftovers, restore
from dragoman.dialects.openai.embedding import lose_purpose
from dragoman.dialects.operation import (
    ClientSide,
    OperationCodec,
    OperationReply,
    Outgoing,
    Payload,
    ProviderSide,
)
from dragoman.dialects.relaying import WholeAnswerRelay
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import Rule, a_boolean, a_string, integer, missing
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE, decode_head, encode, encode_head
from dragoman.wire.vectors import from_floats, to_floats

PATH: Final = "/api/embed"
OLD_PATH: Final = "/api/embeddings"
_OLD: Final = "old"
_MOST_INPUTS: Final = 2048
"""The most inputs in one translated request: OpenAI's limit, for its clients. Ollama states none."""
_MAPS: Final = frozenset({"model", "input", "prompt", "dimensions", "truncate"})
_UNMEASURED: Final = {"total_duration": 0, "load_duration": 0}
"""Times in nanoseconds that the gateway does not know, but some clients require in a response."""
_SLACK: Final = 1e-3
"""A vector is not normalised if its length differs from 1 by at most this much, which is a rounding error."""


class _Answer(msgspec.Struct):
    embeddings: list[list[float]] | None = None
    embedding: list[float] | None = None
    model: str | None = None
    prompt_eval_count: int | None = None


class _Count(msgspec.Struct):
    prompt_eval_count: int | None = None


_read: Final = msgspec.json.Decoder(_Answer).decode
_read_count: Final = msgspec.json.Decoder(_Count).decode


def check(request: WireRequest) -> None:
    """Raise WireError, with a path and a code, for the first mistake in an embedding request. The input must
    be present, but may be ""; any other member whose value is "" counts as absent.
    """
    body = request.body
    member, rule = ("prompt", a_string) if request.path == OLD_PATH else ("input", _input)
    if body.get(member) is None:
        missing(member)
    rule(body[member], member)
    for key, value in body.items():
        if value is not None and value != "" and (stated := _RULES.get(key)) is not None:
            stated(value, key)


def _input(value: Any, path: str) -> None:
    texts = value if type(value) is list else [value]
    for index, text in enumerate(texts):
        if type(text) is not str:
            where = path if texts is not value else f"{path}[{index}]"
            raise WireError("invalid input type", where, "invalid_type")


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "truncate": a_boolean,
    "dimensions": integer(0),
    "options": check_options,
    "keep_alive": check_keep_alive,
}


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Decode a request to either path that has passed `check`."""
    body = wire.body
    old = wire.path == OLD_PATH
    stated = body["prompt" if old else "input"]
    one = isinstance(stated, str)
    return ir.EmbedRequest(
        NAME,
        model_of(wire),
        (stated,) if one else tuple(stated),
        dimensions=body.get("dimensions") or None,
        truncate=body.get("truncate"),
        form=_OLD if old else "one" if one else None,
        extra=leftovers(body, _MAPS),
    )


def model_of(wire: WireRequest) -> str | None:
    """Return the model that a request names; None = the name is missing or ""."""
    return wire.body.get("model") or None


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Encode the request in Ollama's form: for /api/embeddings if an Ollama client called that path,
    otherwise for /api/embed. Losses and changes go to `target.report`. Inputs that are token ids are sent as
    text; WireError is raised if they cannot be converted.
    """
    texts = texts_of(request, target.report)
    model = target.model if target.model is not None else request.model
    old = request.form == _OLD and request.dialect == NAME
    body: dict[str, Any] = {"model": model}
    if old:
        body["prompt"] = texts[0]
    else:
        body["input"] = texts[0] if request.form == "one" else texts
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
    if request.truncate is not None:
        body["truncate"] = request.truncate
    if request.user is not None:
        target.report.lose("user", "the Ollama API has no end user id", "hint")
    lose_purpose(request, target.report)
    restore(body, request.extra, target.report, "")
    return WireRequest("embed", body, path=OLD_PATH if old else PATH)


def locate(request: ir.EmbedRequest, where: str) -> str:
    """Return the JSON path in the client's request for the IR path `where`. An input has an index only if the
    client sent a list.
    """
    if not where.startswith("inputs"):
        return f"$.{where}"
    if request.form is not None:
        return "$.prompt" if request.form == _OLD else "$.input"
    return f"$.input{where.removeprefix('inputs')}"


def decode_response(answered: Payload, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Decode a response. Raises RequestFailed for an object with `error` and without vectors. Raises
    WireError for any other invalid body, and if there are not as many vectors as inputs.
    """
    answer = vectors_in(answered.data, _read, fault_of)
    vectors = [answer.embedding] if answer.embedding is not None else answer.embeddings or []
    response = ir.EmbedResponse(
        tuple(from_floats(vector) for vector in vectors),
        model=answer.model,
        usage=_usage(answer.prompt_eval_count),
    )
    return one_each(response, request)


def _usage(count: int | None) -> ir.Usage | None:
    return None if count is None else ir.Usage(input=count)


def encode_response(response: ir.EmbedResponse, reply: OperationReply[ir.EmbedRequest]) -> Payload:
    """Encode the response in the form of the path that the client called. For `PATH` (/api/embed), each
    vector is normalised to length 1, unless its length is 0. For the older path, the body has only one
    vector, unchanged. A first vector with another number of dimensions than requested is a loss.
    """
    lose_length(response, reply)
    if reply.request.form == _OLD:
        return Payload(encode({"embedding": to_floats(response.vectors[0])}))
    body: dict[str, Any] = {
        "model": reply.model or response.model or reply.request.model,
        "embeddings": [_of_length_one(to_floats(vector)) for vector in response.vectors],
        **_UNMEASURED,
    }
    if response.usage is not None:
        body["prompt_eval_count"] = response.usage.input_total
    return Payload(encode(body))


def _of_length_one(numbers: list[float]) -> list[float]:
    length = sqrt(sum(map(mul, numbers, numbers)))
    if length == 0 or isclose(length, 1, abs_tol=_SLACK):
        return numbers
    return list(map((1 / length).__mul__, numbers))


class OllamaEmbeddingRelay(WholeAnswerRelay):
    """Relays embedding requests and responses of this dialect. Vectors stay unchanged."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(OLD_PATH if wire.path == OLD_PATH else PATH, encode_head({**head, **edits}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the response for the client, its usage); None as the usage = the token count is missing or
        cannot be read. A body without vectors raises RequestFailed if it has an `error`, otherwise WireError.

        model: the name that replaces the upstream's name of the model, if the response has a name; None = the
        name stays.
        """
        head: dict[str, Any] = decode_head(answer.data)
        if not bytes(head.get("embedding", head.get("embeddings", b""))).startswith(b"["):
            vectors_in(answer.data, _read, fault_of)
        try:
            usage = _usage(_read_count(answer.data).prompt_eval_count)
        except UNDECODABLE:
            usage = None  # an unreadable count must not fail the answer
        if model is not None and "model" in head:
            answer = Payload(encode_head({**head, "model": model}))
        return answer, usage


EMBEDDING: Final = OperationCodec(
    relay=OllamaEmbeddingRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=_MAPS,
    ),
    provider=ProviderSide(
        paths=(PATH, OLD_PATH),
        encode=encode_request,
        decode=decode_response,
        split=batches(_MOST_INPUTS),
        join=joined,
    ),
)
