"""Judgements and rankings that need no model. Pure: the same request gives the same answer.

Nobody understands anything here. A text is flagged for the words of `WORDS`, and pictures are not looked at.
A document is the better, the more words it shares with the question.
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
"""What flags a text, by OpenAI's categories. docs/simulator.md lists the same."""


def judged(request: ir.ModerationRequest, model: str) -> ir.ModerationResponse:
    """A judgement of each input."""
    return ir.ModerationResponse(tuple(map(_judgement, request.inputs)), model)


def _judgement(blocks: tuple[ir.Text | ir.Media, ...]) -> ir.Judgement:
    said = {word for block in blocks if isinstance(block, ir.Text) for word in words(block.text)}
    found = {category: len(listed & said) for category, listed in WORDS.items()}
    scores = {category: round(1 - 0.1**count, 6) for category, count in found.items()}
    kinds = ("text",) if any(isinstance(block, ir.Text) for block in blocks) else ()
    return ir.Judgement(
        any(found.values()),
        {category: count > 0 for category, count in found.items()},
        scores,
        dict.fromkeys(WORDS, kinds),
    )


def ranked(request: ir.RerankRequest, model: str) -> ir.RerankResponse:
    """All documents, the best first; of equals the one that came first."""
    asked = set(words(request.query))
    results = [
        ir.Ranked(index, _nearness(asked, document)) for index, document in enumerate(request.documents)
    ]
    results.sort(key=lambda result: -result.score)
    return ir.RerankResponse(tuple(results[: request.top]), model)


def _nearness(asked: set[str], document: str | dict[str, object]) -> float:
    """The cosine of two sets of words. What of an object is no text counts as it is written."""
    text = document if isinstance(document, str) else json.dumps(list(document.values()), ensure_ascii=False)
    said = set(words(text))
    if not asked or not said:
        return 0.0
    return round(len(asked & said) / sqrt(len(asked) * len(said)), 6)
