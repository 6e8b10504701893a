"""Items of the Responses API that go back to a server that takes only what itself could have said.

OpenAI asks of a thought that it has its seal, because it finds no other one where nothing is stored (404) and
takes none in words (400): vercel/ai#13234, musistudio/claude-code-router#1783. Of ids it asks for its own
form, though not that it knows them (400): openai/codex#33176, can1357/oh-my-pi#284. Other vendors' ids are
bare UUIDs (DeepSeek) or longer (xAI). Pure; every relayed request is looked at, so each item is, but once.
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
"""What the ids of items begin with that need none. Without its id, any other item would be refused, too."""


def is_strange(item: Any) -> bool:
    """Whether such a server would refuse an item as it is."""
    return type(item) is dict and (is_open_thought(item) or has_strange_id(item))


def is_open_thought(item: Mapping[str, Any]) -> bool:
    """Whether an item is a thought without its seal."""
    return item.get("type") == "reasoning" and not item.get("encrypted_content")


def has_strange_id(item: Mapping[str, Any]) -> bool:
    """Whether an item has an id that can be left out, and has to be."""
    stated = item.get("id")
    if stated is None:
        return False
    begins = _BEGINS.get(item.get("type", "message" if "role" in item else None))
    if begins is None or type(stated) is not str:
        return False
    return not stated.startswith(begins) or _ID.fullmatch(stated) is None
