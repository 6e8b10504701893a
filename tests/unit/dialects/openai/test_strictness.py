from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.strictness import strictness, tool_strictness
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS

OPEN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED: dict[str, Any] = {**OPEN, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict", "own", "told"),
    [
        (CLOSED, True, False, True),
        (OPEN, True, False, None),
        (OPEN, True, True, True),
        (OPEN, False, False, False),
        (OPEN, None, False, None),
        (None, True, False, True),
    ],
    ids=["kept", "breaks the rules", "one's own to say", "not asked for", "unsaid", "no schema"],
)
def test_what_is_enforced(
    schema: dict[str, Any] | None, strict: bool | None, own: bool, told: bool | None
) -> None:
    report = Report("openai_chat")
    assert strictness(ir.Output("schema", schema, strict=strict), report, own=own) is told
    assert [change.path for change in report.changes] == (["output.strict"] if told != strict else [])
    assert report.losses == []


@pytest.mark.parametrize(
    ("schema", "strict", "own", "told"),
    [
        (CLOSED, True, False, True),
        (OPEN, True, False, False),
        (OPEN, True, True, True),
        (OPEN, None, False, None),
        (None, True, False, True),
    ],
    ids=["kept", "breaks the rules", "one's own to say", "unsaid", "no schema"],
)
def test_which_tools_are_held_to_their_schema(
    schema: dict[str, Any] | None, strict: bool | None, own: bool, told: bool | None
) -> None:
    report = Report("openai_chat")
    tool = ir.Function("look", parameters=schema, strict=strict)
    assert tool_strictness(tool, "tools[0]", report, own=own) is told
    lost = [("tools[0].strict", "quality")] if told != strict else []
    assert [(loss.path, loss.severity) for loss in report.losses] == lost


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize("schema", [OPEN, CLOSED, None])
def test_what_another_protocols_client_holds_strictly_is_not_refused(
    name: str, schema: dict[str, Any] | None
) -> None:
    """Other protocols have strict tools with rules of their own."""
    tools = (ir.Function("look", parameters=schema, strict=True),)
    request = ir.Request("mistral", "m", (ir.Message("user", (ir.Text("Hi"),)),), tools=tools)
    dialect = DIALECTS[name]
    dialect.request.check(dialect.request.encode(request, Target(Report(name), "m")))
