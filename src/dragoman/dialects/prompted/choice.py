"""Asks for a forced call as structured output, for providers that cannot force a call.

The answer must follow a JSON Schema, and its text is turned back into a call while it is received:

    one tool   the schema of its parameters: the answer is the arguments
    several    {"call": {"tool": NAME, "arguments": {…}}}, where `anyOf` has one object for each tool

The root is an object, because some providers refuse `anyOf` there; a name is an `enum` with one value, which
more providers know than `const`; `tool` comes before `arguments`, because grammars keep the order of
`properties`, and the call's name must be known before its arguments. Definitions move to the root, because
not every provider follows a reference into an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.json_extent import JsonExtent
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import described, parameters
from dragoman.dialects.prompted.reading import Begun, CallReader, Ended, Piece, Written
from dragoman.dialects.prompted.request import offered, without_tools
from dragoman.dialects.schema import MADE

replace = msgspec.structs.replace

_ONE: Final = "Call this tool now: answer with the JSON object of its arguments and with nothing else."
_SEVERAL: Final = (
    "Call one of these tools now: answer with one JSON object and with nothing else. Its form is "
    '{"call": {"tool": "tool_name", "arguments": {"parameter_name": "value"}}}.'
)


def is_choice(request: ir.Request) -> bool:
    """Whether the request forces a call of a function, and offers at least one such function."""
    choice = request.tool_choice
    if choice is None or choice.mode not in {"any", "tool"}:
        return False
    names = choice.names
    functions = [tool for tool in request.tools or () if isinstance(tool, ir.Function)]
    return any(not names or tool.name in names for tool in functions)


def chosen(
    request: ir.Request, report: Report, *, keeps: bool
) -> tuple[ir.Request, Callable[[], CallReader]]:
    """(the request that asks for its forced call as structured output, a function that makes the reader of
    the answer). `is_choice` must be true for the request.

    keeps: True = the tools stay in the request, with the tool choice "none", which the target obeys: some
    providers require the tools if the history has calls. False = the tools are removed. report: gets the
    changes and losses.
    """
    allowed = offered(request, report)
    output = request.output
    if output is not None and output.kind != "text":
        report.lose("output", "a tool call is forced, so there is no text to format", "hint")
    how = "the forced call is requested as structured output: the model makes one call"
    report.change("tool_choice", "output", how)
    names = [tool.name for tool in allowed]
    wanted = replace(
        output or ir.Output(),
        kind="schema",
        schema=parameters(allowed[0]) if len(allowed) == 1 else _schema(allowed),
        name=None,
        description=None,
        strict=True if all(tool.strict for tool in allowed) else None,
        form=MADE,
    )
    words = "\n".join([*map(described, allowed), _ONE if len(allowed) == 1 else _SEVERAL])
    if keeps:
        request = replace(request, tool_choice=ir.ToolChoice("none"), parallel=None)
    else:
        # Its schema is enforced, so `strict` is not lost.
        plain = [replace(t, strict=None) if isinstance(t, ir.Function) else t for t in request.tools or ()]
        request = without_tools(replace(request, tools=tuple(plain)), report)
    request = replace(request, output=wanted, system=(*request.system, ir.Text(words)))
    return request, partial(OneArguments, names[0]) if len(names) == 1 else partial(OneCall, frozenset(names))


# The schema ---------------------------------------------------------------------------------------


def _schema(tools: Sequence[ir.Function]) -> dict[str, Any]:
    """The schema of an answer that is a call of one of these tools. tools: at least two."""
    definitions: dict[str, Any] = {}
    calls = [_of_call(tool, index, definitions) for index, tool in enumerate(tools)]
    schema = _closed({"call": {"anyOf": calls}})
    if definitions:
        schema["$defs"] = definitions
    return schema


def _of_call(tool: ir.Function, index: int, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a call of one tool. The definitions in the tool's schema are added to `definitions`,
    under new names. index: the tool's index in `anyOf`.
    """
    own = dict(parameters(tool))
    place = f"#/properties/call/anyOf/{index}/properties/arguments"
    moved: dict[str, str] = {}
    own = {key: value for key, value in own.items() if key not in _DEFINING or isinstance(value, dict)}
    for keyword in ("$defs", "definitions"):
        for name in own.get(keyword) or {}:
            moved[f"#/{keyword}/{name}"] = f"#/$defs/{index}_{name}"
    for keyword in ("$defs", "definitions"):
        for name, value in (own.pop(keyword, None) or {}).items():
            definitions[f"{index}_{name}"] = _moved(value, moved, place)
    own.pop("$schema", None)
    return _closed({"tool": {"type": "string", "enum": [tool.name]}, "arguments": _moved(own, moved, place)})


_DEFINING: Final = ("$defs", "definitions")


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _moved(node: Any, moved: Mapping[str, str], place: str) -> Any:
    """A copy of a schema that was moved to `place` (a JSON pointer), with its references adapted. moved: old
    place of a definition -> its new place.
    """
    if isinstance(node, list):
        return [_moved(item, moved, place) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _reference(value, moved, place)
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, moved, place)
        for key, value in node.items()
    }


def _reference(where: str, moved: Mapping[str, str], place: str) -> str:
    keyword = "/".join(where.split("/")[:3])
    if keyword in moved:
        return moved[keyword] + where[len(keyword) :]
    return place + where[1:]


# The answer ---------------------------------------------------------------------------------------


class _Arguments:
    """Reads the arguments of a call, which are passed on while they come, and the text behind them. ending:
    the braces that must follow the arguments.
    """

    __slots__ = ("_ending", "_extent")

    def __init__(self, ending: str) -> None:
        self._extent = JsonExtent()
        self._ending: str | None = ending  # closes the objects around the arguments; None = other text came

    def feed(self, text: str) -> list[Piece]:
        """Take the next part of the text, and return the pieces that it completes."""
        pieces: list[Piece] = []
        if not self._extent.ended():
            end = self._extent.feed(text)
            if end:
                pieces.append(Written(text[:end]))
            if not self._extent.ended():
                return pieces
            pieces.append(Ended())
            text = text[end:]
        return pieces + self._behind(text)

    def _behind(self, text: str) -> list[Piece]:
        """The plain text behind the arguments. The braces in `ending`, and white space before, between and
        after them, are left out.
        """
        at = 0
        while self._ending is not None and at < len(text):
            if self._ending and text[at] == self._ending[0]:
                self._ending = self._ending[1:]
            elif not text[at].isspace():
                self._ending = None
                break
            at += 1
        return [text[at:]] if at < len(text) else []

    def close(self) -> list[Piece]:
        """The end of the call, if the answer breaks off inside the arguments; else []."""
        return [] if self._extent.ended() else [Ended()]


class OneArguments:
    """The `CallReader` of an answer that is the arguments of the tool `name`. A text that does not begin with
    an object is plain text.
    """

    __slots__ = ("_arguments", "_held", "_name", "_other")

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = ""
        self._arguments: _Arguments | None = None
        self._other = False

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = white space is held
        back.
        """
        if self._arguments is not None:
            return self._arguments.feed(text)
        if self._other:
            return [text] if text else []
        text = self._held + text
        stripped = text.lstrip()
        if not stripped:
            self._held = text
            return []
        if stripped[0] != "{":
            self._held, self._other = "", True
            return [text]
        self._held = ""
        self._arguments = _Arguments("")
        return [Begun(self._name), *self._arguments.feed(stripped)]

    def close(self) -> Sequence[Piece]:
        """The last pieces: the end of a call that broke off, or text that was held back."""
        if self._arguments is not None:
            return self._arguments.close()
        return [self._held] if self._held else []


class OneCall:
    """The `CallReader` of an answer that states a tool and its arguments. names: the tools that may be
    called. A text that begins in another way, or states another tool, is plain text.
    """

    __slots__ = ("_arguments", "_heads", "_held", "_other")

    def __init__(self, names: frozenset[str]) -> None:
        self._heads = {_head(name): name for name in names}
        self._held = ""
        self._arguments: _Arguments | None = None
        self._other = False

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = the text is held
        back, because it may be the beginning of a call.
        """
        if self._arguments is not None:
            return self._arguments.feed(text)
        if self._other:
            return [text] if text else []
        text, self._held = self._held + text, ""
        compact = "".join(text.split())
        for head, name in self._heads.items():
            if compact.startswith(head):
                self._arguments = _Arguments("}}")
                return [Begun(name), *self._arguments.feed(_behind(text, len(head) - 1))]
        if len(text) <= _LONGEST and any(head.startswith(compact) for head in self._heads):
            self._held = text
            return []
        self._other = True
        return [text]

    def close(self) -> Sequence[Piece]:
        """The last pieces: the end of a call that broke off, or text that was held back."""
        if self._arguments is not None:
            return self._arguments.close()
        return [self._held] if self._held else []


_LONGEST: Final = 2000
"""The most characters of an answer's beginning that are held back. A limit is needed because a model may
write any amount of white space."""


def _head(name: str) -> str:
    """The beginning of an answer with a call of this tool, up to the first brace of the arguments, without
    white space.
    """
    quoted = "".join(msgspec.json.encode(name).decode().split())
    return f'{{"call":{{"tool":{quoted},"arguments":{{'


def _behind(text: str, count: int) -> str:
    """The rest of the text after its first `count` characters that are not white space. White space at the
    beginning of the rest is removed.
    """
    at = 0
    while count:
        count -= not text[at].isspace()
        at += 1
    return text[at:].lstrip()
