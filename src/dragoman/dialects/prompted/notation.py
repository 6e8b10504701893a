"""The notations in which tools, calls and results are written as text: one for each `Facts.tool_mode`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.prompted import json, xml
from dragoman.dialects.prompted.reading import CallReader, Opening, TextReader

_encode: Final = msgspec.json.Encoder().encode


class Notation(msgspec.Struct, frozen=True):
    """One way to write calls and results as text. guide: the instruction that tells the model how to write a
    call. call: writes a call, from the tool's name and the arguments (JSON text). result: writes a result,
    from the tool's name, the result's text, and whether the tool failed. openings: takes the declared tools
    (name -> schema of the parameters), and returns {opening mark of a call: a function that makes the reader
    of the text after it}.
    """

    guide: str
    call: Callable[[str, str], str]
    result: Callable[[str, str, bool], str]
    openings: Callable[[Mapping[str, Mapping[str, Any]]], Mapping[str, Opening]]

    def reader(self, tools: Mapping[str, Mapping[str, Any]], *, single: bool) -> Callable[[], CallReader]:
        """Return a function that makes a reader for each text of the answer. tools: the declared tools, name
        -> schema of the parameters. single: True = each text may contain only one call; what follows the call
        is plain text.
        """
        return partial(TextReader, self.openings(tools), single=single)


def described(tool: ir.Function) -> str:
    """Return a tool as one line of JSON: its name, its description (if it has one) and the JSON Schema of its
    parameters.
    """
    said: dict[str, Any] = {"name": tool.name}
    if tool.description:
        said["description"] = tool.description
    said["parameters"] = parameters(tool)
    return _encode(said).decode()


def parameters(tool: ir.Function) -> dict[str, Any]:
    """Return the JSON Schema of a tool's parameters. For a tool that states no schema, it is the schema of an
    object without members.
    """
    if tool.parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return tool.parameters


def _xml_result(name: str, text: str, failed: bool) -> str:  # noqa: FBT001
    return f"[{name}] {'Error' if failed else 'Result'}:\n{text}"


def _json_result(key: str, marks: tuple[str, str], name: str, text: str, failed: bool) -> str:  # noqa: FBT001
    said: dict[str, Any] = {key: name, "content": text}
    if failed:
        said["error"] = True
    return f"{marks[0]}\n{_encode(said).decode()}\n{marks[1]}"


_XML_GUIDE: Final = """\
To call a tool, write an element with the name of the tool, and in it an element for each parameter:
<tool_name>
<parameter_name>value</parameter_name>
</tool_name>
Write a text value as it is, without escaping any character. If a value contains its own closing tag, put \
it into <![CDATA[ and ]]>. Write an object as one element for each member, and an array as one <item> \
element for each item."""
_HERMES_GUIDE: Final = """\
To call a tool, write a JSON object with its name and arguments between <tool_call> tags:
<tool_call>
{"name": "tool_name", "arguments": {"parameter_name": "value"}}
</tool_call>"""
_FENCED_GUIDE: Final = """\
To call a tool, write a JSON object with its name and arguments in a code block of the language tool_code:
```tool_code
{"tool": "tool_name", "arguments": {"parameter_name": "value"}}
```"""

NOTATIONS: Final[Mapping[str, Notation]] = {
    "xml": Notation(_XML_GUIDE, xml.written, _xml_result, xml.openings),
    "hermes": Notation(
        _HERMES_GUIDE,
        partial(json.written, json.HERMES),
        partial(_json_result, "name", ("<tool_response>", "</tool_response>")),
        partial(json.openings, json.HERMES),
    ),
    "json": Notation(
        _FENCED_GUIDE,
        partial(json.written, json.FENCED, key="tool"),
        partial(_json_result, "tool", ("```tool_output", "```")),
        partial(json.openings, json.FENCED),
    ),
}
"""`Facts.tool_mode` -> the notation."""
