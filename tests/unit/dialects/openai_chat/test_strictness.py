from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.strictness import strictness

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
