"""How much a decoder keeps of one stream, which has no end that anybody knows.

An event of forty bytes can make an object of a thousand: another candidate, another call, a member that
nobody knows. These bounds lie far above what models do and far below what hurts, so they are no settings.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.errors import WireError

MOST_CANDIDATES: Final = 1000
"""Candidates of one answer. OpenAI gives 128 at most, the others fewer."""
MOST_CALLS: Final = 1000
"""Calls of one candidate that are kept apart. OpenAI takes 128 tools."""
MOST_LEFTOVERS: Final = 1000
"""Members that no field carries, of one answer or one candidate. Each new one is compared with, or copied."""
MOST_CITATIONS: Final = 10_000
"""Citations of one candidate that are kept until its end."""
MOST_OPEN: Final = 1000
"""Blocks that grow at the same time."""


def refuse_more(kept: int, most: int, what: str) -> None:
    """Raise WireError where as many are kept already as may be, before another is added."""
    if kept >= most:
        raise WireError(f"more than {most} {what}", code="answer_too_many_blocks")


def refuse_index(index: Any, what: str) -> None:
    """Raise WireError for what is no position: a negative number, or none at all."""
    if type(index) is not int or index < 0:
        raise WireError(f"the index of a {what} must be a number that is not negative")
