"""Counts the web searches that Google's models made for an answer. Google bills them in addition to the
tokens.

Google does not state their number, but lists the queries in `groundingMetadata`. Each different query that is
not empty is billed. With models before Gemini 3, each prompt that led to a query is billed instead; the price
table knows which models these are. https://ai.google.dev/gemini-api/docs/google-search#pricing (2026-11)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.grounding import GROUNDING

QUERIES: Final = b'"webSearchQueries"'
"""Bytes that occur in the JSON of every answer that lists queries."""
UNIT: Final = "web_search_requests"
"""The name, in `Usage.detail`, of the number of searches."""
_MEMBER: Final = "webSearchQueries"
_MOST: Final = 1_000
"""The most queries that are counted in one answer."""


class Searches:
    """Collects the different search queries of one answer."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: set[str] = set()

    def note(self, candidates: Any) -> None:
        """Add the queries of these candidates that are not blank. After `_MOST` (1,000) different queries,
        further ones are ignored. candidates: the value of `candidates` in an answer or a chunk; a value of
        unknown form has no queries.
        """
        for candidate in candidates if isinstance(candidates, list) else ():
            grounding = candidate.get(GROUNDING) if isinstance(candidate, dict) else None
            listed = grounding.get(_MEMBER) if isinstance(grounding, dict) else None
            for query in listed if isinstance(listed, list) else ():
                if isinstance(query, str) and query.strip() and len(self._queries) < _MOST:
                    self._queries.add(query)

    def counted(self, usage: ir.Usage) -> ir.Usage:
        """Return a copy of a usage with the number of the collected queries in its `detail`, under the name
        `UNIT`; the usage itself if there are no queries.
        """
        if not self._queries:
            return usage
        detail = {**(usage.detail or {}), UNIT: len(self._queries)}
        return msgspec.structs.replace(usage, detail=detail)


def with_searches(usage: ir.Usage, candidates: Any) -> ir.Usage:
    """Return a copy of the usage of a whole answer with the number of its different search queries in
    `detail`, under the name `UNIT`; the usage itself if there are none. candidates: the value of
    `candidates`.
    """
    searches = Searches()
    searches.note(candidates)
    return searches.counted(usage)
