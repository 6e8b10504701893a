"""Reads single values of LiteLLM's configuration, whatever type they have. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

_REFERENCE: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


def section(written: Any, name: str) -> Mapping[str, Any]:
    """Return the mapping with this name in another mapping; {} = there is none, or `written` is not one."""
    value = written.get(name) if isinstance(written, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Any]:
    """Return a list as it is, None as an empty list, and every other value as a list of itself."""
    return value if isinstance(value, list) else [] if value is None else [value]


def number(value: Any) -> float | None:
    """Return the value itself if it is a finite number that a double can hold. None = any other value, also a
    text, a boolean, and an integer that is too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None  # false for NaN, too


def filled(value: Any, known: Mapping[str, Any]) -> str:
    """Return a value as a text without blanks around it, in which each `os.environ/NAME` is replaced: by
    NAME's value in `known` (a number, or a text that does not itself begin with `os.environ/NAME`), or else
    by `${NAME}`. known: LiteLLM's section `environment_variables`.
    """

    def named(match: re.Match[str]) -> str:
        stated = known.get(match[1])
        if isinstance(stated, str | int | float) and not _REFERENCE.match(str(stated)):
            return str(stated)
        return f"${{{match[1]}}}"

    return _REFERENCE.sub(named, str(value).strip())
