"""How much to think, in words: what was asked for, what it comes nearest to, and what the model knows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.efforts import effort_of
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS

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
        (ir.Reasoning("off", "high"), UNKNOWN, "none", {"reasoning.effort": "hint"}, ["reasoning.mode"]),
        (ir.Reasoning("off", "none"), UNKNOWN, "none", {}, ["reasoning.mode"]),
    ],
)
def test_the_nearest_effort(
    wish: ir.Reasoning, facts: Facts, effort: str | None, lost: dict[str, str], changed: list[str]
) -> None:
    report = Report("openai_chat")
    assert effort_of(wish, facts, report, "reasoning_effort") == effort
    assert {loss.path: loss.severity for loss in report.losses} == lost
    assert [change.path for change in report.changes] == changed


OFF = {"type": "disabled"}
CLAUDE = "anthropic.claude-sonnet-4-20250514-v1:0"
WITHOUT: list[tuple[str, str, Quirks, Facts, dict[str, Any]]] = [
    ("openai_chat", "m", STANDARD, UNKNOWN, {"reasoning_effort": "none"}),
    ("openai_chat", "m", STANDARD, Facts(reasoning=False), {}),
    ("openai_chat", "m", Quirks(reasoning_request="reasoning"), UNKNOWN, {"reasoning": {"enabled": False}}),
    ("openai_chat", "m", Quirks(reasoning_request="thinking"), UNKNOWN, {"thinking": OFF}),
    ("openai_chat", "m", Quirks(reasoning_request="enable_thinking"), UNKNOWN, {"enable_thinking": False}),
    ("openai_responses", "m", STANDARD, UNKNOWN, {"reasoning": {"effort": "none"}}),
    ("openai_responses", "m", STANDARD, Facts(reasoning=False), {}),
    ("mistral", "m", STANDARD, UNKNOWN, {"reasoning_effort": "none"}),
    ("cohere", "m", STANDARD, UNKNOWN, {"thinking": OFF}),
    ("ollama", "m", STANDARD, UNKNOWN, {"think": False}),
    ("bedrock", CLAUDE, STANDARD, UNKNOWN, {"additionalModelRequestFields": {"thinking": OFF}}),
    ("bedrock", "us.amazon.nova-2-lite-v1:0", STANDARD, UNKNOWN, {}),
    (
        "gemini",
        "m",
        STANDARD,
        Facts(thinking=("enabled", "disabled")),
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
    ),
]
USUAL = {"model", "messages", "input", "contents", "stream", "store", "include"}


@pytest.mark.parametrize(("name", "model", "quirks", "facts", "members"), WITHOUT)
def test_an_effort_beside_disabled_thinking_makes_no_model_think(
    name: str, model: str, quirks: Quirks, facts: Facts, members: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    asked |= {"thinking": OFF, "output_config": {"effort": "high"}}
    request = DIALECTS["anthropic"].request.decode(WireRequest("chat", asked))
    request = msgspec.structs.replace(request, max_output=None)
    report = Report(name)
    wire = DIALECTS[name].request.encode(request, Target(report, model, quirks=quirks, facts=facts))
    assert {key: value for key, value in wire.body.items() if key not in USUAL} == members
    assert {loss.path: loss.severity for loss in report.losses} == {"reasoning.effort": "hint"}
