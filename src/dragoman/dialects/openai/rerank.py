"""Decodes and encodes POST /rerank in the forms of Cohere, Jina and compatible vendors.

Specifications: https://docs.cohere.com/v2/reference/rerank, https://api.jina.ai/redoc#tag/rerank. Jina
returns documents by default (`return_documents`); Cohere's second version accepts only texts and bills search
units. A response to a client has members of both, and the provider's own members.

Voyage has `top_k` for `top_n` and `data` for `results`: https://docs.voyageai.com/reference/reranker-api. A
client that writes `top_k`, and no `top_n`, gets its response in Voyage's form. `Quirks.ranking` says which
form a vendor's requests have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.openai.operation import input_of, model_of, refuse_failure
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.operation import ClientSide, OperationCodec, OperationReply, Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    check_members,
    empty_array,
    integer,
    strings,
    wrong_type,
)
from dragoman.dialects.severity import Severity
from dragoman.errors import WireError
from dragoman.wire.json import decode_object, encode

PATH: Final = "/rerank"
MAPS: Final = frozenset(
    {"model", "query", "documents", "top_n", "top_k", "return_documents", "max_tokens_per_doc"}
)
_ALSO: Final = frozenset({"rank_fields", "max_chunks_per_doc", "truncation"})
_SEVERITY: Final[dict[str, Severity]] = {
    "rank_fields": "meaning",
    "max_chunks_per_doc": "quality",
    "max_tokens_per_doc": "quality",
    "truncation": "hint",
}


class _Words(msgspec.Struct, frozen=True):
    """The form of one vendor's requests. top: the name of the member for the number of results. texts: True =
    documents must be texts. unknown: members that the vendor does not have.
    """

    top: str = "top_n"
    texts: bool = False
    unknown: frozenset[str] = frozenset()


_VENDORS: Final[Mapping[str, _Words]] = {
    "jina": _Words(),
    "cohere": _Words(texts=True, unknown=frozenset({"rank_fields", "max_chunks_per_doc", "truncation"})),
    "voyage": _Words(
        "top_k", texts=True, unknown=frozenset({"rank_fields", "max_chunks_per_doc", "max_tokens_per_doc"})
    ),
}


class _Ranked(msgspec.Struct):
    index: int
    relevance_score: float
    document: str | dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    results: list[_Ranked] | None = None
    data: list[_Ranked] | None = None
    model: str | None = None
    id: str | None = None


_OWN: Final = frozenset({"results", "data", "model", "id", "object"})


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError, with the JSON path of the value, for the first mistake that is found."""
    check_members(request.body, _RULES, "query", "documents")


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
    "top_k": integer(1),
    "return_documents": a_boolean,
    "max_tokens_per_doc": integer(1),
    "max_chunks_per_doc": integer(1),
    "rank_fields": strings,
    "truncation": a_boolean,
}


def decode_request(wire: WireRequest) -> ir.RerankRequest:
    """Return the decoded request. wire: a request that `check` has accepted. `top_k` is read only without
    `top_n`, and then the request's form is "voyage".
    """
    body = wire.body
    top, form = body.get("top_n"), None
    if top is None and "top_k" in body:
        top, form = body["top_k"], "voyage"
    return ir.RerankRequest(
        NAME,
        model_of(wire),
        body["query"],
        tuple(body["documents"]),
        top=top,
        documents_back=body.get("return_documents"),
        truncate=body.get("max_tokens_per_doc"),
        form=form,
        extra=leftovers(body, MAPS),
    )


def encode_request(request: ir.RerankRequest, target: Target) -> WireRequest:
    """Return the request in the vendor's form. Raises WireError for a document that the vendor does not
    accept. Parameters that the vendor does not have are reported as lost.

    The request does not say whether the response should contain the documents: the gateway knows the
    documents, and adds them to the response or removes them.
    """
    words, report = _VENDORS[target.quirks.ranking], target.report
    body: dict[str, Any] = {
        "model": target.model if target.model is not None else request.model,
        "query": request.query,
        "documents": [
            _text(document, index) if words.texts else document
            for index, document in enumerate(request.documents)
        ],
    }
    if request.top is not None:
        body[words.top] = request.top
    if request.truncate is not None:
        body["max_tokens_per_doc"] = request.truncate
    restore(body, request.extra, report, "")
    for member in sorted(words.unknown & body.keys()):
        del body[member]
        where = "truncate" if member == "max_tokens_per_doc" else member
        report.lose(where, "this provider's rerank API has no such parameter", _SEVERITY[member])
    return WireRequest("rerank", body, path=PATH)


def _text(document: str | dict[str, Any], index: int) -> str:
    """Return a document as one text, for vendors that accept only texts: the document itself, or the `text`
    of an object without other members. Raises WireError for any other object. index: the document's position,
    for the error.
    """
    if isinstance(document, str):
        return document
    text = document.get("text")
    if isinstance(text, str) and len(document) == 1:
        return text
    raise WireError("This provider reranks only text.", f"documents[{index}]", "unsupported_value")


def locate(request: ir.RerankRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`."""
    if where == "top" and request.form == "voyage":
        return "$.top_k"
    return "$." + _PLACES.get(where, where)


_PLACES: Final = {"top": "top_n", "documents_back": "return_documents", "truncate": "max_tokens_per_doc"}


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.RerankRequest) -> ir.RerankResponse:
    """Decode a response, whose results are in `results` or `data`. Its further members go into `told`. Raises
    RequestFailed for an error with status 200, WireError for any other invalid body, and for a result whose
    index is not the index of a document in `request`.
    """
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
        usage=_usage(body),
    )


def _usage(body: Mapping[str, Any]) -> ir.Usage | None:
    """Return usage with the number of input tokens, and with the search units that Cohere bills (`detail`).
    None = the body states neither in a readable form.
    """
    usage, meta = body.get("usage"), body.get("meta")
    stated: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
    tokens = input_of(usage)
    tokens = input_of(stated.get("tokens")) if tokens is None else tokens
    for billed in (stated.get("billed_units"), usage):
        units = billed.get("search_units") if isinstance(billed, dict) else None
        if type(units) is int or type(units) is float:
            return ir.Usage(input=tokens, detail={"search_units": units})
    return None if tokens is None else ir.Usage(input=tokens)


def encode_response(response: ir.RerankResponse, reply: OperationReply[ir.RerankRequest]) -> Payload:
    """Return the response body for the client: the best documents first, at most as many as the client
    requested (all, if it requested no number). The body is in Voyage's form if the request is; the provider's
    further members are written, too.

    If `return_documents` is true, the documents are taken from the request. If it is false, no documents are
    written. If the client does not state it, the documents that the provider returned are written. A text is
    written as `{"text": …}`, except in Voyage's form.
    """
    request = reply.request
    voyage = request.form == "voyage"
    best = sorted(response.results, key=lambda ranked: -ranked.score)[: request.top]
    results: list[dict[str, Any]] = []
    for ranked in best:
        result: dict[str, Any] = {"index": ranked.index, "relevance_score": ranked.score}
        wanted = request.documents_back
        document = request.documents[ranked.index] if wanted else ranked.document
        if document is not None and wanted is not False:
            result["document"] = {"text": document} if isinstance(document, str) and not voyage else document
        results.append(result)
    model, told = reply.model or response.model, response.told or {}
    if voyage:
        body = {"object": "list", "data": results, "model": model, **told}
    else:
        id_ = response.id or f"rerank-{reply.id}"
        body = {"id": id_, "object": "list", "model": model, "results": results, **told}
    if response.usage is not None and response.usage.input is not None:
        body.setdefault("usage", {"total_tokens": response.usage.input})
    return Payload(encode(body))


RERANK: Final = OperationCodec(
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS | _ALSO,
    ),
    provider=ProviderSide(paths=(PATH,), encode=encode_request, decode=decode_response),
)
