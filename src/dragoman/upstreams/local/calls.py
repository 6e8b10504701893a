"""Finds tool calls in a model's text: calls that a grammar forced, and calls by the model's own choice. Pure.

A forced call begins with `{"name": "…", "arguments": `, as `grammar.call_grammar` requires. The rest of the
text, without its last brace, is the arguments. Calls by the model's own choice count only if the complete
reply consists of calls of declared tools.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from dragoman.wire.json import UNDECODABLE


class Begun(NamedTuple):
    """The beginning of a tool call. name: the name of the tool."""

    name: str


class ForcedCall:
    """Reads a forced call while the model writes it. begun: True = the tool's name was read."""

    def __init__(self) -> None:
        self._held = ""
        self.begun = False

    def feed(self, text: str) -> list[Begun | str]:
        """Return the parts of the call that more text completes: a `Begun` when the tool's name is complete,
        then pieces of the arguments; [] = nothing. The last character so far is held back, because it may be
        the brace that closes the call.
        """
        self._held += text
        parts: list[Begun | str] = []
        if not self.begun:
            head = _HEAD.match(self._held)
            if head is None:
                return parts
            self.begun = True
            self._held = self._held[head.end() :]
            parts.append(Begun(msgspec.json.decode(head[1], type=str)))
        # The last character so far may be the brace that closes the call itself.
        arguments, self._held = self._held[:-1], self._held[-1:]
        return [*parts, arguments] if arguments else parts

    def close(self, *, whole: bool) -> str:
        """Return the text that `feed` has not returned yet. whole: True = the model finished the call. Then
        "" is returned if the tool's name was read, because only the brace that closes the call is left.
        """
        held = "" if whole and self.begun else self._held
        self._held = ""
        return held


_HEAD = re.compile(r'\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_TAG = "<tool_call>"
_ABSENT = msgspec.Raw()
_KEYS = ('"name"', '"arguments"', '"parameters"', '"type"')


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A tool call in a model's text. It has the members that we describe to models (`name`, `arguments`), or
    those of some chat templates (`parameters`, `type`). Any other member makes it invalid.
    """

    name: str
    arguments: msgspec.Raw = _ABSENT
    parameters: msgspec.Raw = _ABSENT
    type: str | None = None


def may_be_call(text: str) -> bool:
    """Return whether a reply that begins with `text` may be a tool call. True if `text`, after white space,
    begins with `<tool_call>`, or with `{` and a key of a call; also if `text` ends within such a beginning.
    The text after the beginning is not checked.
    """
    text = text.lstrip()
    if text.startswith("{"):
        rest = text[1:].lstrip()
        return any(key.startswith(rest[: len(key)]) for key in _KEYS)
    return text.startswith(_TAG[: len(text)])


def chosen_calls(text: str, names: Collection[str]) -> list[tuple[str, str]]:
    """Return (name of the tool, JSON object with the arguments as text) for each call in a reply; "{}" for a
    call that states no arguments. text: the complete reply: one call as a JSON object, or calls within
    `<tool_call>` and `</tool_call>`. The list is empty if the reply contains any text besides calls (except
    white space), a malformed call, or a call of a tool that is not in `names`.
    """
    tagged = text.lstrip().startswith(_TAG)
    if tagged and _TAGGED.sub("", text).strip():
        return []
    calls = [_call(one, names) for one in (_TAGGED.findall(text) if tagged else [text])]
    return [call for call in calls if call is not None] if None not in calls else []


def _call(text: str, names: Collection[str]) -> tuple[str, str] | None:
    try:
        call = msgspec.json.decode(text, type=_Written)
        arguments = bytes(call.arguments) or bytes(call.parameters) or b"{}"
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except UNDECODABLE:
        return None
    return (call.name, arguments.decode()) if call.name in names else None
