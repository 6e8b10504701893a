"""Thinking and effort by what each generation of models accepts."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.facts import UNKNOWN, Facts
from tests.unit.dialects.anthropic.saying import changed, foreign, lost, wire, written

BUDGETED = Facts(thinking=("enabled", "disabled"), efforts=())
BOTH = Facts(thinking=("enabled", "adaptive", "disabled"), efforts=("low", "medium", "high", "max"))
ADAPTIVE = Facts(thinking=("adaptive", "disabled"), efforts=("low", "medium", "high", "xhigh", "max"))
ALWAYS = Facts(thinking=("adaptive",), efforts=("low", "medium", "high", "xhigh", "max"))
BETWEEN = Facts(thinking=("adaptive", "between_tools"), efforts=("low",))
STRONG = Facts(thinking=("adaptive", "disabled"), efforts=("medium", "high"))
NEVER = Facts(thinking=())
HARD = Facts(thinking=("adaptive",), efforts=("medium", "high"))
R = ir.Reasoning


@pytest.mark.parametrize(
    ("wish", "facts", "thinking", "effort", "losses"),
    [
        # Effort words: adaptive where it is known or facts are silent, a budget for older models.
        (R(effort="high"), UNKNOWN, {"type": "adaptive"}, "high", []),
        (R(effort="minimal"), UNKNOWN, {"type": "adaptive"}, "low", []),
        (R(effort="max"), ADAPTIVE, {"type": "adaptive"}, "max", []),
        (R(effort="minimal"), HARD, {"type": "adaptive"}, "medium", [("reasoning.effort", "quality")]),
        (R(effort="xhigh"), BOTH, {"type": "adaptive"}, "high", [("reasoning.effort", "quality")]),
        (R(effort="minimal"), STRONG, {"type": "adaptive"}, "medium", [("reasoning.effort", "quality")]),
        (R(effort="low"), STRONG, {"type": "adaptive"}, "medium", [("reasoning.effort", "quality")]),
        (R(effort="minimal"), BUDGETED, {"type": "enabled", "budget_tokens": 1024}, None, []),
        (R(effort="low"), BUDGETED, {"type": "enabled", "budget_tokens": 1024}, None, []),
        (R(effort="medium"), BUDGETED, {"type": "enabled", "budget_tokens": 2048}, None, []),
        (R(effort="high"), BUDGETED, {"type": "enabled", "budget_tokens": 4096}, None, []),
        (R(effort="xhigh"), BUDGETED, {"type": "enabled", "budget_tokens": 8192}, None, []),
        (R(effort="max"), BUDGETED, {"type": "enabled", "budget_tokens": 16384}, None, []),
        (R(effort="high"), NEVER, None, None, [("reasoning", "quality")]),
        (R(effort="high"), Facts(thinking=("disabled",)), None, None, [("reasoning", "quality")]),
        (R(effort="high"), Facts(reasoning=False), None, None, [("reasoning", "quality")]),
        # Off.
        (R(effort="none"), UNKNOWN, {"type": "disabled"}, None, []),
        (R("off"), ADAPTIVE, {"type": "disabled"}, None, []),
        (R(budget=0), BUDGETED, {"type": "disabled"}, None, []),
        (R("off"), ALWAYS, None, "low", [("reasoning", "quality")]),
        (R("off"), BETWEEN, {"type": "between_tools"}, None, [("reasoning", "quality")]),
        (R("off"), NEVER, None, None, []),
        (R(effort="none"), Facts(reasoning=False), None, None, []),
        # Budgets: kept where the model takes them, else the nearest word.
        (R(budget=3000), BUDGETED, {"type": "enabled", "budget_tokens": 3000}, None, []),
        (R(budget=3000), ADAPTIVE, {"type": "adaptive"}, "medium", []),
        (R(budget=3900), UNKNOWN, {"type": "adaptive"}, "high", []),
        (R(budget=50_000), ADAPTIVE, {"type": "adaptive"}, "max", []),
        (R(budget=-1), ADAPTIVE, {"type": "adaptive"}, None, []),
        (R(budget=-1), BUDGETED, {"type": "enabled", "budget_tokens": 2048}, None, []),
        (R(budget=100), BUDGETED, {"type": "enabled", "budget_tokens": 1024}, None, []),
        # Simply on.
        (R("on"), UNKNOWN, {"type": "adaptive"}, None, []),
        (R("on"), BUDGETED, {"type": "enabled", "budget_tokens": 2048}, None, []),
        (R("on", budget=3000), UNKNOWN, {"type": "enabled", "budget_tokens": 3000}, None, []),
        # Shown or not.
        (R(effort="low", visible=True), UNKNOWN, {"type": "adaptive", "display": "summarized"}, "low", []),
        (R(effort="low", visible=False), UNKNOWN, {"type": "adaptive", "display": "omitted"}, "low", []),
        (
            R(effort="low", summary="concise"),
            UNKNOWN,
            {"type": "adaptive", "display": "summarized"},
            "low",
            [],
        ),
        (R("off", visible=True), UNKNOWN, {"type": "disabled"}, None, []),
        (R(visible=False), UNKNOWN, None, None, []),
        (R(visible=True), UNKNOWN, None, None, [("reasoning", "hint")]),
        (R(summary="auto"), UNKNOWN, None, None, [("reasoning", "hint")]),
    ],
)
def test_a_wish_becomes_what_the_model_takes(
    wish: ir.Reasoning,
    facts: Facts,
    thinking: dict[str, Any] | None,
    effort: str | None,
    losses: list[tuple[str, str]],
) -> None:
    body, report = written(foreign(reasoning=wish, max_output=100_000), facts)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert lost(report) == losses


def test_every_rewriting_is_named() -> None:
    def changes(wish: ir.Reasoning, facts: Facts) -> list[str | None]:
        return changed(written(foreign(reasoning=wish, max_output=100_000), facts)[1])

    assert changes(R(effort="minimal"), UNKNOWN) == ["reasoning.effort"]
    assert changes(R(effort="high"), BUDGETED) == ["reasoning"]
    assert changes(R(effort="none"), UNKNOWN) == ["reasoning"]
    assert changes(R("on"), UNKNOWN) == ["reasoning.mode"]
    assert changes(R(budget=3000), ADAPTIVE) == ["reasoning.budget"]
    assert changes(R(budget=10), BUDGETED) == ["reasoning.budget"]
    assert changes(R("off"), UNKNOWN) == []


def test_max_tokens_makes_room_for_a_budget_that_nobody_bounded() -> None:
    body, report = written(foreign(reasoning=R(budget=20_000)), BUDGETED)
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (28_192, 20_000)
    assert changed(report) == [None, "reasoning.budget"]
    limited = Facts(thinking=("enabled",), max_output=21_000)
    assert written(foreign(reasoning=R(budget=20_999)), limited)[0]["max_tokens"] == 21_000


def test_a_budget_is_lowered_below_the_client_s_own_bound() -> None:
    body, report = written(foreign(reasoning=R(budget=3000), max_output=3000), BUDGETED)
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (3000, 2999)
    assert lost(report) == [("reasoning.budget", "quality")]


def test_a_bound_without_room_switches_thinking_off() -> None:
    body, report = written(foreign(reasoning=R(effort="high"), max_output=1024), BUDGETED)
    assert body["thinking"] == {"type": "disabled"}
    assert lost(report) == [("reasoning", "quality")]


@pytest.mark.parametrize(
    ("facts", "thinking"), [(UNKNOWN, None), (BUDGETED, {"type": "disabled"}), (ALWAYS, None)]
)
def test_a_forced_call_wins_over_thinking(facts: Facts, thinking: dict[str, Any] | None) -> None:
    asked = foreign(
        reasoning=R(effort="high"),
        tools=(ir.Function("f"),),
        tool_choice=ir.ToolChoice("any"),
        max_output=9000,
    )
    body, report = written(asked, facts)
    assert body.get("thinking") == thinking
    assert body["tool_choice"] == {"type": "any"}
    assert lost(report) == [("reasoning", "quality")]


def test_a_call_that_is_only_asked_for_leaves_thinking_alone() -> None:
    asked = foreign(reasoning=R(effort="high"), tools=(ir.Function("f"),), tool_choice=ir.ToolChoice("any"))
    body, _ = written(asked, Facts(forced_tool=False, thinking=("adaptive",)))
    assert body["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize(
    ("members", "facts", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, BUDGETED, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, BOTH, None),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            ADAPTIVE,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        ),
        (
            {"thinking": {"type": "adaptive"}},
            BUDGETED,
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
        ({"output_config": {"effort": "high"}}, ADAPTIVE, None),
        ({"thinking": {"type": "between_tools"}}, BETWEEN, None),
        ({"thinking": {"type": "new_mode", "depth": 3}}, UNKNOWN, None),
    ],
)
def test_an_own_wish_changes_only_where_the_model_is_known_to_refuse_it(
    members: dict[str, Any], facts: Facts, expected: dict[str, Any] | None
) -> None:
    request = DIALECT.request.decode(wire(max_tokens=50_000, **members))
    body, _ = written(request, facts)
    named = ("thinking", "output_config")
    assert {key: body[key] for key in named if key in body} == (expected or members)


def test_an_own_effort_that_turns_thinking_off_never_becomes_the_strongest() -> None:
    """Anthropic has no effort `none`; a client of its API may send it all the same."""
    request = DIALECT.request.decode(wire(output_config={"effort": "none"}))
    told, report = written(request, BOTH)
    assert "output_config" not in told
    assert lost(report) == [("reasoning.effort", "quality")]


def test_a_budget_above_the_model_s_longest_answer_is_lowered_below_it() -> None:
    facts = Facts(thinking=("enabled",), max_output=8192)
    body, report = written(foreign(reasoning=R(budget=32_768)), facts)
    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (8192, 8191)
    assert lost(report) == [("reasoning.budget", "quality")]
