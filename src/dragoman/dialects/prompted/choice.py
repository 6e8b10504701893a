"""Asks for a forced call as structured output, for providers that cannot force a call.

The answer must follow a JSON Schema, and its text is turned back into a call while it is received:

    one tool   the schema of its parameters: the answer is the arguments
    several    {"call": {"tool": NAME, "arguments": {…}}}, where `anyOf` has one object for each tool

The root is an object, because some providers refuse `anyOf` there; a name is an `enum` with one value, which
more providers know than `const`; `tool` comes before `arguments`, because grammars keep the order of
`properties`, and the call's name must be known before its arguments. With several tools, their definitions
move to the root, because not every provider follows a reference into an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.json_extent import JsonExtent
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import Notation, described, parameters
from dragoman.dialects.prompted.reading import Begun, CallReader, Ended, Piece, Written
from dragoman.dialects.prompted.request import offered, without_tools
from dragoman.dialects.request import MADE
from dragoman.dialects.schema_references import SchemaReferences

replace = msgspec.structs.replace

_ONE: Final = "Call this tool now: answer with the JSON object of its arguments and with nothing else."
_SEVERAL: Final = (
    "Call one of these tools now: answer with one JSON object and with nothing else. Its form is "
    '{"call": {"tool": "tool_name", "arguments": {"parameter_name": "value"}}}.'
)


def is_choice(request: ir.Request) -> bool:
    """Whether the request forces a call of a function, and offers at least one function that this call may
    name.
    """
    choice = request.tool_choice
    if choice is None or choice.mode not in {"any", "tool"}:
        return False
    names = choice.names
    functions = [tool for tool in request.tools or () if isinstance(tool, ir.Function)]
    return any(not names or tool.name in names for tool in functions)


def chosen(
    request: ir.Request, report: Report, notation: Notation | None, *, keeps: bool
) -> tuple[ir.Request, Callable[[], CallReader]]:
    """Return (the request that asks for its forced call as structured output, a function that makes the
    reader of each text of the answer). The caller has checked `is_choice`. The request's output becomes the
    schema of the call, and a text at the end of `system` describes the allowed functions.

    notation: how the model writes a call if its server ignores the schema; None = such an answer is plain
    text. keeps: True = the tools stay in the request, with the tool choice "none": some providers require the
    tools if the history has calls. False = the functions are removed. report: gets the changes and losses.
    """
    allowed = offered(request, report)
    single = request.parallel is False
    output = request.output
    if output is not None and output.kind != "text":
        report.lose("output", "a tool call is forced, so there is no text to format", "hint")
    how = "the forced call is requested as structured output: the model makes one call"
    report.change("tool_choice", "output", how)
    wanted = replace(
        output or ir.Output(),
        kind="schema",
        schema=_object(parameters(allowed[0])) if len(allowed) == 1 else _schema(allowed),
        name=None,
        description=None,
        strict=True if all(tool.strict for tool in allowed) else None,
        form=MADE,
    )
    words = "\n".join([*map(described, allowed), _ONE if len(allowed) == 1 else _SEVERAL])
    if keeps:
        assert request.tool_choice is not None
        none = ir.ToolChoice("none", extra=request.tool_choice.extra)
        request = replace(request, tool_choice=none, parallel=None)
    else:
        # Its schema is enforced, so `strict` is not lost.
        plain = [replace(t, strict=None) if isinstance(t, ir.Function) else t for t in request.tools or ()]
        request = without_tools(replace(request, tools=tuple(plain)), report)
    request = replace(request, output=wanted, system=(*request.system, ir.Text(words)))
    schemas = {tool.name: parameters(tool) for tool in allowed}
    otherwise = None if notation is None else notation.reader(schemas, single=single)
    if len(schemas) == 1:
        return request, partial(ForcedCall, dict.fromkeys("{", allowed[0].name), "", otherwise)
    return request, partial(ForcedCall, {_head(name): name for name in schemas}, "}}", otherwise)


# The schema ---------------------------------------------------------------------------------------


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's arguments, with the type "object" added, unless it has a type or another
    keyword that may state one (`$ref`, `anyOf`, `enum`, …).
    """
    if not schema.keys().isdisjoint(("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")):
        return schema
    return {"type": "object", **schema}


def _schema(tools: Sequence[ir.Function]) -> dict[str, Any]:
    """Return the schema of an answer that is a call of one of these tools (`{"call": …}`). tools: at least
    two.
    """
    definitions: dict[str, Any] = {}
    calls = [_of_call(tool, index, definitions) for index, tool in enumerate(tools)]
    schema = _closed({"call": {"anyOf": calls}})
    if definitions:
        schema["$defs"] = definitions
    return schema


def _of_call(tool: ir.Function, index: int, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a call of one tool. The definitions in the tool's schema are added to
    `definitions`, under new names. index: the tool's index in `anyOf`.
    """
    own = dict(_object(parameters(tool)))
    references = SchemaReferences(own)
    place = f"#/properties/call/anyOf/{index}/properties/arguments"
    moved: dict[str, str] = {}
    own = {key: value for key, value in own.items() if key not in _DEFINING or isinstance(value, dict)}
    for keyword in ("$defs", "definitions"):
        for name in own.get(keyword) or {}:
            step = name.replace("~", "~0").replace("/", "~1")
            moved[f"#/{keyword}/{step}"] = f"#/$defs/{index}_{step}"
    for keyword in ("$defs", "definitions"):
        for name, value in (own.pop(keyword, None) or {}).items():
            definitions[f"{index}_{name}"] = _moved(value, moved, place, references)
    own.pop("$schema", None)
    arguments = _moved(own, moved, place, references)
    return _closed({"tool": {"type": "string", "enum": [tool.name]}, "arguments": arguments})


_DEFINING: Final = ("$defs", "definitions")


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _moved(node: Any, moved: Mapping[str, str], place: str, references: SchemaReferences) -> Any:
    """Return a copy of a part of a tool's schema (`node`), with its references adapted to a schema that was
    moved to `place` (a JSON pointer). moved: old pointer to a definition -> its new pointer. references:
    those of the tool's complete schema.
    """
    if isinstance(node, list):
        return [_moved(item, moved, place, references) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _reference(references.pointer(value) or value, moved, place)
        if key == "$ref" and isinstance(value, str)
        else _moved(value, moved, place, references)
        for key, value in node.items()
    }


def _reference(where: str, moved: Mapping[str, str], place: str) -> str:
    if where != "#" and not where.startswith("#/"):
        return where  # into another document, or by an anchor that the schema lacks
    keyword = "/".join(where.split("/")[:3])
    if keyword in moved:
        return moved[keyword] + where[len(keyword) :]
    return place + where[1:]


# The answer ---------------------------------------------------------------------------------------


class _Arguments:
    """Reads the arguments of a call, which are passed on while they come, and the text after them. ending:
    the characters that are expected after the arguments, in order.
    """

    __slots__ = ("_ending", "_extent")

    def __init__(self, ending: str) -> None:
        self._extent = JsonExtent()
        self._ending: str | None = ending  # closes the objects around the arguments; None = other text came

    def feed(self, text: str) -> list[Piece]:
        """Take the next part of the text, and return the pieces in it: Written for arguments, Ended at their
        end, then plain text.
        """
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
        """Return the plain text after the arguments, as one piece; [] = there is none. The characters in
        `ending`, and white space before, between and after them, are left out.
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
        """Return the end of the call, if the answer breaks off inside the arguments; otherwise []."""
        return [] if self._extent.ended() else [Ended()]


class ForcedCall:
    """The `CallReader` of an answer that is one call. A Markdown code fence around the answer is left out.

    heads: how an answer may begin, without white space, up to and with the first brace of the arguments ->
    the name of the tool. ending: the braces that close the objects around the arguments. otherwise: makes the
    reader of an answer that begins in another way, or whose first `_LONGEST` characters do not show how it
    begins; None = such an answer is plain text.
    """

    __slots__ = ("_arguments", "_ending", "_heads", "_held", "_other", "_otherwise")

    def __init__(
        self, heads: Mapping[str, str], ending: str, otherwise: Callable[[], CallReader] | None = None
    ) -> None:
        self._heads = heads
        self._ending = ending
        self._otherwise = otherwise
        self._held = ""
        self._arguments: _Arguments | None = None
        self._other: CallReader | None = None

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = none, for example
        because the beginning of the answer is held back until it shows whether the answer is a call.
        """
        if self._arguments is not None:
            return self._arguments.feed(text)
        if self._other is not None:
            return self._other.feed(text)
        text, self._held = self._held + text, ""
        fence = _FENCE.match(text)
        inside = text if fence is None else text[fence.end() :]
        compact = "".join(inside.split())
        for head, name in self._heads.items():
            if compact.startswith(head):
                self._arguments = _Arguments(self._ending if fence is None else f"{self._ending}```")
                return [Begun(name), *self._arguments.feed(_behind(inside, len(head) - 1))]
        begins = any(head.startswith(compact) for head in self._heads) or _MAY_FENCE.fullmatch(text)
        if begins and len(text) <= _LONGEST:
            self._held = text
            return []
        self._other = _Plain() if self._otherwise is None else self._otherwise()
        return self._other.feed(text)

    def close(self, *, cut: bool = False) -> Sequence[Piece]:
        """Return the last pieces: the end of a call that broke off, or text that was held back; [] = there is
        neither. cut: True = the model has not ended its answer itself; it matters only to the reader that
        `otherwise` has made.
        """
        if self._arguments is not None:
            return self._arguments.close()
        if self._other is not None:
            return self._other.close(cut=cut)
        return [self._held] if self._held else []


class _Plain:
    """The `CallReader` of a text without calls."""

    def feed(self, text: str) -> Sequence[Piece]:
        return [text] if text else []

    def close(self, *, cut: bool = False) -> Sequence[Piece]:
        return []


_LONGEST: Final = 2000
"""The most characters of an answer's beginning that are held back. A limit is needed because a model may
write any amount of white space."""
_FENCE: Final = re.compile(r"\s*```(?:json)?[ \t]*\r?\n", re.IGNORECASE)
_MAY_FENCE: Final = re.compile(r"\s*(?:`{1,3}|```(?:j|js|jso|json)?[ \t]*\r?)", re.IGNORECASE)


def _head(name: str) -> str:
    """Return the beginning of an answer with a call of this tool, up to and with the first brace of the
    arguments, without white space.
    """
    quoted = "".join(msgspec.json.encode(name).decode().split())
    return f'{{"call":{{"tool":{quoted},"arguments":{{'


def _behind(text: str, count: int) -> str:
    """Return the rest of the text after its first `count` characters that are not white space. White space at
    the beginning of the rest is removed.
    """
    at = 0
    while count:
        count -= not text[at].isspace()
        at += 1
    return text[at:].lstrip()
