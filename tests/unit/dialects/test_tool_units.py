"""What a call of a provider's own tool is billed as."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.tool_units import ToolUses, unit_of_item
from dragoman.ir.units import is_tool


@pytest.mark.parametrize(
    ("item", "unit"),
    [
        ({"type": "web_search_call"}, "web_search_requests"),
        ({"type": "web_search_call", "action": {"type": "search", "query": "x"}}, "web_search_requests"),
        ({"type": "web_search_call", "action": {"type": "open_page"}}, None),
        ({"type": "file_search_call"}, "file_search_requests"),
        ({"type": "shell_call", "environment": {"type": "container_auto"}}, "code_execution_requests"),
        ({"type": "shell_call", "environment": {"type": "local"}}, None),
        ({"type": "shell_call"}, None),
        ({"type": "message"}, None),
        ({"type": ["web_search_call"]}, None),
        ({}, None),
    ],
)
def test_items_of_the_responses_api(item: dict[str, Any], unit: str | None) -> None:
    assert unit_of_item(item) == unit
    assert unit is None or is_tool(unit)


def test_calls_are_counted_unless_they_failed_or_the_client_makes_them() -> None:
    uses = ToolUses()
    for number, by in enumerate(("provider", "client", "provider")):
        uses.note(ir.ToolCall(str(number), "web_search", by=by))  # type: ignore[arg-type]
    uses.note(ir.ToolCall("3", "web_fetch", by="provider"))
    uses.note(ir.ToolCall("4", "bash_code_execution", by="provider"))
    uses.note(ir.ToolResult("0", error=True, by="provider"))
    uses.note(ir.ToolResult("2", error=False, by="provider"))
    uses.note(ir.Native("openai_responses", "odd", "no object"))
    uses.note(ir.Text("web_search"))
    assert uses.counts == {"web_search_requests": 1, "web_fetch_requests": 1}
