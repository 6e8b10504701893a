"""Makes the names of limits' counters; `state.counters` reads them. Pure.

The name of a counter states the limit, whom the counter counts, and the window. So all processes use the same
name without asking each other, and whoever reads the name knows when the counter's window is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from dragoman.accounts.limits import AGAIN, Limit, Subject
from dragoman.state.counters import escaped

_LONGEST: Final = 64
"""The most characters of a subject's name that a counter shows; a longer name is replaced by its hash."""
_HASHED: Final = "#"
_AGAIN: Final = "/@"
"""Stands between the name of a subject and the beginning of its id; no name of the database has a slash."""
_OF_ID: Final = 8


def prefix_of(limit: Limit, value: str) -> str:
    """Return the beginning of the names of a limit's counters for one subject, such as
    `burst|requests|1minute||ci-agent|`: the name of the limit, the resource, the window, `mark_of` its
    models, and the subject. The start of the window follows it. value: the name of the subject that is
    counted, such as a key or a tag.
    """
    window = "" if limit.window is None else f"{limit.every}{limit.window}"
    return f"{escaped(limit.name)}|{limit.resource}|{window}|{mark_of(limit.models)}|{shown(value)}|"


def shown(value: str) -> str:
    """Return the name of a subject in the form that counters show: the name itself; or `#` and 32 digits of
    its hash, if the name is long, begins with `#` or has characters that cannot be printed.
    """
    if len(value) <= _LONGEST and value.isprintable() and not value.startswith(_HASHED):
        return value
    return _HASHED + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def again(name: str, id_: str) -> str:
    """Return the name under which limits count a tenant, a team or a user, if an earlier one with the same
    name was removed: `name`, `/@` and the first 8 characters of `id_`, the id of the present one.
    """
    return f"{name}{_AGAIN}{id_[:_OF_ID]}"


def name_of(value: str, subject: Subject) -> str:
    """Return the name of a subject, without the part of the id that `again` adds to it. A hash (`#…`) is
    returned as it is. value: as counters show it (`Counter.value`). subject: what kind of subject it is.
    """
    return value.rpartition(_AGAIN)[0] or value if subject in AGAIN else value


def mark_of(models: Iterable[str] | None) -> str:
    """Return 8 hexadecimal digits of a hash of these model names; "" = the limit is for all models (`models`
    is None).
    """
    if models is None:
        return ""
    return hashlib.sha256("\0".join(sorted(models)).encode("utf-8", "surrogatepass")).hexdigest()[:8]
