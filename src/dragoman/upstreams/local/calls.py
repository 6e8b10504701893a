"""Tool calls in the text of a model: a call that a grammar forced, or one that a model chose to write.

A forced call is read while it is written: `{"name": "…", "arguments": ` comes first, letter by letter as
`grammar.call_grammar` has it, and everything up to the last brace is the arguments. A call by choice is
one only if the whole reply is a call of a declared tool; anything else is prose. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec


class Begun(NamedTuple):
    """A call of this tool begins."""

    name: str


class ForcedCall:
    """Reads the text of a call that follows `grammar.call_grammar`."""

    def __init__(self) -> None:
        self._held = ""
        self.begun = False

    def feed(self, text: str) -> list[Begun | str]:
        """What is certain after more text: the call's beginning, and more of its arguments."""
        self._held += text
        parts: list[Begun | str] = []
        if not self.begun:
            head = _HEAD.match(self._held)
            if head is None:
                return parts
            self.begun = True
            self._held = self._held[head.end() :]
            parts.append(Begun(msgspec.json.decode(head[1], type=str)))
        # The last character so far may be the brace that ends the call itself.
        arguments, self._held = self._held[:-1], self._held[-1:]
        return [*parts, arguments] if arguments else parts

    def close(self, *, whole: bool) -> str:
        """What is still held back. whole: the call came to its end, so that its last brace is its own."""
        held = "" if whole and self.begun else self._held
        self._held = ""
        return held


_HEAD = re.compile(r'\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_TAG = "<tool_call>"
_ABSENT = msgspec.Raw()
_KEYS = ('"name"', '"arguments"', '"parameters"', '"type"')


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A call as models write it: in our own form, or with the words of some chat templates."""

    name: str
    arguments: msgspec.Raw = _ABSENT
    parameters: msgspec.Raw = _ABSENT
    type: str | None = None


def may_be_call(text: str) -> bool:
    """Whether a reply that begins like this could still be a call."""
    text = text.lstrip()
    if text.startswith("{"):
        rest = text[1:].lstrip()
        return any(key.startswith(rest[: len(key)]) for key in _KEYS)
    return text.startswith(_TAG[: len(text)])


def chosen_calls(text: str, names: Collection[str]) -> list[tuple[str, str]]:
    """The calls (name, arguments as written) that a whole reply consists of; none when it is prose."""
    written = _TAGGED.findall(text) if text.lstrip().startswith(_TAG) else [text]
    if len(written) > 1 and _TAGGED.sub("", text).strip():
        return []
    calls = [_call(one, names) for one in written]
    return [call for call in calls if call is not None] if None not in calls else []


def _call(text: str, names: Collection[str]) -> tuple[str, str] | None:
    try:
        call = msgspec.json.decode(text, type=_Written)
        arguments = bytes(call.arguments) or bytes(call.parameters) or b"{}"
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return (call.name, arguments.decode()) if call.name in names else None
