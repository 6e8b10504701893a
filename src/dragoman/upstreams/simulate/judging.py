"""Moderation and reranking without a model. Pure: the same request gives the same answer.

An input is flagged if one of its texts contains at least one of the words in `WORDS`, as a whole word, in
upper or lower case. Only the first 100,000 characters of a text are read. Images are never flagged.
"""

from __future__ import annotations

import json
from math import sqrt
from typing import Final

from dragoman import ir
from dragoman.upstreams.simulate.vectors import words

WORDS: Final[dict[str, frozenset[str]]] = {
    "harassment": frozenset({"idiot", "loser"}),
    "harassment/threatening": frozenset({"threaten"}),
    "hate": frozenset({"hate"}),
    "hate/threatening": frozenset({"exterminate"}),
    "illicit": frozenset({"counterfeit", "smuggle"}),
    "illicit/violent": frozenset({"bomb"}),
    "self-harm": frozenset({"suicide"}),
    "self-harm/intent": frozenset(),
    "self-harm/instructions": frozenset(),
    "sexual": frozenset({"porn"}),
    "sexual/minors": frozenset(),
    "violence": frozenset({"kill", "murder", "stab"}),
    "violence/graphic": frozenset({"gore"}),
}
"""The words that flag a text, by OpenAI's categories. docs/simulator.md has the same list."""


def judged(request: ir.ModerationRequest, model: str) -> ir.ModerationResponse:
    """Return a moderation result for each input, in their order. The words in the input's texts decide it.
    model: the name that the response states.
    """
    return ir.ModerationResponse(tuple(map(_judgement, request.inputs)), model)


def _judgement(blocks: tuple[ir.Text | ir.Media, ...]) -> ir.Judgement:
    document_words = {word for block in blocks if isinstance(block, ir.Text) for word in words(block.text)}
    found = {category: len(listed & document_words) for category, listed in WORDS.items()}
    scores = {category: round(1 - 0.1**count, 6) for category, count in found.items()}
    kinds = ("text",) if any(isinstance(block, ir.Text) for block in blocks) else ()
    return ir.Judgement(
        any(found.values()),
        {category: count > 0 for category, count in found.items()},
        scores,
        dict.fromkeys(WORDS, kinds),
    )


def ranked(request: ir.RerankRequest, model: str) -> ir.RerankResponse:
    """Return the index and the nearness of each document, the nearest document first, equally near ones in
    their order; at most `request.top` documents (None = all). A document is nearer to the query the more
    words they share, in proportion to their numbers of different words.
    """
    query_words = set(words(request.query))
    results = [
        ir.Ranked(index, _nearness(query_words, document)) for index, document in enumerate(request.documents)
    ]
    results.sort(key=lambda result: -result.score)
    return ir.RerankResponse(tuple(results[: request.top]), model)


def _nearness(query_words: set[str], document: str | dict[str, object]) -> float:
    """Return the nearness of the query and the document, from 0 to 1: the cosine of their sets of words; 0 if
    one of them has no words. For a document that is an object, its values are written as JSON, and the words
    in this JSON count.
    """
    text = document if isinstance(document, str) else json.dumps(list(document.values()), ensure_ascii=False)
    document_words = set(words(text))
    if not query_words or not document_words:
        return 0.0
    return round(len(query_words & document_words) / sqrt(len(query_words) * len(document_words)), 6)
