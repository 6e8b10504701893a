"""Joins the arguments of a call that arrive in pieces.

Vertex AI can stream arguments (`streamFunctionCallArguments`). Each piece states by a JSON path the member of
the arguments to which it belongs. A string may continue in the next piece with the same path.

    {"jsonPath": "$.recipe.steps[0]", "stringValue": "Boil wa", "willContinue": true}

Specification: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content#PartialArg
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from dragoman.errors import WireError
from dragoman.wire.json import MAX_DEPTH

_STEP = re.compile(r"""\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|\[(?P<quoted>'[^']*'|"[^"]*")\]""")
_VALUES = ("stringValue", "numberValue", "boolValue")
_LONGEST_PATH = 10_000
"""The most characters of a JSON path."""
_PATH = "functionCall.partialArgs[].jsonPath"
_encode = msgspec.json.Encoder().encode


class Patches:
    """Builds the arguments of one tool call from pieces. bare: what `text` returns while there are no
    arguments.
    """

    __slots__ = ("_arguments", "_bare", "_going_on", "_place", "_words")

    def __init__(self, bare: str = "{}") -> None:
        self._bare = bare
        self._arguments: dict[str, Any] = {}
        self._going_on: str | None = None
        self._words: list[str] = []  # pieces of the text that continues, joined at its end
        self._place: tuple[Any, str | int] = ({}, "")  # where this text belongs

    def add(self, piece: Mapping[str, Any]) -> None:
        """Add one element of `partialArgs` (`piece`). The element replaces the value at its path; a string is
        appended instead, if the element before is a string with the same path and `willContinue`. An element
        without a string, number or boolean stands for null. Raises WireError for a JSON path that is missing
        or malformed, or that does not fit the arguments so far, for example because it skips an index of an
        array.
        """
        path = piece.get("jsonPath")
        if not isinstance(path, str):
            raise WireError("must be a JSON path", _PATH)
        value: Any = next((piece[key] for key in _VALUES if key in piece), None)
        goes_on = bool(piece.get("willContinue"))
        if path == self._going_on and isinstance(value, str) and self._words:
            self._words.append(value)
            if not goes_on:
                self._settle()
            return
        self._settle()
        steps = _steps(path)
        holder: Any = self._arguments
        for step, following in pairwise(steps):
            holder = _within(holder, step, following, path)
        last = steps[-1]
        _put(holder, last, value, path)
        if goes_on and isinstance(value, str):
            self._going_on, self._words, self._place = path, [value], (holder, last)

    def take(self, members: Mapping[str, Any]) -> None:
        """Add complete members of the arguments: name -> value. Each replaces an earlier one of its name."""
        self._settle()
        self._arguments.update(members)

    def _settle(self) -> None:
        """End a string that continued over several elements: write the whole string to its place in the
        arguments. Nothing happens if no string is open.
        """
        if self._words:
            holder, last = self._place
            holder[last] = "".join(self._words)
        self._going_on, self._words = None, []

    def text(self) -> str:
        """Return the arguments so far, as the text of a JSON object; without arguments, the constructor's
        `bare`.
        """
        if self._words:
            holder, last = self._place
            holder[last] = "".join(self._words)
        return _encode(self._arguments).decode() if self._arguments else self._bare


def _steps(path: str) -> list[str | int]:
    """Return the member names and indexes of a JSON path: "$.a[0]" gives ["a", 0]. Raises WireError if the
    path is malformed, too long, or has too many steps or none ("$").
    """
    steps: list[str | int] = []
    position = 1
    while len(steps) <= MAX_DEPTH and len(path) <= _LONGEST_PATH and (found := _STEP.match(path, position)):
        name, index, quoted = found["name"], found["index"], found["quoted"]
        steps.append(int(index[:9]) if index is not None else name if name is not None else quoted[1:-1])
        position = found.end()
    if not path.startswith("$") or position != len(path) or not steps:
        raise WireError(f"the JSON path cannot be parsed: {path[:200]}", _PATH)
    return steps


def _within(holder: Any, step: str | int, following: str | int, path: str) -> Any:
    inside = _at(holder, step, path)
    if inside is None:
        inside = {} if isinstance(following, str) else []
        _put(holder, step, inside, path)
    return inside


def _at(holder: Any, step: str | int, path: str) -> Any:
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.get(step)
    if isinstance(holder, list) and isinstance(step, int):
        return holder[step] if step < len(holder) else None
    raise _misplaced(path)


def _put(holder: Any, step: str | int, value: Any, path: str) -> None:
    if isinstance(holder, list) and isinstance(step, int) and step <= len(holder):
        holder[step : step + 1] = [value]
    elif isinstance(holder, dict) and isinstance(step, str):
        holder[step] = value
    else:  # an array only grows by one: a large index must not create a large array
        raise _misplaced(path)


def _misplaced(path: str) -> WireError:
    return WireError(f"the JSON path does not exist in the arguments: {path[:200]}", _PATH)
