"""Counts the searches that an answer of Google's models rests on, which are billed beside its tokens.

Google states no number of them, but lists the queries in `groundingMetadata`. It bills each different query
that is not empty, with models before Gemini 3 each prompt with a query: the price table knows which.
https://ai.google.dev/gemini-api/docs/google-search#pricing (2026-11)
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
    """The different queries of one answer."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: set[str] = set()

    def note(self, candidates: Any) -> None:
        """Take the queries of these candidates. Candidates of unknown form have none."""
        for candidate in candidates if isinstance(candidates, list) else ():
            grounding = candidate.get(GROUNDING) if isinstance(candidate, dict) else None
            listed = grounding.get(_MEMBER) if isinstance(grounding, dict) else None
            for query in listed if isinstance(listed, list) else ():
                if isinstance(query, str) and query.strip() and len(self._queries) < _MOST:
                    self._queries.add(query)

    def counted(self, usage: ir.Usage) -> ir.Usage:
        """The usage of the answer with its searches."""
        if not self._queries:
            return usage
        detail = {**(usage.detail or {}), UNIT: len(self._queries)}
        return msgspec.structs.replace(usage, detail=detail)


def with_searches(usage: ir.Usage, candidates: Any) -> ir.Usage:
    """The usage of a whole answer with the searches of its candidates."""
    searches = Searches()
    searches.note(candidates)
    return searches.counted(usage)
