"""States in which unit of `ir.units` a call of a provider's own tool is billed ("web_search_requests"), and
counts these calls in an answer that may not state their number, such as an answer of OpenAI's Responses API
or a stream that breaks off.

https://developers.openai.com/api/docs/pricing#built-in-tools (2026-11)
https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool#usage-and-pricing (2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dragoman import ir

SEARCHES: Final = "web_search_requests"
PICTURES: Final = "image_generation_requests"
_FETCHES: Final = "web_fetch_requests"
_CODE: Final = "code_execution_requests"
_ITEMS: Final = {
    "web_search_call": SEARCHES,
    "file_search_call": "file_search_requests",
    "code_interpreter_call": _CODE,
    "shell_call": _CODE,
    "image_generation_call": PICTURES,
}
"""The items of the Responses API."""
_SERVER_TOOLS: Final = {"web_search": SEARCHES, "web_fetch": _FETCHES}
"""The tools of the Messages API whose uses its usage states."""
_PLACES: Final = frozenset({"container_auto", "container_reference"})
"""The environments of a `shell_call` that OpenAI runs."""


def unit_of_item(item: Mapping[str, Any]) -> str | None:
    """Return the unit in which an item of the Responses API is billed as one use ("web_search_requests");
    None = no unit is known for the item. A `web_search_call` has no unit if it opens a page or searches
    within a page. A `shell_call` has one only if OpenAI runs it. item: decoded JSON; its members may have any
    type.
    """
    kind = item.get("type")
    if kind == "web_search_call":
        action = item.get("action")
        if isinstance(action, dict) and action.get("type", "search") != "search":
            return None
    elif kind == "shell_call":
        place = item.get("environment")
        if not isinstance(place, dict) or str(place.get("type")) not in _PLACES:
            return None
    return _ITEMS.get(kind) if isinstance(kind, str) else None


class ToolUses:
    """Counts the billed calls of the provider's own tools in one answer, from the answer's blocks. Counted
    are a provider's web searches and web fetches that have an id, except those whose result is an error, and
    those items of the Responses API for which `unit_of_item` returns a unit.
    """

    __slots__ = ("_calls", "_others")

    def __init__(self) -> None:
        self._calls: dict[str, str] = {}
        """{id of a call whose result is a block of its own: its unit}."""
        self._others: list[str] = []

    def note(self, block: ir.Block) -> None:
        """Look at the next block of the answer: a billed call is counted; a result with an error takes the
        call with the same id out of the counts.
        """
        if isinstance(block, ir.ToolCall):
            if block.by == "provider" and block.id is not None and block.name in _SERVER_TOOLS:
                self._calls[block.id] = _SERVER_TOOLS[block.name]
        elif isinstance(block, ir.ToolResult):
            if block.error and block.id is not None:
                self._calls.pop(block.id, None)
        elif isinstance(block, ir.Native):
            unit = unit_of_item(block.value) if isinstance(block.value, dict) else None
            if unit is not None:
                self._others.append(unit)

    @property
    def counts(self) -> dict[str, int]:
        """The number of billed calls so far, by unit. A unit without calls is missing."""
        return counted([*self._calls.values(), *self._others])


def counted(units: Iterable[str]) -> dict[str, int]:
    """Return how often each unit occurs: unit -> number."""
    counts: dict[str, int] = {}
    for unit in units:
        counts[unit] = counts.get(unit, 0) + 1
    return counts
