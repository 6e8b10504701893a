"""Rankings as Cohere, Jina and those after them speak them, both directions: POST /rerank.

Specifications: https://docs.cohere.com/v2/reference/rerank, https://api.jina.ai/redoc#tag/rerank. They differ
in little: Jina repeats documents (`return_documents`), Cohere's second version takes texts only and bills
search units. An answer here has the members of both. Voyage calls `top_n` and `results` otherwise
(`Quirks.rerank_top`): https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Codec, OperationReply, Payload, Target, WireRequest
from dragoman.dialects.openai_chat.operation import model_of, refuse_failure
from dragoman.dialects.openai_chat.terms import NAME, leftovers, restore
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    empty_array,
    integer,
    missing,
    strings,
    wrong_type,
)
from dragoman.errors import WireError
from dragoman.wire.json import decode_object, encode

PATH: Final = "/rerank"
MAPS: Final = frozenset({"model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc"})
_ALSO: Final = frozenset({"rank_fields", "max_chunks_per_doc", "truncation", "top_k"})


class _Ranked(msgspec.Struct):
    index: int
    relevance_score: float
    document: str | dict[str, Any] | None = None


class _Usage(msgspec.Struct):
    total_tokens: int | None = None
    prompt_tokens: int | None = None


class _Meta(msgspec.Struct):
    tokens: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    results: list[_Ranked] | None = None
    data: list[_Ranked] | None = None
    model: str | None = None
    id: str | None = None
    usage: _Usage | None = None
    meta: _Meta | None = None


_OWN: Final = frozenset({"results", "data", "model", "id", "object"})


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError, with a path and a code, for the first mistake of a request."""
    body = request.body
    for member in ("query", "documents"):
        if body.get(member) is None:
            missing(member)
    for key, value in body.items():
        if value is not None and (rule := _RULES.get(key)) is not None:
            rule(value, key)


def _documents(value: Any, path: str) -> None:
    if type(value) is not list:
        wrong_type(path, "an array", value)
    if not value:
        empty_array(path)
    for index, document in enumerate(value):
        if type(document) is not str and type(document) is not dict:
            wrong_type(f"{path}[{index}]", "a string or an object", document)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "query": a_string,
    "documents": _documents,
    "top_n": integer(1),
    "return_documents": a_boolean,
    "max_tokens_per_doc": integer(1),
    "max_chunks_per_doc": integer(1),
    "rank_fields": strings,
}


def decode_request(wire: WireRequest) -> ir.RerankRequest:
    """A checked request."""
    body = wire.body
    return ir.RerankRequest(
        NAME,
        model_of(wire),
        body["query"],
        tuple(body["documents"]),
        top=body.get("top_n"),
        documents_back=body.get("return_documents"),
        truncate=body.get("max_tokens_per_doc"),
        extra=leftovers(body, MAPS),
    )


def encode_request(request: ir.RerankRequest, target: Target) -> WireRequest:
    """The request in this family's words. The documents need not come back: they are known here."""
    quirks, report = target.quirks, target.report
    body: dict[str, Any] = {
        "model": target.model if target.model is not None else request.model,
        "query": request.query,
        "documents": [
            _text(document, index) if quirks.rerank_texts else document
            for index, document in enumerate(request.documents)
        ],
    }
    if request.top is not None:
        body[quirks.rerank_top] = request.top
    if request.truncate is not None:
        body["max_tokens_per_doc"] = request.truncate
    restore(body, request.extra, report, "")
    return WireRequest("rerank", body, path=PATH)


def _text(document: str | dict[str, Any], index: int) -> str:
    """A document for providers that rank texts alone. Raises WireError for an object of anything else."""
    if isinstance(document, str):
        return document
    text = document.get("text")
    if isinstance(text, str) and len(document) == 1:
        return text
    raise WireError("This provider ranks texts only.", f"documents[{index}]", "unsupported_value")


def locate(_: ir.RerankRequest, where: str) -> str:
    """A place in IR terms as a JSON path of a request."""
    return "$." + _PLACES.get(where, where)


_PLACES: Final = {"top": "top_n", "documents_back": "return_documents", "truncate": "max_tokens_per_doc"}


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.RerankRequest) -> ir.RerankResponse:
    """A whole answer. Raises RequestFailed for an error inside a 200, WireError for what is no answer."""
    body = decode_object(answered.data)
    try:
        answer = msgspec.convert(body, _Answer)
    except msgspec.ValidationError as error:
        refuse_failure(body, "results")
        raise WireError(str(error)) from error
    ranked = answer.results if answer.results is not None else answer.data
    if ranked is None:
        refuse_failure(body, "results")
        raise WireError("expected an array", "results")
    for place, result in enumerate(ranked):
        if not 0 <= result.index < len(request.documents):
            raise WireError(f"there is no document {result.index}", f"results[{place}].index")
    return ir.RerankResponse(
        tuple(ir.Ranked(result.index, result.relevance_score, result.document) for result in ranked),
        model=answer.model,
        id=answer.id,
        told={key: value for key, value in body.items() if key not in _OWN} or None,
        usage=_usage(answer),
    )


def _usage(answer: _Answer) -> ir.Usage | None:
    told = answer.usage
    if told is not None and (tokens := told.prompt_tokens or told.total_tokens) is not None:
        return ir.Usage(input=tokens)
    tokens = ((answer.meta and answer.meta.tokens) or {}).get("input_tokens")
    return ir.Usage(input=int(tokens)) if isinstance(tokens, int | float) else None


def encode_response(response: ir.RerankResponse, reply: OperationReply[ir.RerankRequest]) -> Payload:
    """The best documents first, at most as many as were asked for."""
    request = reply.request
    best = sorted(response.results, key=lambda ranked: -ranked.score)[: request.top]
    results: list[dict[str, Any]] = []
    for ranked in best:
        result: dict[str, Any] = {"index": ranked.index, "relevance_score": ranked.score}
        if request.documents_back:
            document = request.documents[ranked.index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    body: dict[str, Any] = {
        "id": response.id or f"rerank-{reply.id}",
        "object": "list",
        "model": reply.model or response.model,
        "results": results,
        **(response.told or {}),
    }
    body.setdefault("meta", {"api_version": {"version": "2"}})
    if response.usage is not None:
        body.setdefault("usage", {"total_tokens": response.usage.input_total})
    return Payload(encode(body))


RERANK: Final = Codec(
    paths=(PATH,),
    check=check,
    model=model_of,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    locate=locate,
    maps=MAPS | _ALSO,
)
