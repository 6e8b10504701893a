"""Counts the searches for an answer of Google's models, which Google bills in addition to the tokens.

Google does not state their number, but lists the queries in `groundingMetadata`. It bills each different
query that is not empty; for models before Gemini 3, each prompt that led to a query. The price table has this
rule for each model. https://ai.google.dev/gemini-api/docs/google-search#pricing (2026-11)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.grounding import GROUNDING

QUERIES: Final = b'"webSearchQueries"'
"""Is in the JSON text of an answer that lists queries."""
UNIT: Final = "web_search_requests"
"""Their number's name in `Usage.detail`."""
_MEMBER: Final = "webSearchQueries"
_MOST: Final = 1_000
"""The most queries that are counted in one answer."""


class Searches:
    """Collects the different search queries of one answer."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: set[str] = set()

    def note(self, candidates: Any) -> None:
        """Add the queries of these candidates (decoded JSON). Candidates in an unknown form are ignored."""
        for candidate in candidates if isinstance(candidates, list) else ():
            grounding = candidate.get(GROUNDING) if isinstance(candidate, dict) else None
            listed = grounding.get(_MEMBER) if isinstance(grounding, dict) else None
            for query in listed if isinstance(listed, list) else ():
                if isinstance(query, str) and query.strip() and len(self._queries) < _MOST:
                    self._queries.add(query)

    def counted(self, usage: ir.Usage) -> ir.Usage:
        """Return the usage of the answer with the number of searches in its `detail`."""
        if not self._queries:
            return usage
        detail = {**(usage.detail or {}), UNIT: len(self._queries)}
        return msgspec.structs.replace(usage, detail=detail)


def with_searches(usage: ir.Usage, candidates: Any) -> ir.Usage:
    """Return the usage of an answer that is not streamed, with the number of its candidates' searches in
    `detail`.
    """
    searches = Searches()
    searches.note(candidates)
    return searches.counted(usage)
