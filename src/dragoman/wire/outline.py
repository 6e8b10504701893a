"""The members of a large JSON object as the bytes that were written, found without reading the longest of
them again.

A coding agent's request is decoded, so that it can be checked, and is sent on with its messages as they were
written. To find the messages in the text, `head_of` reads the whole text a second time. `outline` reads only
the text before the messages and the text after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.wire.json import UNDECODABLE, head_of

_SPACE: Final = b" \t\r\n"
_GAP: Final = 16
"""The most bytes of the comma and the white space between two members, for `_comma_before`."""
_read = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def outline(body: bytes, value: Mapping[str, Any], members: int) -> dict[str, msgspec.Raw]:
    """Return {member: its value as the bytes that were written}, as `head_of` returns it, but the longest
    value may have white space around it. body: the text of the object. value: the decoded object. members:
    how many members the text has, where a repeated member counts each time; 0 = not known.
    """
    found = _around_longest(body, value) if members == len(value) else None
    return head_of(body) if found is None else found


def _around_longest(body: bytes, value: Mapping[str, Any]) -> dict[str, msgspec.Raw] | None:
    """Return the members of an object that states none twice; None = they cannot be found in this way.

    The longest member is taken to be the list with the most items. The text before it and the text after it
    are read, each as an object. If these two objects have all other members, nothing but one value can stand
    between them.

    The text after it begins where a member begins, for two reasons. It begins with a quote and a letter, and
    a letter cannot follow a quote that ends a string. With a `{` before it, it is a whole object, so its last
    bracket is the one that ends the body.
    """
    if (longest := _longest(value)) is None:
        return None
    names = list(value)
    at = names.index(longest) + 1
    key = b'"%b":' % longest.encode()
    start = body.find(key)
    if at == len(names):
        end = after = body.rfind(b"}")
    elif names[at].isidentifier():
        after = body.rfind(b'"%b"' % names[at].encode())
        end = _comma_before(body, after)
    else:
        return None
    if start < 0 or end < start:
        return None
    try:
        front = _read(body[:start].rstrip(_SPACE).removesuffix(b",") + b"}")
        back = _read(b"{" + body[after:])
    except UNDECODABLE:
        return None
    if [*front, longest, *back] != names:
        return None
    return front | {longest: msgspec.Raw(memoryview(body)[start + len(key) : end])} | back


def _longest(value: Mapping[str, Any]) -> str | None:
    """Return the name of the list with the most items, among the lists whose first item is an object; None =
    there is none, or its name may be written in several ways.
    """
    longest, most = "", 0
    for name, member in value.items():
        if type(member) is list and len(member) > most and type(member[0]) is dict:
            longest, most = name, len(member)
    return longest if longest.isidentifier() else None


def _comma_before(body: bytes, position: int) -> int:
    """Return the position of the comma before `position`; -1 = something else than white space stands between
    the two, or too much white space.
    """
    start = max(0, position - _GAP)
    gap = body[start : max(0, position)].rstrip(_SPACE)
    return start + len(gap) - 1 if gap.endswith(b",") else -1
