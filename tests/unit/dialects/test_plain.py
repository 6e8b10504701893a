"""Blocks in protocols whose answers are one text: what is said of it, and what is lost."""

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.plain import plain_text


@pytest.mark.parametrize(
    ("block", "text", "severity"),
    [
        (ir.Text("hello"), "hello", None),
        (ir.Refusal("no"), "no", None),
        (ir.Thinking("hm"), "", "hint"),
        (ir.ToolCall("1", "a", "{}"), "", "meaning"),
    ],
)
def test_a_block_is_its_text_or_a_loss(block: ir.Block, text: str, severity: str | None) -> None:
    report = Report("openai_completions", "response")
    assert plain_text(block, report, "candidates[0].blocks[0]") == text
    assert [loss.severity for loss in report.losses] == ([] if severity is None else [severity])
