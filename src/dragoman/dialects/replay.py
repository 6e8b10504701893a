"""Recognises items in a Responses request that OpenAI would refuse because another server made them. Pure.
This code runs for every request that may be relayed to OpenAI, so it reads only a few members of each item.

A reasoning item needs its encrypted content: vercel/ai#13234, musistudio/claude-code-router#1783. An id must
have OpenAI's form, but may be unknown to OpenAI; ids of another form are refused (400): openai/codex#33176,
can1357/oh-my-pi#284. For example, DeepSeek's ids are bare UUIDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BEGINS: Final[Mapping[Any, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fc",
    "custom_tool_call": "",
    "custom_tool_call_output": "",
}
"""Item types whose id may be left out -> the prefix of OpenAI's ids. Items of other types need their id."""


def is_strange(item: Any) -> bool:
    """Whether OpenAI would refuse an item, because of an id that may be left out (`has_strange_id`), or
    because it is reasoning without encrypted content. False for a value that is not an object.
    """
    return type(item) is dict and (is_open_thought(item) or has_strange_id(item))


def is_open_thought(item: Mapping[str, Any]) -> bool:
    """Whether an item is reasoning whose `encrypted_content` is missing or empty."""
    return item.get("type") == "reasoning" and not item.get("encrypted_content")


def has_strange_id(item: Mapping[str, Any]) -> bool:
    """Whether the id of an item does not have OpenAI's form, so that OpenAI accepts the item only without the
    id. The form: the prefix for the item's type (`_BEGINS`), and 1 to 64 letters, digits, `_` and `-` in all
    (`_ID`). False for an item without an id, and for an item of a type that needs its id (not in `_BEGINS`).
    """
    stated = item.get("id")
    if stated is None:
        return False
    begins = _BEGINS.get(item.get("type", "message" if "role" in item else None))
    if begins is None or type(stated) is not str:
        return False
    return not stated.startswith(begins) or _ID.fullmatch(stated) is None
