"""Cohere's embeddings, decoded and encoded: POST /v2/embed.

Specification: https://docs.cohere.com/v2/reference/embed, read 2026-11 in the texts of the client `cohere`
7.3.1. Every request must state the purpose of its vectors (`input_type`). For a client of another protocol
that states no purpose, `search_document` is written and reported; the client can choose another one with the
member `{"cohere": {"input_type": …}}`. An answer has the vectors by their type, which is always `float` in
translated answers. Requests with pictures, or with mixtures of texts and pictures, can only be relayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.batching import batches, joined, lose_length, one_each
from dragoman.dialects.cohere.errors import fault_of
from dragoman.dialects.cohere.terms import NAME, leftovers, restore
from dragoman.dialects.inputs import texts_of
from dragoman.dialects.openai.operation import model_of
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
from dragoman.dialects.rules import (
    Rule,
    a_string,
    check_members,
    empty_array,
    integer,
    list_of,
    objects,
    one_of,
    strings,
)
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode, encode_head
from dragoman.wire.vectors import from_floats, to_floats

PATH: Final = "/embed"
MOST_INPUTS: Final = 96
"""The most texts of one request: https://docs.cohere.com/v2/reference/embed"""
MAPS: Final = frozenset(
    {"model", "texts", "input_type", "output_dimension", "truncate", "embedding_types", "images", "inputs"}
)
_TASKS: Final = {
    "search_query": "retrieval_query",
    "search_document": "retrieval_document",
    "classification": "classification",
    "clustering": "clustering",
}
_TYPES: Final = {
    **{task: word for word, task in _TASKS.items()},
    "question_answering": "search_query",
    "fact_verification": "search_query",
    "code_retrieval_query": "search_query",
}
"""Task of the IR -> `input_type`. The last three tasks embed questions for which documents are searched."""
_CUTS: Final = {"END": True, "NONE": False}
_FLOAT: Final = "float"


class _Vectors(msgspec.Struct):
    floats: list[list[float]] | None = msgspec.field(name="float", default=None)


class _Billed(msgspec.Struct):
    input_tokens: float | None = None
    image_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    embeddings: _Vectors
    id: str | None = None
    meta: _Meta | None = None


_read: Final = msgspec.json.Decoder(_Answer).decode
_read_meta: Final = msgspec.json.Decoder(_Meta | None).decode


def check(request: WireRequest) -> None:
    """Raise WireError, with a JSON path, for the first mistake that is found in a request. `input_type` must
    be stated; `texts` must be stated if neither `images` nor `inputs` is.
    """
    body = request.body
    if body.get("images") is None and body.get("inputs") is None:
        check_members(body, _RULES, "input_type", "texts")
    else:
        check_members(body, _RULES, "input_type")


def _texts(value: Any, path: str) -> None:
    strings(value, path)
    if not value:
        empty_array(path)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "texts": _texts,
    "images": strings,
    "inputs": objects,
    "input_type": one_of(*_TASKS, "image"),
    "output_dimension": integer(1),
    "max_tokens": integer(1),
    "embedding_types": list_of(one_of("float", "int8", "uint8", "binary", "ubinary", "base64")),
    "truncate": one_of("NONE", "START", "END"),
    "priority": integer(0),
}


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Decode a request that `check` has accepted. Raises WireError if `images` or `inputs` is stated, or if
    `embedding_types` is stated and not `["float"]`.
    """
    body = wire.body
    for member in ("images", "inputs"):
        if body.get(member) is not None:
            raise WireError("Only Cohere itself embeds pictures.", member, "unsupported_value")
    types = body.get("embedding_types")
    if types is not None and types != [_FLOAT]:
        raise WireError("Only Cohere itself supports this type.", "embedding_types", "unsupported_value")
    cut = body.get("truncate") or ""
    extra = leftovers(body, MAPS)
    if cut == "START":
        extra = ir.merge(extra, {NAME: {"truncate": cut}})
    return ir.EmbedRequest(
        NAME,
        model_of(wire),
        tuple(body["texts"]),
        dimensions=body.get("output_dimension"),
        task=_TASKS.get(body["input_type"]),
        truncate=_CUTS.get(cut),
        form=None if types is None else "typed",
        extra=extra,
    )


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Encode an embedding request for Cohere. Changes, losses and added members are reported to
    `target.report`. Raises WireError for an input of token ids that cannot be converted to text.
    """
    report = target.report
    own = request.dialect == NAME
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    body["input_type"] = _input_type(request, target)
    body["texts"] = texts_of(request, report)
    if not own or request.form is not None:
        body["embedding_types"] = [_FLOAT]
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    if request.truncate is not None:
        body["truncate"] = "END" if request.truncate else "NONE"
    elif not own:
        # Unstated, the API cuts: https://docs.cohere.com/v2/reference/embed. Other protocols refuse.
        body["truncate"] = "NONE"
    if request.title is not None:
        report.lose("title", "this provider has no parameter for titles", "quality")
    if request.user is not None:
        report.lose("user", "the Cohere API has no end user id", "hint")
    restore(body, request.extra, report, "")
    return WireRequest("embed", body, path=PATH)


def _input_type(request: ir.EmbedRequest, target: Target) -> str:
    task = request.task
    if task is None:
        target.report.add("input_type", "required; without a stated task the inputs are taken for documents")
        return "search_document"
    if (word := _TYPES.get(task)) is None:
        target.report.lose("task", "the Cohere API has no such task: search_document is used", "quality")
        return "search_document"
    if _TASKS.get(word) != task:
        target.report.change("task", "input_type", f"the nearest task of the Cohere API is {word}")
    return word


def unasked(request: ir.EmbedRequest) -> frozenset[str]:
    """Return those of the names `input_type` and `truncate` for which the IR of the request has no value:
    what `encode_request` writes for them was not asked for.
    """
    stated = {"input_type": request.task, "truncate": request.truncate}
    return frozenset(member for member, value in stated.items() if value is None)


def locate(_: ir.EmbedRequest, where: str) -> str:
    """Return the JSON path, in a request of this dialect, for the IR path `where`: `$.texts[0]` for
    `inputs[0]`. The first argument is not used.
    """
    if where.startswith("inputs"):
        return f"$.texts{where.removeprefix('inputs')}"
    return "$." + {"dimensions": "output_dimension", "task": "input_type"}.get(where, where)


def decode_response(answered: Payload, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Decode a response to `request`. Raises RequestFailed for an error with status 200. Raises WireError for
    an invalid body, for a body without `float` vectors, and if the number of vectors is not the number of
    inputs.
    """
    try:
        answer = _read(answered.data)
    except UNDECODABLE as error:
        _refuse_failure(answered.data)
        raise WireError(str(error)) from error
    if answer.embeddings.floats is None:
        raise WireError("expected an array", "embeddings.float")
    response = ir.EmbedResponse(
        tuple(map(from_floats, answer.embeddings.floats)), usage=_usage(answer.meta), id=answer.id
    )
    return one_each(response, request)


def _refuse_failure(body: bytes) -> None:
    """Raise RequestFailed if a body has a `message` that is a text, and no member `embeddings`. Raises
    WireError if the body is not a JSON object.
    """
    written = decode_object(body)
    if "embeddings" not in written and type(written.get("message")) is str:
        raise RequestFailed(fault_of(written))


def _usage(meta: _Meta | None) -> ir.Usage | None:
    """Return the billed tokens, because Cohere states no others here; None = `meta` is None, or states no
    tokens. Cohere counts the tokens of pictures separately from those of texts; in the result, they are part
    of the input tokens, and stand in `detail` as `input_image`.
    """
    billed = meta.billed_units if meta is not None else None
    if billed is None or (billed.input_tokens is None and billed.image_tokens is None):
        return None
    images = int(billed.image_tokens or 0)
    detail = {"input_image": images} if images else None
    return ir.Usage(int(billed.input_tokens or 0) + images, detail=detail)


def encode_response(response: ir.EmbedResponse, reply: OperationReply[ir.EmbedRequest]) -> Payload:
    """Return the response body for a client. A loss is reported if the client requested a number of
    dimensions, and the first vector has another number.
    """
    lose_length(response, reply)
    body: dict[str, Any] = {
        "id": response.id or reply.id,
        "texts": [one for one in reply.request.inputs if isinstance(one, str)],
        "embeddings": {_FLOAT: [to_floats(vector) for vector in response.vectors]},
        "response_type": "embeddings_by_type",
    }
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    if response.usage is not None:
        images = (response.usage.detail or {}).get("input_image", 0)
        billed = {"input_tokens": response.usage.input_total - images}
        meta["billed_units"] = {**billed, "image_tokens": images} if images else billed
    body["meta"] = meta
    return Payload(encode(body))


class CohereEmbeddingRelay(WholeAnswerRelay):
    """Relays embedding requests and responses of this dialect. A response does not name the model."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(PATH, encode_head({**head, **edits}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the upstream's response, unchanged; its usage). None as the usage = missing or unreadable.
        wire, model: are not used. Raises RequestFailed for an error with status 200, WireError for any other
        body without `embeddings`.
        """
        head = decode_head(answer.data)
        if "embeddings" not in head:
            _refuse_failure(answer.data)
            raise WireError("expected an object", "embeddings")
        try:
            usage = _usage(_read_meta(head.get("meta", b"null")))
        except UNDECODABLE:
            usage = None  # unreadable usage is ignored
        return answer, usage


EMBEDDING: Final = OperationCodec(
    relay=CohereEmbeddingRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS,
    ),
    provider=ProviderSide(
        paths=(PATH,),
        encode=encode_request,
        decode=decode_response,
        split=batches(MOST_INPUTS),
        join=joined,
        unasked=unasked,
    ),
)
