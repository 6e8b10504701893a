"""Looks up paths such as `messages[0].content` in the JSON body of a request."""

from __future__ import annotations

import re
from typing import Any, Final

_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]")


def nearest(body: dict[str, Any], path: str, fallback: str) -> str:
    """Return the longest beginning of `path` that exists in the body: the path itself, or the path of an
    object or array around it. fallback: the result if not even the first member of the path exists.
    """
    while not has(body, path):
        shorter = path[: max(path.rfind("."), path.rfind("["), 0)]
        if not shorter:
            return fallback
        path = shorter
    return path


def has(body: Any, path: str) -> bool:
    """Whether a path such as `messages[0].content` exists in a decoded body. A member that is null exists,
    too.
    """
    value = body
    for step in _STEP.findall(path):
        if step.startswith("["):
            if type(value) is not list or int(step[1:-1]) >= len(value):
                return False
            value = value[int(step[1:-1])]
        elif type(value) is dict and step in value:
            value = value[step]
        else:
            return False
    return True
