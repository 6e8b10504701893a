"""The notation that writes calls as XML elements: a tag named like the tool, and in it a tag for each
parameter.

    <read_file><path>a.py</path></read_file>

This is the form of coding agents such as Roo Code and Cline, whose models are told not to escape anything: a
value is the text between its tags as it stands, and entities are not decoded
(https://docs.roocode.com/advanced-usage/available-tools/tool-use-overview, read 2026-11). A text with a
closing tag, and some others that could be read wrongly, are written as CDATA. In plain text, only the names
of declared tools are tags. Inside a call, they are the names of the parameters, or any names if the tool's
schema does not limit them. The inside of a call may also be a JSON object. Values become JSON by the
parameter's schema (`values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.prompted.reading import BROKEN, Broken, Call, Complete, Opening
from dragoman.dialects.prompted.values import NotWellFormed, Values, parameter_names
from dragoman.dialects.prompted.work import Work

_encode: Final = msgspec.json.Encoder().encode
_CDATA: Final = "<![CDATA["


def openings(tools: Mapping[str, Mapping[str, Any]]) -> dict[str, Opening]:
    """Return the opening tags of the declared tools: tag -> a function that makes the reader of the text
    after this tag. tools: name -> schema of the parameters.
    """
    found: dict[str, Opening] = {}
    for name, schema in tools.items():
        found[f"<{name}>"] = partial(_Body, name, schema)
        found[f"<{name}/>"] = found[f"<{name} />"] = partial(_Empty, name)
    return found


class _Empty:
    """Reads the text after an empty tag (`<name/>`). The tag alone is a whole call."""

    __slots__ = ("_name",)

    def __init__(self, name: str, _work: Work) -> None:
        self._name = name

    def feed(self, text: str) -> Complete | Broken | None:
        """Return the call, with the arguments `{}`. The call is complete with its tag, so all of `text` comes
        after the call.
        """
        return Complete((Call(self._name, "{}"),), text)


class _Body:
    """Reads the text after the opening tag of a tool. The call ends at the first closing tag of the tool
    before which the text is a complete set of arguments (elements, a JSON object, or nothing). Earlier
    closing tags of the tool are part of a value. schema: the JSON Schema of the tool's parameters.
    """

    __slots__ = (
        *("_begun", "_closing", "_last", "_name", "_parts", "_size", "_starts", "_tail", "_values", "_work"),
    )

    def __init__(self, name: str, schema: Mapping[str, Any], work: Work) -> None:
        self._name = name
        self._closing = f"</{name}>"
        self._values = Values(schema)
        names = parameter_names(schema)
        self._starts: tuple[str, ...] | None = None
        if names is not None:
            tags = tuple(tag for one in names for tag in (f"<{one}>", f"<{one}/>", f"<{one} />"))
            self._starts = (self._closing, "{", *tags)
        self._begun = False
        self._parts: list[str] = []  # the text so far, but for the tail
        self._size = 0  # of the parts
        self._last = ""  # the last character of the parts that is no white space
        self._tail = ""  # the end of the text, in which a closing tag may begin
        self._work = work

    def feed(self, text: str) -> Complete | Broken | None:
        """Take the next part of the text. Returns `Complete` at the end of the call, and `Broken` if the text
        does not begin like the inside of a call, or too much of it was read again (`Work`). None = no end of
        the call was found so far; it may never come, if the text has a mistake.
        """
        text = self._tail + text
        if not self._begun:
            text = text.lstrip()
            begins = self._begins(text)
            if not begins:
                self._tail = text
                return BROKEN if begins is False else None
            self._begun = True
        at = 0
        while (end := text.find(self._closing, at)) >= 0:
            self._take(text[at:end])
            at = end + len(self._closing)
            if self._may_end():
                if not self._work.spend(self._size):
                    return BROKEN
                arguments = self._arguments("".join(self._parts))
                if arguments is not None:
                    return Complete((Call(self._name, arguments),), text[at:])
            self._take(self._closing)
        kept = max(at, len(text) - len(self._closing) + 1)
        self._take(text[at:kept])
        self._tail = text[kept:]
        return None

    def _take(self, part: str) -> None:
        self._parts.append(part)
        self._size += len(part)
        self._last = part.rstrip()[-1:] or self._last

    def _may_end(self) -> bool:
        """Whether the call may end here, by the last character of its text. The whole text is parsed only
        then, because that takes longer.
        """
        return self._last in {"", ">", "}"}

    def _begins(self, text: str) -> bool | None:
        """Whether the text begins like the inside of a call. None = it is too short to know."""
        if not text:
            return None
        if self._starts is None:
            return text[0] in "<{"
        if text.startswith(self._starts):
            return True
        return None if any(start.startswith(text) for start in self._starts) else False

    def _arguments(self, inside: str) -> str | None:
        """Return the arguments as JSON text; a JSON object is returned as the model wrote it. None =
        `inside`, the text between the tool's tags, cannot be read as arguments, or the `Work` is used up.
        """
        stripped = inside.strip()
        if stripped.startswith("{"):
            return None if parse_arguments(stripped) is None else stripped
        try:
            return _encode(self._values.members(inside, self._work)).decode()
        except (NotWellFormed, RecursionError):
            return None


def written(name: str, arguments: str) -> str:
    """Return a call in this notation. name: the tool's name. arguments: JSON text; a blank text means no
    arguments, and a text that is not a JSON object stands between the tags, as CDATA.
    """
    members = parse_arguments(arguments)
    if members is None:
        return f"<{name}>\n{_cdata(arguments)}\n</{name}>"
    inside = "".join(f"{_element(key, value)}\n" for key, value in members.items())
    return f"<{name}>\n{inside}</{name}>"


def _element(name: str, value: Any) -> str:
    if isinstance(value, dict) and value and all(map(_may_be_tag, value)):
        inner = "".join(_element(key, one) for key, one in value.items())
    elif isinstance(value, list) and value:
        inner = "".join(_element("item", one) for one in value)
    elif isinstance(value, str):
        inner = _cdata(value) if _needs_cdata(value) else value
    else:
        inner = _encode(value).decode()
    return f"<{name}>{inner}</{name}>"


def _may_be_tag(name: str) -> bool:
    return bool(name) and not set(name) & set("<>/ \t\r\n")


def _needs_cdata(value: str) -> bool:
    return value != value.strip() or "</" in value or "<![" in value or value[:1] in {"<", "{", "["}


def _cdata(value: str) -> str:
    return f"{_CDATA}{value.replace(']]>', f']]]]>{_CDATA}>')}]]>"
