"""Documents to be put into the order of how well they answer a question."""

from __future__ import annotations

from typing import Any

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class RerankRequest(Value, frozen=True):
    """dialect: the dialect that it was decoded from. documents: texts, or objects with one. top: how many
    results, None = all. documents_back: whether the answer repeats the documents, None = unstated. truncate:
    the most tokens of a document that count. form: whose words its client wrote, where several vendors' are
    taken. extra: keys that no field names, by dialect.
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
    """One result. index: the place of its document in the request. score: the more the better."""

    index: int
    score: float
    document: str | dict[str, Any] | None = None


class RerankResponse(Value, frozen=True):
    """The best documents, the best first. told: what else the provider says, by its own words ("meta",
    "usage" with prices).
    """

    results: tuple[Ranked, ...]
    model: str | None = None
    id: str | None = None
    told: dict[str, Any] | None = None
    usage: Usage | None = None
