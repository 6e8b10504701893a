"""Input and output items as they are kept: each with an id, each as its own JSON.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from dragoman.state.store import Item
from dragoman.wire.json import encode

_PREFIXES: Final[Mapping[str, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "compaction": "cmp",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "computer_call": "cu",
    "code_interpreter_call": "ci",
    "image_generation_call": "ig",
    "mcp_call": "mcp",
}
"""What ids begin with, as the API's own do."""

Wire = dict[str, Any]


def items_of(given: Any) -> list[Wire]:
    """A request's input as items. A text is one message of the user."""
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return list(given)


def kind(item: Mapping[str, Any]) -> str:
    """An item's type. A message may be recognised by its role, a reference by its id alone."""
    stated = item.get("type")
    if isinstance(stated, str):
        return stated
    return "message" if "role" in item else "item_reference"


def kept(items: Iterable[Wire], mint: Callable[[], str]) -> tuple[Item, ...]:
    """Items as they are kept, each with an id. mint: makes the random part of one."""
    made = []
    for item in items:
        stated = item.get("id")
        if isinstance(stated, str) and stated:
            made.append(Item(stated, encode(item)))
            continue
        sort = kind(item)
        id_ = f"{_PREFIXES.get(sort, 'item')}_{mint()}"
        made.append(Item(id_, encode({**item, "type": sort, "id": id_})))
    return tuple(made)


def wanted(items: Sequence[Wire]) -> list[str]:
    """The ids of items that must be looked up: references, and thoughts that came without their seal."""
    return [
        item["id"]
        for item in items
        if isinstance(item.get("id"), str)
        and (
            kind(item) == "item_reference"
            or (item.get("type") == "reasoning" and not item.get("encrypted_content"))
        )
    ]
