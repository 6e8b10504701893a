"""The names of counters, as limits make them; `state.counters` reads them. Pure.

The name of a counter states the limit, whom it counts and the window, so that all processes use the same one
without asking each other, and whoever reads the name knows when the counter is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from dragoman.accounts.limits import Limit
from dragoman.state.counters import escaped

_LONGEST: Final = 64
"""The most characters of a name that a counter shows; a longer one is replaced by its hash."""
_HASHED: Final = "#"


def prefix_of(limit: Limit, value: str) -> str:
    """The beginning of the name of a limit's counter, to which the window's start is added. value: whom it
    counts.
    """
    window = "" if limit.window is None else f"{limit.every}{limit.window}"
    return f"{escaped(limit.name)}|{limit.resource}|{window}|{mark_of(limit.models)}|{shown(value)}|"


def shown(value: str) -> str:
    """A name as counters show it: the name itself; or, if it is long or cannot be printed, `#` and 32 digits
    of its hash. So names that clients invent are short, and no two names have the same counter.
    """
    if len(value) <= _LONGEST and value.isprintable() and not value.startswith(_HASHED):
        return value
    return _HASHED + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mark_of(models: Iterable[str] | None) -> str:
    """Eight hexadecimal digits that differ for limits of the same name that are for different models; "" =
    the limit is for all models.
    """
    if models is None:
        return ""
    return hashlib.sha256("\0".join(sorted(models)).encode("utf-8", "surrogatepass")).hexdigest()[:8]
