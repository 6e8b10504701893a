"""The rerank operation: a request with documents, and a response with the relevance of these documents."""

from __future__ import annotations

from typing import Any

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class RerankRequest(Value, frozen=True):
    """A request to order documents by how well they answer a query.

    dialect: the protocol in which the client wrote the request. documents: texts, or objects with a text.
    top: the number of results, None = all. documents_back: whether the answer repeats the documents, None =
    not stated. truncate: how many tokens of each document are read, None = not stated. form: the vendor whose
    field names the client used ("voyage"), if the protocol accepts those of several vendors.
    """

    dialect: str
    model: str | None
    query: str
    documents: tuple[str | dict[str, Any], ...]
    top: int | None = None
    documents_back: bool | None = None
    truncate: int | None = None
    form: str | None = None
    extra: Extra = None


class Ranked(Value, frozen=True):
    """One result. index: the document's position in the request, from 0. score: the document's relevance; a
    higher score is better. document: the document itself, None = not repeated.
    """

    index: int
    score: float
    document: str | dict[str, Any] | None = None


class RerankResponse(Value, frozen=True):
    """The results, in the upstream's order, usually the most relevant first. told: other facts that the
    provider stated, under its own names ("meta", "usage" with prices); None = none.
    """

    results: tuple[Ranked, ...]
    model: str | None = None
    id: str | None = None
    told: dict[str, Any] | None = None
    usage: Usage | None = None
