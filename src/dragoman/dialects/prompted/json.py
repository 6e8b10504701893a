"""The notations that write calls as JSON objects between two marks.

Hermes: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, the form of the Hermes and Qwen models
(https://huggingface.co/NousResearch/Hermes-2-Pro-Mistral-7B, read 2026-11). Fenced: a Markdown code block
with the language `tool_code`. Between the marks stands one object, or an array of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.json_extent import JsonExtent
from dragoman.dialects.prompted.reading import BROKEN, Body, Broken, Call, Complete, Opening
from dragoman.dialects.prompted.work import Work
from dragoman.wire.json import UNDECODABLE

HERMES: Final = ("<tool_call>", "</tool_call>")
FENCED: Final = ("```tool_code", "```")

_NAMES: Final = ("name", "tool")
_ARGUMENTS: Final = ("arguments", "parameters")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_several = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def openings(marks: tuple[str, str], tools: Mapping[str, Any]) -> dict[str, Opening]:
    """Return {the opening mark of the notation: a function that makes the reader of the text after this
    mark}. marks: the opening and the closing mark. tools: the declared tools, by name.
    """

    def body(_work: Work) -> Body:  # every piece is read once
        return _Body(marks[1], tools)

    return {marks[0]: body}


class _Body:
    """Reads the text of a call after its opening mark: white space, a JSON value, white space, the closing
    mark. closing: the closing mark. tools: the declared tools, by name.
    """

    __slots__ = ("_closing", "_extent", "_json", "_tail", "_tools")

    def __init__(self, closing: str, tools: Mapping[str, Any]) -> None:
        self._closing = closing
        self._tools = tools
        self._extent: JsonExtent | None = None
        self._json: list[str] = []
        self._tail = ""

    def feed(self, text: str) -> Complete | Broken | None:
        """Take the next part of the text. Returns `Complete` at the end of the call, `Broken` if the text is
        not a call, and None if more text is needed.
        """
        extent = self._extent
        if extent is None:
            text = text.lstrip()
            if not text:
                return None
            if text[0] not in "{[":
                return BROKEN
            extent = self._extent = JsonExtent()
        if not extent.ended():
            end = extent.feed(text)
            self._json.append(text[:end])
            if not extent.ended():
                return None
            text = text[end:]
        self._tail = tail = (self._tail + text).lstrip()
        if not tail.startswith(self._closing):
            return None if self._closing.startswith(tail) else BROKEN
        calls = _calls("".join(self._json), self._tools)
        return Complete(calls, tail[len(self._closing) :]) if calls else BROKEN


def _calls(written: str, tools: Mapping[str, Any]) -> tuple[Call, ...]:
    """Return the calls that a JSON text states: an object is one call, an array of objects several. () = the
    text is not such JSON, the array is empty, or one of the objects is not a call of one of `tools`.
    """
    try:
        objects = _several(written) if written.startswith("[") else [written]
        calls = [_call(_members(one), tools) for one in objects]
    except UNDECODABLE:
        return ()
    found = tuple(call for call in calls if call is not None)
    return found if len(found) == len(calls) else ()


def _call(members: dict[str, msgspec.Raw], tools: Mapping[str, Any]) -> Call | None:
    """Return the call that an object states: `name` or `tool` has the tool's name, `arguments` or
    `parameters` the arguments (an object, also as a text; null or nothing means {}). None = the object names
    none of `tools`, or has another form. `members` is changed. Raises msgspec.DecodeError if the name is not
    a text.
    """
    stated = [members.pop(member) for member in _NAMES if member in members]
    values = [members.pop(member) for member in _ARGUMENTS if member in members]
    if members or len(stated) != 1 or len(values) > 1 or (name := _text(stated[0])) not in tools:
        return None
    arguments = bytes(values[0]).decode() if values else "{}"
    if arguments.startswith('"'):  # some models write the object as a text
        arguments = _text(values[0])
    elif arguments == "null":
        arguments = "{}"
    if not arguments.strip():
        arguments = "{}"
    return None if parse_arguments(arguments) is None else Call(name, arguments)


def written(marks: tuple[str, str], name: str, arguments: str, *, key: str = "name") -> str:
    """Return a call in this notation. marks: the opening and the closing mark. name: the tool. arguments:
    JSON text; a text that is not a JSON object is written as a JSON string, a blank text as {}. key: the
    member for the tool's name.
    """
    if not arguments.strip():
        arguments = "{}"
    elif parse_arguments(arguments) is None:
        arguments = msgspec.json.encode(arguments).decode()
    said = msgspec.json.encode(name).decode()
    return f'{marks[0]}\n{{"{key}": {said}, "arguments": {arguments}}}\n{marks[1]}'
