"""How much to think, in words: what was asked for, what it comes nearest to, and what the model knows."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report

SPARSE = Facts(efforts=("none", "low", "high"))


@pytest.mark.parametrize(
    ("wish", "facts", "effort", "lost", "changed"),
    [
        (ir.Reasoning(effort="minimal"), UNKNOWN, "minimal", {}, []),
        (ir.Reasoning(mode="off"), UNKNOWN, "none", {}, ["reasoning.mode"]),
        (ir.Reasoning(mode="on"), UNKNOWN, "medium", {}, ["reasoning.mode"]),
        (ir.Reasoning(mode="adaptive"), UNKNOWN, None, {"reasoning.mode": "hint"}, []),
        (ir.Reasoning(), UNKNOWN, None, {}, []),
        (ir.Reasoning(budget=0), UNKNOWN, "none", {}, ["reasoning.budget"]),
        (ir.Reasoning(budget=1), UNKNOWN, "low", {}, ["reasoning.budget"]),
        (ir.Reasoning(budget=3000), UNKNOWN, "medium", {}, ["reasoning.budget"]),
        (ir.Reasoning(budget=100_000), UNKNOWN, "max", {}, ["reasoning.budget"]),
        (ir.Reasoning(budget=-1), UNKNOWN, None, {}, ["reasoning.budget"]),
        (ir.Reasoning(effort="low", budget=9), UNKNOWN, "low", {"reasoning.budget": "hint"}, []),
        (ir.Reasoning(effort="max"), SPARSE, "high", {"reasoning.effort": "quality"}, []),
        (ir.Reasoning(effort="minimal"), SPARSE, "low", {"reasoning.effort": "quality"}, []),
        (ir.Reasoning(effort="odd"), SPARSE, "low", {"reasoning.effort": "quality"}, []),
    ],
)
def test_the_nearest_effort(
    wish: ir.Reasoning, facts: Facts, effort: str | None, lost: dict[str, str], changed: list[str]
) -> None:
    report = Report("openai_chat")
    assert effort_of(wish, facts, report, "reasoning_effort") == effort
    assert {loss.path: loss.severity for loss in report.losses} == lost
    assert [change.path for change in report.changes] == changed
